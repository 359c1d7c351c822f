"""The documents of points, checked when they are published and compiled once a version."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from services.chassis import cel
from services.chassis.documents import Document, Mistakes, Spec, parse_specs
from services.chassis.programmes import ProgrammeSpec, check_programmes
from services.points.matching import ActivityCondition, LineCondition
from services.points.specs import CapSpec, EarnRuleSpec, UnitSpec
from services.points.units import Unit


class Factor(NamedTuple):
    """An exact rate × multiplier, the multiplier and the product as they are shown."""

    numerator: int
    denominator: int
    multiplier: str
    exact: str


@dataclass(frozen=True, slots=True)
class EarnRule:
    """An earn rule, compiled. `factors` are those of the levels that its multiplier names, `factor` of all others."""

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
    until_completed: bool = False


@dataclass(frozen=True, slots=True)
class PointsConfig:
    """Everything configured, at one version."""

    units: Mapping[str, Unit]
    sliding_units: tuple[Unit, ...]
    rules: tuple[EarnRule, ...]
    capped_rules: tuple[EarnRule, ...]
    ladders: tuple[str, ...]
    """Ladders that a multiplier looks at."""


MODELS: Mapping[str, type[Spec]] = {"programme": ProgrammeSpec, "unit": UnitSpec, "earn-rule": EarnRuleSpec}
_BASE_FIELDS = {"paid": "cash_minor", "gross": "gross_minor"}


def compile_documents(documents: Sequence[Document]) -> PointsConfig:
    """Compile a version. Raises DocumentErrors with everything that is wrong."""
    mistakes = Mistakes()
    specs = parse_specs(documents, MODELS, mistakes)
    check_programmes(documents, mistakes)
    units = _units(documents, specs)
    _check_units(documents, specs["earn-rule"], mistakes)
    rules = [
        rule for code, spec in specs["earn-rule"].items() if (rule := _rule(code, spec, units, mistakes)) is not None
    ]
    mistakes.check()
    return PointsConfig(
        units,
        tuple(unit for unit in units.values() if unit.slides),
        tuple(rules),
        tuple(rule for rule in rules if rule.cap is not None),
        tuple(sorted({rule.ladder for rule in rules if rule.ladder})),
    )


def _units(documents: Sequence[Document], specs: Mapping[str, Mapping[str, Any]]) -> dict[str, Unit]:
    """The units by code; one that has mistakes, or whose programme has, is left out."""
    units = {}
    for document in documents:
        spec, programme = specs["unit"].get(document.code), specs["programme"].get(document.programme)
        if document.kind == "unit" and spec is not None and programme is not None:
            zone = ZoneInfo(programme.time_zone)
            units[document.code] = Unit(document.code, document.programme, zone, programme.currency, spec)
    return units


def _check_units(documents: Sequence[Document], rules: Mapping[str, EarnRuleSpec], mistakes: Mistakes) -> None:
    given = {document.code for document in documents if document.kind == "unit"}
    for code, spec in rules.items():
        if spec.unit not in given:
            mistakes.add(f"earn-rule/{code}.unit", f"there is no unit {spec.unit}")


def _rule(code: str, spec: EarnRuleSpec, units: Mapping[str, Unit], mistakes: Mistakes) -> EarnRule | None:
    """The rule, compiled; None when its conditions or its unit have mistakes."""
    condition, line_condition = _conditions(f"earn-rule/{code}", spec, mistakes)
    if spec.unit not in units:
        return None
    by_level = spec.multiplier.by_level if spec.multiplier else {}
    return EarnRule(
        code=code,
        unit=units[spec.unit],
        condition=condition,
        line_condition=line_condition,
        base_field=_BASE_FIELDS[spec.base],
        rounding=spec.rounding,
        ladder=spec.multiplier.ladder if spec.multiplier else "",
        factors={level: _factor(spec.rate, multiplier) for level, multiplier in by_level.items()},
        factor=_factor(spec.rate, Fraction(1)),
        cap=spec.cap,
        funder=spec.funder,
        valid_from=spec.valid_from,
        valid_until=spec.valid_until,
        until_completed=spec.pending == "until-completed",
    )


def _conditions(
    name: str, spec: EarnRuleSpec, mistakes: Mistakes
) -> tuple[ActivityCondition | None, LineCondition | None]:
    condition = line_condition = None
    try:
        condition = ActivityCondition.compile(spec.condition) if spec.condition else None
    except cel.ExpressionError as error:
        mistakes.add_expression(f"{name}.condition", str(error))
    try:
        line_condition = LineCondition.compile(spec.line_condition) if spec.line_condition else None
    except cel.ExpressionError as error:
        mistakes.add_expression(f"{name}.line_condition", str(error))
    return condition, line_condition


def _factor(rate: Fraction, multiplier: Fraction) -> Factor:
    product = rate * multiplier
    return Factor(product.numerator, product.denominator, str(multiplier), str(product))
