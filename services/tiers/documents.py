"""The documents of tiers: programmes and ladders, checked when published and compiled once a version."""

from collections.abc import Mapping, Sequence
from hashlib import blake2b
from itertools import pairwise
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

from pydantic import Field, field_validator, model_validator

from services.chassis.documents import Code, Document, Mistakes, Spec, parse_specs
from services.chassis.programmes import ProgrammeSpec, check_programmes
from services.tiers.values import Config, Ladder, Level, Window

MAX_SCORE = (1 << 53) - 1
MAX_WINDOW_DAYS = 3_660
MAX_WINDOW_MONTHS = 120
MAX_LEVELS = 50


class WindowSpec(Spec):
    """How far back a ladder looks: `days` civil days or `months` months, the day itself included."""

    days: Annotated[int, Field(ge=1, le=MAX_WINDOW_DAYS)] | None = None
    months: Annotated[int, Field(ge=1, le=MAX_WINDOW_MONTHS)] | None = None

    @model_validator(mode="after")
    def _one_length(self) -> "WindowSpec":
        if (self.days is None) == (self.months is None):
            raise ValueError("takes either days or months")
        return self


class LevelSpec(Spec):
    """A level: whoever has a score of `at` in the window reaches it."""

    code: Code
    name: str = ""
    at: Annotated[int, Field(ge=0, le=MAX_SCORE)]


class LadderSpec(Spec):
    """A ladder: levels that a score in a rolling window reaches."""

    name: str = ""
    unit: Code
    window: WindowSpec
    levels: Annotated[tuple[LevelSpec, ...], Field(min_length=1, max_length=MAX_LEVELS)]
    evaluation: Literal["daily", "monthly"] = "daily"
    falling: Literal["keep-until-evaluation", "at-once"] = "keep-until-evaluation"
    rises_from: Literal["activity", "recording"] = "activity"

    @field_validator("levels")
    @classmethod
    def _ascending(cls, levels: tuple[LevelSpec, ...]) -> tuple[LevelSpec, ...]:
        if levels[0].at != 0:
            raise ValueError(f"the lowest level, {levels[0].code}, must be at 0: everybody stands somewhere")
        for lower, higher in pairwise(levels):
            if higher.at <= lower.at:
                raise ValueError(f"levels must ascend: {higher.code} is at {higher.at}, {lower.code} at {lower.at}")
        codes = [level.code for level in levels]
        if len(set(codes)) != len(codes):
            raise ValueError("two levels have the same code")
        return levels


MODELS: Mapping[str, type[Spec]] = {"programme": ProgrammeSpec, "ladder": LadderSpec}


def compile_documents(documents: Sequence[Document]) -> Config:
    """What rules use of a version's documents. Raises DocumentErrors with every mistake."""
    mistakes = Mistakes()
    specs = parse_specs(documents, MODELS, mistakes)
    check_programmes(documents, mistakes)
    mistakes.check()
    zones = {code: ZoneInfo(spec.time_zone) for code, spec in specs["programme"].items()}
    zone_of = {document.code: zones[document.programme] for document in documents if document.kind == "ladder"}
    _check_zones(specs["ladder"], zone_of, mistakes)
    mistakes.check()
    ladders = {code: _ladder(code, spec, zone_of[code]) for code, spec in specs["ladder"].items()}
    by_unit: dict[str, tuple[Ladder, ...]] = {}
    for ladder in ladders.values():
        by_unit[ladder.unit] = (*by_unit.get(ladder.unit, ()), ladder)
    return Config(
        ladders=ladders,
        by_unit=by_unit,
        zones={unit: of_unit[0].zone for unit, of_unit in by_unit.items()},
        zone_of_others=next(iter(zones.values())) if len(zones) == 1 else ZoneInfo("UTC"),
    )


def _check_zones(ladders: Mapping[str, LadderSpec], zone_of: Mapping[str, ZoneInfo], mistakes: Mistakes) -> None:
    """Scores are kept by day once a unit, so ladders that share a unit must agree on what a day is."""
    first: dict[str, str] = {}
    for code, ladder in ladders.items():
        other = first.setdefault(ladder.unit, code)
        if zone_of[code] != zone_of[other]:
            text = f"{ladder.unit} counts for the ladder {other} too, in another time zone: {zone_of[other].key}"
            mistakes.add(f"ladder/{code}.unit", text)


def _ladder(code: str, spec: LadderSpec, zone: ZoneInfo) -> Ladder:
    deciding = spec.model_dump_json(exclude={"name", "rises_from"})
    return Ladder(
        code=code,
        unit=spec.unit,
        zone=zone,
        window=Window(spec.window.days or 0, spec.window.months or 0),
        levels=tuple(Level(level.code, level.name, level.at) for level in spec.levels),
        thresholds=tuple(level.at for level in spec.levels),
        ranks={level.code: rank for rank, level in enumerate(spec.levels)},
        monthly=spec.evaluation == "monthly",
        falls_at_once=spec.falling == "at-once",
        rises_when_recorded=spec.rises_from == "recording",
        fingerprint=blake2b(f"{zone.key} {deciding}".encode(), digest_size=8).hexdigest(),
    )
