"""The documents of points, checked when they are published and compiled once a version."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from services.chassis import cel
from services.chassis.documents import Document, DocumentErrors, Spec, parse_specs
from services.chassis.errors import FieldViolation
from services.points.matching import ActivityCondition, LineCondition
from services.points.specs import CapSpec, EarnRuleSpec, ProgrammeSpec, UnitSpec
from services.points.units import Unit


class Factor(NamedTuple):
    """An exact rate × multiplier, and the multiplier as it is shown."""

    numerator: int
    denominator: int
    multiplier: str


@dataclass(frozen=True, slots=True)
class EarnRule:
    """An earn rule, compiled. `factors` are those of the levels that its multiplier names, `factor` that of all others."""

    code: str
    unit: Unit
    condition: ActivityCondition | None
    line_condition: LineCondition | None
    base_field: str
    rounding: str
    ladder: str
    factors: Mapping[str, Factor]
    factor: Factor
    cap: CapSpec | None
    funder: str
    valid_from: datetime | None
    valid_until: datetime | None


@dataclass(frozen=True, slots=True)
class PointsConfig:
    """Everything configured, at one version."""

    units: Mapping[str, Unit]
    sliding_units: tuple[Unit, ...]
    rules: tuple[EarnRule, ...]
    capped_rules: tuple[EarnRule, ...]
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
        tuple(unit for unit in units.values() if unit.slides),
        tuple(rules),
        tuple(rule for rule in rules if rule.cap is not None),
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
        factors={level: _factor(spec.rate, multiplier) for level, multiplier in by_level.items()},
        factor=_factor(spec.rate, Fraction(1)),
        cap=spec.cap,
        funder=spec.funder,
        valid_from=spec.valid_from,
        valid_until=spec.valid_until,
    )


def _factor(rate: Fraction, multiplier: Fraction) -> Factor:
    product = rate * multiplier
    return Factor(product.numerator, product.denominator, str(multiplier))


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
