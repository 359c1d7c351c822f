"""The documents of benefits: programmes, ladders and benefits, checked when published and compiled once a version."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

from pydantic import BeforeValidator, ConfigDict, Field, model_validator

from services.benefits.eligibility import Eligibility
from services.benefits.values import (
    Benefit,
    BenefitsConfig,
    LevelUp,
    Lifetime,
    Listed,
    Monthly,
    Quota,
    Way,
)
from services.chassis import cel, civil
from services.chassis.documents import Code, Document, Mistakes, Rate, Spec, parse_specs
from services.chassis.programmes import ProgrammeSpec, check_programmes

MAX_USES = (1 << 53) - 1
FIRST_YEAR, LAST_YEAR = 1970, 9998
"""The years of which every instant can be written on the wire, and a day later as well."""


def _day(value: object) -> date:
    try:
        day = date.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        day = None
    if day is None or not FIRST_YEAR <= day.year <= LAST_YEAR:
        raise ValueError(f'must be a day such as "2017-03-31", from {FIRST_YEAR} to {LAST_YEAR}')
    return day


Day = Annotated[date, BeforeValidator(_day)]
"""A civil day in the programme's zone."""


class DaysSpec(Spec):
    """From a day through another, both included; either may be missing."""

    first: Day | None = Field(None, alias="from")
    last: Day | None = Field(None, alias="through")

    @model_validator(mode="after")
    def _in_order(self) -> "DaysSpec":
        if self.first is not None and self.last is not None and self.last < self.first:
            raise ValueError("ends before it begins")
        return self


class ValiditySpec(Spec):
    """How long an entitlement is valid.

    hours after its issue; days, months or years, which end at 00:00 so many civil days, months or years after the day
    of its issue; through end-of-month; or from a day through another, both included.
    """

    hours: Annotated[int, Field(ge=1, le=87_600)] | None = None
    days: Annotated[int, Field(ge=1, le=36_500)] | None = None
    months: Annotated[int, Field(ge=1, le=1_200)] | None = None
    years: Annotated[int, Field(ge=1, le=100)] | None = None
    first: Day | None = Field(None, alias="from")
    last: Day | Literal["end-of-month"] | None = Field(None, alias="through")

    @model_validator(mode="after")
    def _one_way(self) -> "ValiditySpec":
        lengths = [length for length in (self.hours, self.days, self.months, self.years) if length is not None]
        is_fixed = self.first is not None or self.last is not None
        if len(lengths) + is_fixed != 1:
            raise ValueError("takes one of hours, days, months, years, or from and through")
        if self.last == "end-of-month" and self.first is not None:
            raise ValueError("end-of-month is counted from the issue: leave from out")
        if self.first is not None and isinstance(self.last, date) and self.last < self.first:
            raise ValueError("ends before it begins")
        return self


class LevelSpec(Spec):
    """A level of a ladder; what it takes to reach it concerns tiers."""

    model_config = ConfigDict(extra="ignore")

    code: Code


class LadderSpec(Spec):
    """A ladder, whose document tiers has as well: here it only says which levels there are, the lowest first."""

    model_config = ConfigDict(extra="ignore")

    levels: Annotated[tuple[LevelSpec, ...], Field(min_length=1)]


class LevelUpSpec(Spec):
    """Issued when a member rises on a ladder to one of `levels` (none named: any but the lowest).

    every-rise: each time; all-crossed: for each level once in a member's life, those between included; top-only: for
    the topmost alone, and those between count as given.
    """

    when: Literal["level-up"]
    ladder: Code
    levels: tuple[Code, ...] = ()
    gifts: Literal["every-rise", "all-crossed", "top-only"] = "every-rise"


class MonthSpec(Spec):
    """Issued at 00:00 of the first day of each natural month, to every member who is eligible."""

    when: Literal["month"]


class ListedSpec(Spec):
    """Issued by IssueEntitlement to whoever is named."""

    when: Literal["listed"]


class QuotaSpec(Spec):
    """So many uses in each civil period of the programme's zone; weeks begin on Monday."""

    uses: Annotated[int, Field(ge=1, le=MAX_USES)]
    period: Literal["day", "week", "month", "year", "once"]


class ValueSpec(Spec):
    """What the benefit is worth, for people to read: an amount in minor units, or a share of the price."""

    discount_minor: Annotated[int, Field(ge=0, le=MAX_USES)] | None = None
    discount_percent: Rate | None = None

    @model_validator(mode="after")
    def _one(self) -> "ValueSpec":
        if (self.discount_minor is None) == (self.discount_percent is None):
            raise ValueError("takes one of discount_minor, discount_percent")
        return self


class BenefitSpec(Spec):
    """What members may use: a coupon (they have entitlements to it) or a quota (it is counted).

    `judged` says whether a coupon's condition is judged again when it is used; a quota's is judged then. `merged` says
    what stays when two members who are merged both have it: all, or one, which is none when one was used. Left out, one
    stays of level gifts that are given once in a life, and all of everything else.
    """

    name: str
    kind: Literal["coupon", "quota"]
    domains: tuple[Code, ...] = ()
    offered: DaysSpec = DaysSpec()
    eligibility: str = ""
    judged: Literal["at-issue-and-use", "at-issue"] = "at-issue-and-use"
    issue: tuple[Annotated[LevelUpSpec | MonthSpec | ListedSpec, Field(discriminator="when")], ...] = ()
    validity: ValiditySpec | None = None
    uses: Annotated[int, Field(ge=1, le=MAX_USES)] | Literal["unlimited"] = 1
    quota: QuotaSpec | None = None
    value: ValueSpec | None = None
    merged: Literal["keep-all", "keep-one"] | None = None

    @model_validator(mode="after")
    def _fits_kind(self) -> "BenefitSpec":
        if self.kind == "coupon":
            if self.quota is not None:
                raise ValueError("a coupon has no quota: it is good for so many uses")
            if not self.issue:
                raise ValueError("a coupon says when it is issued: level-up, month or listed")
            return self
        if self.quota is None:
            raise ValueError("a quota says how many uses there are in which period")
        extra = {"issue", "validity", "uses", "judged", "merged"} & self.model_fields_set
        if extra:
            raise ValueError(f"a quota is counted, not issued: leave {', '.join(sorted(extra))} out")
        return self


MODELS: Mapping[str, type[Spec]] = {"programme": ProgrammeSpec, "ladder": LadderSpec, "benefit": BenefitSpec}

Ladders = Mapping[str, tuple[str, ...]]
"""The levels of each ladder, the lowest first."""


def compile_documents(documents: Sequence[Document]) -> BenefitsConfig:
    """Compile a version. Raises DocumentErrors with everything that is wrong."""
    mistakes = Mistakes()
    specs = parse_specs(documents, MODELS, mistakes)
    check_programmes(documents, mistakes)
    mistakes.check()
    zones = {code: ZoneInfo(spec.time_zone) for code, spec in specs["programme"].items()}
    zone_of = {document.code: zones[document.programme] for document in documents if document.kind == "benefit"}
    ladders = {code: tuple(level.code for level in spec.levels) for code, spec in specs["ladder"].items()}
    for code, spec in specs["benefit"].items():
        _check_levels(code, spec, ladders, mistakes)
    conditions = {code: _eligibility(code, spec, ladders, mistakes) for code, spec in specs["benefit"].items()}
    mistakes.check()
    return _config(
        {
            code: _benefit(code, spec, conditions[code], ladders, zone_of[code])
            for code, spec in specs["benefit"].items()
        }
    )


def _check_levels(code: str, spec: BenefitSpec, ladders: Ladders, mistakes: Mistakes) -> None:
    for number, way in enumerate(spec.issue):
        if not isinstance(way, LevelUpSpec):
            continue
        field = f"benefit/{code}.issue.{number}"
        if way.ladder not in ladders:
            mistakes.add(f"{field}.ladder", f"there is no ladder {way.ladder}")
            continue
        unknown = [level for level in way.levels if level not in ladders[way.ladder]]
        if unknown:
            mistakes.add(f"{field}.levels", f"the ladder {way.ladder} has no {', '.join(unknown)}")


def _config(benefits: Mapping[str, Benefit]) -> BenefitsConfig:
    level_ups: dict[str, tuple[tuple[Benefit, LevelUp], ...]] = {}
    for benefit in benefits.values():
        for way in benefit.ways:
            if isinstance(way, LevelUp):
                level_ups[way.ladder] = (*level_ups.get(way.ladder, ()), (benefit, way))
    return BenefitsConfig(
        benefits=benefits,
        level_ups=level_ups,
        monthly=tuple(benefit for benefit in benefits.values() if benefit.is_monthly),
        zones=tuple({benefit.zone.key: benefit.zone for benefit in benefits.values()}.values()),
    )


def _eligibility(code: str, spec: BenefitSpec, ladders: Ladders, mistakes: Mistakes) -> Eligibility | None:
    if not spec.eligibility:
        return None
    try:
        return Eligibility(spec.eligibility, {ladder: levels[0] for ladder, levels in ladders.items()})
    except cel.ExpressionError as error:
        mistakes.add_expression(f"benefit/{code}.eligibility", str(error))
        return None


def _benefit(
    code: str, spec: BenefitSpec, eligibility: Eligibility | None, ladders: Ladders, zone: ZoneInfo
) -> Benefit:
    offered_from, offered_until = _instants(spec.offered.first, spec.offered.last, zone)
    return Benefit(
        code=code,
        zone=zone,
        domains=frozenset(spec.domains),
        eligibility=eligibility,
        judged_at_use=spec.judged == "at-issue-and-use",
        offered_from=offered_from,
        offered_until=offered_until,
        ways=tuple(_way(way, ladders) for way in spec.issue),
        lifetime=_lifetime(spec.validity, zone),
        uses=None if spec.uses == "unlimited" else spec.uses,
        quota=Quota(spec.quota.uses, spec.quota.period) if spec.quota is not None else None,
        once_per_person=None if spec.merged is None else spec.merged == "keep-one",
    )


def _way(spec: LevelUpSpec | MonthSpec | ListedSpec, ladders: Ladders) -> Way:
    match spec:
        case LevelUpSpec():
            ranks = ladders[spec.ladder]
            return LevelUp(spec.ladder, frozenset(spec.levels or ranks), spec.gifts, ranks)
        case MonthSpec():
            return Monthly()
        case ListedSpec():
            return Listed()


def _lifetime(spec: ValiditySpec | None, zone: ZoneInfo) -> Lifetime:
    if spec is None:
        return Lifetime()
    if spec.last == "end-of-month":
        return Lifetime(through_month=True)
    starts_at, ends_at = _instants(spec.first, spec.last, zone)
    return Lifetime(
        hours=spec.hours or 0,
        days=spec.days or 0,
        months=(spec.months or 0) + (spec.years or 0) * civil.MONTHS_A_YEAR,
        starts_at=starts_at,
        ends_at=ends_at,
    )


def _instants(first: date | None, last: date | None, zone: ZoneInfo) -> tuple[datetime | None, datetime | None]:
    """The half-open interval of two days, both included."""
    return (
        civil.start_of_day(first, zone) if first is not None else None,
        civil.start_of_day(last + timedelta(days=1), zone) if last is not None else None,
    )
