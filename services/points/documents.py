"""The documents of points, checked when they are published and compiled once a version."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

from services.chassis import cel
from services.chassis.documents import Document, Mistakes, Spec, parse_specs
from services.chassis.programmes import ProgrammeSpec, check_programmes
from services.points.budgets.definitions import Budget, compile_budgets, earlier, later
from services.points.giving import Exact, Giving, giving_of
from services.points.matching import ActivityCondition, LineCondition, ladders_in
from services.points.movements.conversions import Conversion, Leg, check_rounds, compile_conversions
from services.points.multipliers import Applied, ByLevel, Campaign, Stack, by_level_alone
from services.points.partners.exchanges import Exchange, Partner, compile_exchanges, compile_partners
from services.points.specs import (
    DEFAULT_FUNDER,
    BudgetSpec,
    ConversionSpec,
    EarnCapSpec,
    EarnRuleSpec,
    FunderSpec,
    PartnerSpec,
    StackedMultiplierSpec,
    UnitSpec,
)
from services.points.units import Unit

Source = TypeVar("Source")
Compiled = TypeVar("Compiled")


@dataclass(frozen=True, slots=True)
class EarnRule:
    """An earn rule, compiled."""

    code: str
    unit: Unit
    condition: ActivityCondition | None
    line_condition: LineCondition | None
    excluded_lines: LineCondition | None
    chooses_lines: bool
    base_field: str
    giving: Giving
    rate: Exact | None
    """What it gives for each minor unit of its base before multipliers, where it is as simple as that."""
    is_per_line: bool
    rounding: str
    stack: Stack
    cap: EarnCapSpec | None
    budget: Budget | None
    is_limited: bool
    """Whether anything may cut what it gives, or what others give after it."""
    funder: str
    """The first, where several share."""
    shares: Mapping[str, int] | None
    """Of each funder, where several share."""
    priority: int
    exclusive_group: tuple[str, str] | None
    """Programme and code: of the rules of one group only the first that gives something gives."""
    valid_from: datetime | None
    valid_until: datetime | None
    until_completed: bool = False


@dataclass(frozen=True, slots=True)
class PointsConfig:
    """Everything configured, at one version."""

    units: Mapping[str, Unit]
    sliding_units: tuple[Unit, ...]
    rules: tuple[EarnRule, ...]
    """By priority, the highest first; then in the order of documents, which is by code."""
    capped_rules: tuple[EarnRule, ...]
    ladders: tuple[str, ...]
    """Ladders that multipliers and expressions look at."""
    conversions: Mapping[str, Conversion] = field(default_factory=dict)
    """Between units of the programme."""
    budgets: Mapping[str, Budget] = field(default_factory=dict)
    drawn_budgets: tuple[Budget, ...] = ()
    """Those that rules name."""
    cutting_units: tuple[Unit, ...] = ()
    """Those whose maximum balance cuts what is earned."""
    has_limited_rules: bool = False
    partners: Mapping[str, Partner] = field(default_factory=dict)
    """Those that exchange units."""
    exchanges: Mapping[str, Exchange] = field(default_factory=dict)
    """Conversions with partners."""
    group_capped_rules: tuple[EarnRule, ...] = ()
    """Those of the capped rules whose cap the members of a group draw on together."""
    funders: frozenset[str] = frozenset((DEFAULT_FUNDER,))
    """Who may fund what is given by hand: everybody whom a document names."""


MODELS: Mapping[str, type[Spec]] = {
    "programme": ProgrammeSpec,
    "unit": UnitSpec,
    "earn-rule": EarnRuleSpec,
    "conversion": ConversionSpec,
    "budget": BudgetSpec,
    "partner": PartnerSpec,
    "funder": FunderSpec,
}
_BASE_FIELDS = {"paid": "cash_minor", "gross": "gross_minor"}


def compile_documents(documents: Sequence[Document]) -> PointsConfig:
    """Compile a version. Raises DocumentErrors with everything that is wrong."""
    mistakes = Mistakes()
    specs = parse_specs(documents, MODELS, mistakes)
    check_programmes(documents, mistakes)
    units = _units(documents, specs)
    given = {document.code for document in documents if document.kind == "unit"}
    _check_units(given, specs["earn-rule"], mistakes)
    budgets = compile_budgets(specs["budget"], given, units, mistakes)
    _check_budgets(documents, specs["budget"], specs["earn-rule"], mistakes)
    rules = [
        rule
        for code, spec in specs["earn-rule"].items()
        if (rule := _rule(code, spec, units, budgets, mistakes)) is not None
    ]
    conversions = compile_conversions(specs["conversion"], given, units, mistakes)
    partners = compile_partners(specs["partner"])
    exchanges = compile_exchanges(specs["conversion"], given, units, partners, mistakes)
    legs = [Leg(c.code, c.source.code, c.target.code, c.terms.best_rate) for c in conversions.values()]
    check_rounds([*legs, *(exchange.leg for exchange in exchanges.values())], mistakes)
    mistakes.check()
    rules.sort(key=lambda rule: -rule.priority)
    return PointsConfig(
        units,
        tuple(unit for unit in units.values() if unit.slides),
        tuple(rules),
        tuple(rule for rule in rules if rule.cap is not None),
        _ladders(rules, specs["earn-rule"].values(), specs["conversion"].values()),
        conversions,
        budgets,
        tuple(budgets[code] for code in sorted({rule.budget.code for rule in rules if rule.budget is not None})),
        tuple(unit for unit in units.values() if unit.cuts_at_max_balance),
        any(rule.is_limited for rule in rules),
        partners,
        exchanges,
        tuple(rule for rule in rules if rule.cap is not None and rule.cap.per == "group"),
        _funders(specs),
    )


def _funders(specs: Mapping[str, Mapping[str, Any]]) -> frozenset[str]:
    """The platform, those that have a document, partners, and those that rules and conversions name."""
    named = [funder for spec in specs["earn-rule"].values() for funder in (spec.funder, *(spec.funders or ()))]
    named += [spec.funder for spec in specs["conversion"].values()]
    return frozenset([DEFAULT_FUNDER, *specs["funder"], *specs["partner"], *filter(None, named)])


def _units(documents: Sequence[Document], specs: Mapping[str, Mapping[str, Any]]) -> dict[str, Unit]:
    """The units by code; one that has mistakes, or whose programme has, is left out."""
    units = {}
    for document in documents:
        spec, programme = specs["unit"].get(document.code), specs["programme"].get(document.programme)
        if document.kind == "unit" and spec is not None and programme is not None:
            zone = ZoneInfo(programme.time_zone)
            units[document.code] = Unit(document.code, document.programme, zone, programme.currency, spec)
    return units


def _check_units(given: Collection[str], rules: Mapping[str, EarnRuleSpec], mistakes: Mistakes) -> None:
    for code, spec in rules.items():
        if spec.unit not in given:
            mistakes.add(f"earn-rule/{code}.unit", f"there is no unit {spec.unit}")


def _check_budgets(
    documents: Sequence[Document],
    budgets: Mapping[str, BudgetSpec],
    rules: Mapping[str, EarnRuleSpec],
    mistakes: Mistakes,
) -> None:
    given = {document.code for document in documents if document.kind == "budget"}
    for code, spec in rules.items():
        if spec.budget is None:
            continue
        budget = budgets.get(spec.budget)
        if spec.budget not in given:
            mistakes.add(f"earn-rule/{code}.budget", f"there is no budget {spec.budget}")
        elif budget is not None and budget.unit != spec.unit:
            mistakes.add(f"earn-rule/{code}.budget", f"{spec.budget} is a budget of {budget.unit}")


def _rule(
    code: str, spec: EarnRuleSpec, units: Mapping[str, Unit], budgets: Mapping[str, Budget], mistakes: Mistakes
) -> EarnRule | None:
    """The rule, compiled; None when its expressions or its unit have mistakes."""
    name = f"earn-rule/{code}"
    condition = _compiled(f"{name}.condition", spec.condition, ActivityCondition.compile, mistakes)
    line_condition = _compiled(f"{name}.line_condition", spec.line_condition, LineCondition.compile, mistakes)
    excluded = _compiled(f"{name}.exclude_line_condition", spec.exclude_line_condition, LineCondition.compile, mistakes)
    giving = _compiled(f"{name}.formula", spec, giving_of, mistakes)
    stack = _stack(name, spec, mistakes)
    if spec.unit not in units or giving is None:
        return None
    unit, budget = units[spec.unit], budgets.get(spec.budget or "")
    # A map has no order once it was sent or stored: the earliest funder is the first by code.
    funders = sorted(spec.funders or [spec.funder or DEFAULT_FUNDER])
    return EarnRule(
        code=code,
        unit=unit,
        condition=condition,
        line_condition=line_condition,
        excluded_lines=excluded,
        chooses_lines=line_condition is not None or excluded is not None,
        base_field=_BASE_FIELDS[spec.base],
        giving=giving,
        rate=giving.rate,
        is_per_line=spec.rounded_per == "line",
        rounding=spec.rounding,
        stack=stack,
        cap=spec.cap,
        budget=budget,
        is_limited=bool(spec.cap or budget or spec.exclusive_group or unit.cuts_at_max_balance),
        funder=funders[0],
        shares={funder: spec.funders[funder] for funder in funders} if spec.funders and len(funders) > 1 else None,
        priority=spec.priority,
        exclusive_group=(unit.programme, spec.exclusive_group) if spec.exclusive_group else None,
        valid_from=later(spec.valid_from, budget.valid_from) if budget is not None else spec.valid_from,
        valid_until=earlier(spec.valid_until, budget.valid_until) if budget is not None else spec.valid_until,
        until_completed=spec.pending == "until-completed",
    )


def _compiled(name: str, source: Source, compiler: Callable[[Source], Compiled], mistakes: Mistakes) -> Compiled | None:
    """What an expression compiles to; None when there is none, or it has a mistake."""
    try:
        return compiler(source) if source else None
    except cel.ExpressionError as error:
        mistakes.add_expression(name, str(error))
        return None


def _stack(name: str, spec: EarnRuleSpec, mistakes: Mistakes) -> Stack:
    """The rule's multipliers; a single one by level is the simplest stack."""
    if spec.multipliers is None:
        return by_level_alone(spec.multiplier)
    multipliers = tuple(
        _multiplier(f"{name}.multipliers.of.{place}", one, mistakes) for place, one in enumerate(spec.multipliers.of)
    )
    ladders = tuple(multiplier.ladder for multiplier in multipliers if isinstance(multiplier, ByLevel))
    return Stack(spec.multipliers.stacking, multipliers, ladders, None)


def _multiplier(name: str, spec: StackedMultiplierSpec, mistakes: Mistakes) -> ByLevel | Campaign:
    if spec.ladder is not None and spec.by_level is not None:
        factors = {level: str(factor) for level, factor in spec.by_level.items()}
        return ByLevel(spec.code or spec.ladder, spec.ladder, factors)
    assert spec.code is not None
    condition = _compiled(f"{name}.condition", spec.condition, ActivityCondition.compile, mistakes)
    return Campaign(Applied(spec.code, str(spec.factor), ""), condition, spec.valid_from, spec.valid_until)


def _ladders(
    rules: Sequence[EarnRule], specs: Iterable[EarnRuleSpec], conversions: Iterable[ConversionSpec]
) -> tuple[str, ...]:
    """The ladders that multipliers of rules and conversions look at, and those that expressions name."""
    looked_at = {ladder for rule in rules for ladder in rule.stack.ladders}
    looked_at |= {spec.multiplier.ladder for spec in conversions if spec.multiplier}
    for spec in specs:
        sources = [spec.condition, spec.line_condition, spec.exclude_line_condition, spec.formula or ""]
        sources += [multiplier.condition for multiplier in spec.multipliers.of] if spec.multipliers else []
        looked_at.update(*map(ladders_in, sources))
    return tuple(sorted(looked_at))
