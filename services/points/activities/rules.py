"""Decisions on activities: what they earn, and what reversing them takes back. Pure.

Sources: model.md "Points"; cases.md E4, E7, E15, E80.
"""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any, NamedTuple
from uuid import UUID

from services.chassis.civil import civil_day, period_start
from services.points.documents import EarnRule, Factor
from services.points.specs import MAX_AMOUNT
from services.points.units import Unit
from services.points.values import CapKey

FIRED = 1
CAPPED = 2
BELOW_ONE = 3


class RuleOutcome(NamedTuple):
    """What one rule did: the numbers of `tessera.points.v1.RuleOutcome.Verdict`."""

    rule: EarnRule
    amount: int
    base_minor: int
    level: str
    multiplier: str
    capped: int
    verdict: int
    cap_key: CapKey | None


class Earned(NamedTuple):
    """What an activity earns of one unit from one funder; `level` is the one its multiplier was chosen by, if any."""

    unit: Unit
    funder: str
    amount: int
    level: str
    rules: list[RuleOutcome]


class OutOfRange(Exception):
    """A rule came to more than int64 holds."""


def earn(
    rules: Sequence[EarnRule],
    activity: Any,
    member_id: UUID,
    levels: Mapping[str, str],
    effective_at: datetime,
    cap_uses: Mapping[CapKey, int],
) -> list[Earned]:
    """What the rules give, by unit and funder in the order of the rules. Raises OutOfRange."""
    totals: dict[str, int] = {}
    used: dict[CapKey, int] = {}
    by_funder: dict[tuple[str, str], list[RuleOutcome]] = {}
    for rule in rules:
        outcome = _apply(rule, activity, member_id, levels, effective_at, cap_uses, used, totals)
        if outcome is not None:
            by_funder.setdefault((rule.unit.code, rule.funder), []).append(outcome)
    earned = []
    for (_, funder), outcomes in by_funder.items():
        amount = sum(outcome.amount for outcome in outcomes)
        if amount > MAX_AMOUNT:
            raise OutOfRange
        level = next((outcome.level for outcome in outcomes if outcome.level), "")
        earned.append(Earned(outcomes[0].rule.unit, funder, amount, level, outcomes))
    return earned


def _apply(
    rule: EarnRule,
    activity: Any,
    member_id: UUID,
    levels: Mapping[str, str],
    effective_at: datetime,
    cap_uses: Mapping[CapKey, int],
    used: dict[CapKey, int],
    totals: dict[str, int],
) -> RuleOutcome | None:
    """What one rule does; None when it does not concern the activity."""
    if not _is_valid(rule, effective_at):
        return None
    if rule.condition is not None and not rule.condition.holds(activity, levels):
        return None
    base = _base(rule, activity, levels, totals)
    if rule.line_condition is not None and base == 0:
        return None
    level = levels.get(rule.ladder, "") if rule.ladder else ""
    factor = rule.factors.get(level, rule.factor)
    amount = rounded(base, factor, rule.rounding)
    if amount > MAX_AMOUNT:
        raise OutOfRange
    capped = 0
    key = None
    if rule.cap is not None and amount:
        day = civil_day(effective_at, rule.unit.zone)
        key = CapKey(member_id, rule.code, period_start(day, rule.cap.period))
        so_far = used.get(key, cap_uses.get(key, 0))
        capped = max(0, amount - max(0, rule.cap.amount - so_far))
        amount -= capped
        used[key] = so_far + amount
    verdict = CAPPED if capped else FIRED if amount else BELOW_ONE
    return RuleOutcome(rule, amount, base, level, factor.multiplier, capped, verdict, key)


def _is_valid(rule: EarnRule, at: datetime) -> bool:
    after_start = rule.valid_from is None or rule.valid_from <= at
    return after_start and (rule.valid_until is None or at < rule.valid_until)


def _base(rule: EarnRule, activity: Any, levels: Mapping[str, str], totals: dict[str, int]) -> int:
    """The money that a rule looks at, in minor units; sums over all lines are made once an activity."""
    field = rule.base_field
    if rule.line_condition is not None:
        return sum(getattr(line, field) for line in rule.line_condition.matching(activity.lines, activity, levels))
    total = totals.get(field)
    if total is None:
        total = totals[field] = sum([getattr(line, field) for line in activity.lines])
    return total


def rounded(base: int, factor: Factor, rounding: str) -> int:
    """base × factor, exact, rounded once. No floats."""
    numerator, denominator, _ = factor
    product = base * numerator
    match rounding:
        case "floor":
            return product // denominator
        case "ceil":
            return -(-product // denominator)
        case _:
            return (2 * product + denominator) // (2 * denominator)


def cap_period(rule: EarnRule, at: datetime) -> date:
    """The period of a rule's cap at an instant."""
    assert rule.cap is not None
    return period_start(civil_day(at, rule.unit.zone), rule.cap.period)
