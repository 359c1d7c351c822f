"""The documents of points, checked when they are published and compiled once a version."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction
from typing import NamedTuple
from zoneinfo import ZoneInfo

from services.chassis import cel
from services.chassis.documents import Document, DocumentErrors, Spec, parse_spec
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
    mistakes = _Mistakes()
    specs = {document.name: _spec(document, mistakes) for document in documents}
    for document in documents:
        if document.kind != "programme" and f"programme/{document.programme}" not in specs:
            mistakes.add(document.name, f"there is no programme {document.programme}")
    units = {unit.code: unit for document in documents if (unit := _unit(document, specs)) is not None}
    rules = [rule for document in documents if (rule := _rule(document, specs, units, mistakes)) is not None]
    mistakes.check()
    return PointsConfig(
        units,
        tuple(unit for unit in units.values() if unit.slides),
        tuple(rules),
        tuple(rule for rule in rules if rule.cap is not None),
        tuple(sorted({rule.ladder for rule in rules if rule.ladder})),
    )


class _Mistakes:
    """Everything found wrong so far, so that all of it is reported together."""

    def __init__(self) -> None:
        self._violations: list[FieldViolation] = []
        self._reason = "DOCUMENT_INVALID"

    def add(self, field: str, description: str) -> None:
        """Note one."""
        self._violations.append(FieldViolation(field, description))

    def add_all(self, errors: DocumentErrors) -> None:
        """Note those of one document."""
        self._violations.extend(errors.violations)

    def add_expression(self, field: str, error: cel.ExpressionError) -> None:
        """Note an expression that does not compile."""
        self._violations.append(error.violation(field))
        self._reason = "EXPRESSION_INVALID"

    def check(self) -> None:
        """Raises DocumentErrors if there is any."""
        if self._violations:
            raise DocumentErrors(self._violations, self._reason)


def _spec(document: Document, mistakes: _Mistakes) -> Spec | None:
    """What a document says; None when it cannot be read."""
    model = MODELS.get(document.kind)
    if model is None:
        known = ", ".join(sorted(MODELS))
        mistakes.add(document.name, f"no kind of document here; there are: {known}")
        return None
    try:
        return parse_spec(document, model)
    except DocumentErrors as errors:
        mistakes.add_all(errors)
        return None


def _unit(document: Document, specs: Mapping[str, Spec | None]) -> Unit | None:
    """The unit of a document; None when it is of none, or it or its programme has mistakes."""
    spec, programme = specs[document.name], specs.get(f"programme/{document.programme}")
    if not isinstance(spec, UnitSpec) or not isinstance(programme, ProgrammeSpec):
        return None
    return Unit(document.code, document.programme, ZoneInfo(programme.time_zone), programme.currency, spec)


def _rule(
    document: Document, specs: Mapping[str, Spec | None], units: Mapping[str, Unit], mistakes: _Mistakes
) -> EarnRule | None:
    """The rule of a document; None when it is of none, or has mistakes."""
    spec = specs[document.name]
    if not isinstance(spec, EarnRuleSpec):
        return None
    if f"unit/{spec.unit}" not in specs:
        mistakes.add(f"{document.name}.unit", f"there is no unit {spec.unit}")
    condition, line_condition = _conditions(document.name, spec, mistakes)
    if spec.unit not in units:
        return None
    by_level = spec.multiplier.by_level if spec.multiplier else {}
    return EarnRule(
        code=document.code,
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
    )


def _conditions(
    name: str, spec: EarnRuleSpec, mistakes: _Mistakes
) -> tuple[ActivityCondition | None, LineCondition | None]:
    condition = line_condition = None
    try:
        condition = ActivityCondition.compile(spec.condition) if spec.condition else None
    except cel.ExpressionError as error:
        mistakes.add_expression(f"{name}.condition", error)
    try:
        line_condition = LineCondition.compile(spec.line_condition) if spec.line_condition else None
    except cel.ExpressionError as error:
        mistakes.add_expression(f"{name}.line_condition", error)
    return condition, line_condition


def _factor(rate: Fraction, multiplier: Fraction) -> Factor:
    product = rate * multiplier
    return Factor(product.numerator, product.denominator, str(multiplier))
