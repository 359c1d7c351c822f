"""The documents of points: programmes, units and earn rules, checked when published and compiled once a version."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo, available_timezones

from pydantic import AwareDatetime, Field, field_validator, model_validator

from services.chassis import cel
from services.chassis.documents import Code, Document, DocumentErrors, Rate, Spec, parse_specs
from services.chassis.errors import FieldViolation
from services.points.matching import ActivityCondition, LineCondition

MAX_AMOUNT = (1 << 63) - 1
DEFAULT_FUNDER = "platform"


class ProgrammeSpec(Spec):
    """A scheme that an operator runs."""

    name: str
    time_zone: str
    currency: Annotated[str, Field(pattern="^[A-Z]{3}$")]

    @field_validator("time_zone")
    @classmethod
    def _known(cls, name: str) -> str:
        if name not in available_timezones():
            raise ValueError("is no IANA time zone")
        return name


class ExpirySpec(Spec):
    """When points expire, counted from when they become available.

    none; duration (days, months or years from 00:00 of that day); end-of-month, end-of-quarter, end-of-year (of the Nth
    next one: 0 is the current); sliding (days, months or years after the member's last activity).
    """

    policy: Literal["none", "duration", "end-of-month", "end-of-quarter", "end-of-year", "sliding"]
    days: Annotated[int, Field(ge=0, le=36_500)] | None = None
    months: Annotated[int, Field(ge=0, le=1_200)] | None = None
    quarters: Annotated[int, Field(ge=0, le=400)] | None = None
    years: Annotated[int, Field(ge=0, le=100)] | None = None

    @model_validator(mode="after")
    def _one_length(self) -> "ExpirySpec":
        allowed = _LENGTHS[self.policy]
        given = {name for name in ("days", "months", "quarters", "years") if getattr(self, name) is not None}
        if not given <= allowed or len(given) != (1 if allowed else 0):
            wanted = " or ".join(sorted(allowed)) or "nothing"
            raise ValueError(f"{self.policy} takes {wanted}")
        if self.policy in ("duration", "sliding") and not any((self.days, self.months, self.years)):
            raise ValueError(f"{self.policy} takes a length of at least 1")
        return self


_LENGTHS: Mapping[str, frozenset[str]] = {
    "none": frozenset(),
    "duration": frozenset({"days", "months", "years"}),
    "sliding": frozenset({"days", "months", "years"}),
    "end-of-month": frozenset({"months"}),
    "end-of-quarter": frozenset({"quarters"}),
    "end-of-year": frozenset({"years"}),
}


class UnitSpec(Spec):
    """A unit of points. `scale` is how many of its digits stand after the point when it is shown."""

    name: str
    kind: Literal["spendable", "qualifying"]
    scale: Annotated[int, Field(ge=0, le=9)] = 0
    expiry: ExpirySpec = ExpirySpec(policy="none")
    pending_days: Annotated[int, Field(ge=0, le=3_650)] = 0
    refund: Literal["keep-original-expiry", "min-validity"] = "keep-original-expiry"
    min_validity_days: Annotated[int, Field(ge=1, le=3_650)] = 30
    negative_balance: Literal["allow-negative", "deduct-from-cash", "forgive"] = "allow-negative"

    @model_validator(mode="after")
    def _scores_do_not_expire(self) -> "UnitSpec":
        if self.kind == "qualifying" and (self.expiry.policy != "none" or self.pending_days):
            raise ValueError("a qualifying unit neither expires nor waits: ladders have windows")
        return self


class MultiplierSpec(Spec):
    """Multiplies by the level held when the activity took effect; a level that is not named counts as 1."""

    ladder: Code
    by_level: Mapping[Code, Rate]


class CapSpec(Spec):
    """At most so much for a member in each civil period."""

    amount: Annotated[int, Field(ge=0, le=MAX_AMOUNT)]
    period: Literal["day", "week", "month", "quarter", "year", "ever"]


class EarnRuleSpec(Spec):
    """What activities earn of a unit: rate × base × multiplier, rounded once for the whole activity, then capped."""

    unit: Code
    condition: str = ""
    line_condition: str = ""
    rate: Rate
    base: Literal["paid", "gross"] = "paid"
    rounding: Literal["floor", "half-up", "ceil"] = "floor"
    multiplier: MultiplierSpec | None = None
    cap: CapSpec | None = None
    funder: Code = DEFAULT_FUNDER
    valid_from: AwareDatetime | None = None
    valid_until: AwareDatetime | None = None

    @field_validator("rate")
    @classmethod
    def _not_negative(cls, rate: Fraction) -> Fraction:
        if rate < 0:
            raise ValueError("must not be negative")
        return rate


@dataclass(frozen=True, slots=True)
class Unit:
    """A unit, ready to reckon with."""

    code: str
    programme: str
    zone: ZoneInfo
    currency: str
    spec: UnitSpec

    @property
    def is_spendable(self) -> bool:
        """Whether it is kept in lots."""
        return self.spec.kind == "spendable"

    @property
    def slides(self) -> bool:
        """Whether its lots expire together, some time after the last activity."""
        return self.spec.expiry.policy == "sliding"


@dataclass(frozen=True, slots=True)
class EarnRule:
    """An earn rule, compiled. `factors` are the exact rate × multiplier of each level, as numerator and denominator."""

    code: str
    unit: Unit
    condition: ActivityCondition | None
    line_condition: LineCondition | None
    base_field: str
    rounding: str
    ladder: str
    factors: Mapping[str, tuple[int, int]]
    factor: tuple[int, int]
    multipliers: Mapping[str, Fraction]
    cap: CapSpec | None
    funder: str
    valid_from: datetime | None
    valid_until: datetime | None


@dataclass(frozen=True, slots=True)
class PointsConfig:
    """Everything configured, at one version."""

    units: Mapping[str, Unit]
    rules: tuple[EarnRule, ...]
    ladders: tuple[str, ...]
    """Ladders that a multiplier looks at."""
    zone: ZoneInfo
    """The zone in which days begin for what concerns no unit."""


MODELS: Mapping[str, type[Spec]] = {"programme": ProgrammeSpec, "unit": UnitSpec, "earn-rule": EarnRuleSpec}
_BASE_FIELDS = {"paid": "cash_minor", "gross": "gross_minor"}
_ACTIVITY = cel.message_type("tessera.points.v1.Activity")
_LINE = cel.message_type("tessera.points.v1.ActivityLine")


def compile_documents(documents: Sequence[Document]) -> PointsConfig:
    """Compile a version. Raises DocumentErrors with everything that is wrong."""
    specs = parse_specs(documents, MODELS)
    violations: list[FieldViolation] = []
    units: dict[str, Unit] = {}
    for document in documents:
        if document.kind == "unit":
            programme = specs["programme"].get(document.programme)
            if programme is None:
                violations.append(FieldViolation(document.name, f"there is no programme {document.programme}"))
                continue
            zone = ZoneInfo(programme.time_zone)
            spec = specs["unit"][document.code]
            units[document.code] = Unit(document.code, document.programme, zone, programme.currency, spec)
    rules = [
        rule for code, spec in specs["earn-rule"].items() if (rule := _rule(code, spec, units, violations)) is not None
    ]
    if violations:
        located = any(" column " in violation.description for violation in violations)
        raise DocumentErrors(violations, "EXPRESSION_INVALID" if located else "DOCUMENT_INVALID")
    programmes = [ZoneInfo(spec.time_zone) for spec in specs["programme"].values()]
    return PointsConfig(
        units,
        tuple(rules),
        tuple(sorted({rule.ladder for rule in rules if rule.ladder})),
        programmes[0] if programmes else ZoneInfo("UTC"),
    )


def _rule(
    code: str, spec: EarnRuleSpec, units: Mapping[str, Unit], violations: list[FieldViolation]
) -> EarnRule | None:
    name = f"earn-rule/{code}"
    unit = units.get(spec.unit)
    if unit is None:
        violations.append(FieldViolation(f"{name}.unit", f"there is no unit {spec.unit}"))
    condition = _compiled(f"{name}.condition", spec.condition, _ACTIVITY_CONDITIONS, violations)
    line_condition = _compiled(f"{name}.line_condition", spec.line_condition, _LINE_CONDITIONS, violations)
    if unit is None:
        return None
    by_level = spec.multiplier.by_level if spec.multiplier else {}
    return EarnRule(
        code=code,
        unit=unit,
        condition=ActivityCondition(condition) if condition else None,
        line_condition=LineCondition(line_condition) if line_condition else None,
        base_field=_BASE_FIELDS[spec.base],
        rounding=spec.rounding,
        ladder=spec.multiplier.ladder if spec.multiplier else "",
        factors={level: _ratio(spec.rate * multiplier) for level, multiplier in by_level.items()},
        factor=_ratio(spec.rate),
        multipliers=dict(by_level),
        cap=spec.cap,
        funder=spec.funder,
        valid_from=spec.valid_from,
        valid_until=spec.valid_until,
    )


def _ratio(value: Fraction) -> tuple[int, int]:
    return value.numerator, value.denominator


_ACTIVITY_CONDITIONS = cel.Conditions({"activity": _ACTIVITY, "level": cel.STRING_MAP})
_LINE_CONDITIONS = cel.Conditions({"activity": _ACTIVITY, "level": cel.STRING_MAP, "line": _LINE})


def _compiled(field: str, source: str, conditions: cel.Conditions, violations: list[FieldViolation]) -> Any:
    if not source:
        return None
    try:
        return conditions.compile(source)
    except cel.ExpressionError as error:
        violations.append(error.violation(field))
        return None
