"""Decisions on activities: what they earn, and what reversing them takes back. Pure.

Sources: model.md "Points"; cases.md E4, E7, E15, E80.
"""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any, NamedTuple
from uuid import UUID

from services.chassis.civil import civil_day, period_start
from services.points.documents import EarnRule
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
    factor: str = ""
    """The exact factor by which it came from its base; empty where it is not so simple."""
    lines: Sequence[int] = ()
    """The numbers of the lines that it looked at; none when it looked at all."""


class Earned(NamedTuple):
    """What an activity earns of one unit from one funder; `level` is the one its multiplier was chosen by, if any.

    What is `until_completed` stands by itself, and is pending until the activity is completed.
    """

    unit: Unit
    funder: str
    amount: int
    level: str
    rules: list[RuleOutcome]
    until_completed: bool = False

    @property
    def is_booked_later(self) -> bool:
        """Whether nothing is booked of it yet: a score counts only once its activity is completed."""
        return self.until_completed and not self.unit.is_spendable


class OutOfRange(Exception):
    """A rule came to more than int64 holds."""


def earn(
    rules: Sequence[EarnRule],
    activity: Any,
    lines: Sequence[Any],
    member_id: UUID,
    levels: Mapping[str, str],
    effective_at: datetime,
    cap_uses: Mapping[CapKey, int],
) -> list[Earned]:
    """What the rules give for an activity and its `lines`, by unit and funder, pending or not, in the order of rules.

    Raises OutOfRange.
    """
    bases: dict[str, int] = {}
    used: dict[CapKey, int] = {}
    by_funder: dict[tuple[str, str, bool], list[RuleOutcome]] = {}
    for rule in rules:
        if not _concerns(rule, activity, levels, effective_at):
            continue
        base, matching = _base(rule, activity, lines, levels, bases)
        if base == 0 and rule.line_condition is not None:
            continue
        outcome = _give(rule, base, levels, matching)
        if rule.cap is not None and outcome.amount:
            key = CapKey(member_id, rule.code, cap_period(rule, effective_at))
            outcome = _cap(outcome, key, rule.cap.amount - used.get(key, cap_uses.get(key, 0)))
            used[key] = used.get(key, cap_uses.get(key, 0)) + outcome.amount
        by_funder.setdefault((rule.unit.code, rule.funder, rule.until_completed), []).append(outcome)
    return [_earned(funder, outcomes) for (_, funder, _), outcomes in by_funder.items()]


def _concerns(rule: EarnRule, activity: Any, levels: Mapping[str, str], at: datetime) -> bool:
    """Whether a rule is valid at the time, and its condition holds for the activity."""
    if (rule.valid_from is not None and at < rule.valid_from) or (
        rule.valid_until is not None and at >= rule.valid_until
    ):
        return False
    return rule.condition is None or rule.condition.holds(activity, levels)


def _base(
    rule: EarnRule, activity: Any, lines: Sequence[Any], levels: Mapping[str, str], bases: dict[str, int]
) -> tuple[int, Sequence[int]]:
    """The money that a rule looks at, in minor units, and the lines that have it, none standing for all.

    Sums over all lines are made once an activity.
    """
    field = rule.base_field
    if rule.line_condition is not None:
        matching = rule.line_condition.matching(lines, activity, levels)
        base = sum([getattr(lines[number], field) for number in matching])
        return base, () if len(matching) == len(lines) else matching
    base = bases.get(field)
    if base is None:
        base = bases[field] = sum([getattr(line, field) for line in lines])
    return base, ()


def _give(rule: EarnRule, base: int, levels: Mapping[str, str], lines: Sequence[int]) -> RuleOutcome:
    """What a rule gives for its base, before its cap. Raises OutOfRange."""
    level = levels.get(rule.ladder, "") if rule.ladder else ""
    factor = rule.factors.get(level, rule.factor)
    amount = rounded(base, factor.numerator, factor.denominator, rule.rounding)
    if amount > MAX_AMOUNT:
        raise OutOfRange
    verdict = FIRED if amount else BELOW_ONE
    return RuleOutcome(rule, amount, base, level, factor.multiplier, 0, verdict, None, factor.exact, lines)


def _cap(outcome: RuleOutcome, key: CapKey, left: int) -> RuleOutcome:
    """The same with no more than what is left of the cap."""
    capped = max(0, outcome.amount - max(0, left))
    verdict = CAPPED if capped else FIRED
    return outcome._replace(amount=outcome.amount - capped, capped=capped, verdict=verdict, cap_key=key)


def _earned(funder: str, outcomes: list[RuleOutcome]) -> Earned:
    """What rules of one unit and funder give together. Raises OutOfRange."""
    first = outcomes[0]
    if len(outcomes) == 1:
        return Earned(first.rule.unit, funder, first.amount, first.level, outcomes, first.rule.until_completed)
    amount = sum([outcome.amount for outcome in outcomes])
    if amount > MAX_AMOUNT:
        raise OutOfRange
    level = next((outcome.level for outcome in outcomes if outcome.level), "")
    return Earned(first.rule.unit, funder, amount, level, outcomes, first.rule.until_completed)


def rounded(base: int, numerator: int, denominator: int, rounding: str) -> int:
    """base × factor, exact, rounded once. No floats."""
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
