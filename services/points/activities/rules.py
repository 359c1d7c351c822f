"""Decisions on activities: what they earn, and what reversing them takes back. Pure.

Sources: model.md "Points"; cases.md E4, E7, E15, E80.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from services.chassis.civil import civil_day, period_end, start_of_day
from services.points.activities.limits import Limits
from services.points.activities.outcomes import (
    BELOW_ONE,
    BUDGET_EXHAUSTED,
    CAPPED,
    CONDITION_FALSE,
    EXCLUDED_BY_RULE,
    FIRED,
    FORMULA_FAILED,
    FORMULA_NEGATIVE,
    NO_LINE_MATCHES,
    NO_LONGER_VALID,
    NOT_YET_VALID,
    NOTHING_PAID,
    RuleOutcome,
    Skipped,
    Verdict,
)
from services.points.documents import EarnRule
from services.points.giving import Exact, NotGiven, Subject
from services.points.multipliers import NO_FACTOR, Factor
from services.points.shares import split
from services.points.specs import MAX_AMOUNT
from services.points.units import Unit


class Earned(NamedTuple):
    """What an activity earns of one unit from one funder; `level` is the one its multiplier was chosen by, if any."""

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
    """Rules came to more of a unit than int64 holds."""

    def __init__(self, unit: Unit, amount: int) -> None:
        super().__init__(unit.code, amount)
        self.unit, self.amount = unit.code, amount


def evaluate(
    rules: Sequence[EarnRule],
    subject: Subject,
    effective_at: datetime,
    limits: Limits,
    told: dict[str, Verdict] | None = None,
) -> list[RuleOutcome]:
    """What the rules that are not skipped do, in their order: recording and simulating both begin here.

    What every rule does, the skipped ones too, is put into `told` by its code, if that is asked for. Raises OutOfRange.
    """
    activity, _, levels = subject
    bases: dict[str, int] = {}
    given = limits.given
    outcomes: list[RuleOutcome] = []
    for rule in rules:
        outcome: Any
        if rule.valid_from is not None and effective_at < rule.valid_from:
            outcome = NOT_YET_VALID
        elif rule.valid_until is not None and effective_at >= rule.valid_until:
            outcome = NO_LONGER_VALID
        elif rule.condition is not None and not rule.condition.holds(activity, levels):
            outcome = CONDITION_FALSE
        else:
            outcome = _outcome(rule, subject, effective_at, bases, given)
        if outcome.__class__ is RuleOutcome:
            if outcome.amount and rule.is_limited:
                outcome = limits.limited(outcome)
            outcomes.append(outcome)
        if told is not None:
            told[rule.code] = outcome
    return outcomes


def _outcome(
    rule: EarnRule, subject: Subject, at: datetime, bases: dict[str, int], given: Mapping[tuple[str, str], str]
) -> RuleOutcome | Skipped:
    """What a rule that concerns the activity gives before its cap, or why it is skipped. Raises OutOfRange."""
    lines = subject.lines
    field = rule.base_field
    numbers: Sequence[int] = ()
    if rule.chooses_lines:
        numbers = _chosen(rule, subject)
        if not numbers and (lines or rule.line_condition is not None):
            return NO_LINE_MATCHES
        if len(numbers) == len(lines):
            numbers = ()
        else:
            lines = [lines[number] for number in numbers]
        base = sum([getattr(line, field) for line in lines])
        if base == 0 and rule.line_condition is not None and rule.giving.needs_money:
            return NOTHING_PAID
    elif (base := bases.get(field, -1)) < 0:
        base = bases[field] = sum([getattr(line, field) for line in lines])
    if rule.exclusive_group is not None and rule.exclusive_group in given:
        return Skipped(EXCLUDED_BY_RULE, given[rule.exclusive_group])
    return _give(rule, base, lines, numbers, subject, at)


def _chosen(rule: EarnRule, subject: Subject) -> Sequence[int]:
    """The numbers of the lines that count."""
    activity, lines, levels = subject
    numbers: Sequence[int] = range(len(lines))
    if rule.line_condition is not None:
        numbers = rule.line_condition.matching(lines, activity, levels)
    if rule.excluded_lines is not None:
        excluded = set(rule.excluded_lines.matching(lines, activity, levels))
        numbers = [number for number in numbers if number not in excluded]
    return numbers


def _give(
    rule: EarnRule, base: int, lines: Sequence[Any], numbers: Sequence[int], subject: Subject, at: datetime
) -> RuleOutcome:
    """What a rule gives for its base, before its cap; `numbers` are those of its lines. Raises OutOfRange."""
    stack = rule.stack
    level = stack.level(subject.levels) if stack.ladders else ""
    factor = (
        stack.stacked(subject.activity, subject.levels, at)
        if stack.by_level is None
        else stack.by_level.get(level, NO_FACTOR)
    )
    try:
        amount = (
            _sum_of_lines(rule, lines, subject, factor)
            if rule.is_per_line
            else rounded(rule.giving.exact(base, None, subject), factor, rule.rounding)
        )
    except NotGiven as why:
        verdict = FORMULA_FAILED if why.problem else FORMULA_NEGATIVE
        return RuleOutcome(rule, 0, base, level, factor[2], 0, verdict, None, factor[3], why.problem)
    if amount > MAX_AMOUNT:
        raise OutOfRange(rule.unit, amount)
    per_unit = None if rule.rate is None else (rule.rate[0] * factor[0], rule.rate[1] * factor[1])
    verdict = FIRED if amount else BELOW_ONE
    return RuleOutcome(rule, amount, base, level, factor[2], 0, verdict, None, factor[3], "", per_unit, numbers)


def _sum_of_lines(rule: EarnRule, lines: Sequence[Any], subject: Subject, factor: Factor) -> int:
    """What a rule gives for each line by itself, rounded and summed."""
    giving, field, rounding = rule.giving, rule.base_field, rule.rounding
    subject = giving.subject_of_lines(subject)
    return sum([rounded(giving.exact(getattr(line, field), line, subject), factor, rounding) for line in lines])


def earnings(outcomes: Sequence[RuleOutcome]) -> list[Earned]:
    """What rules give, by unit and funder, pending or not, in the order of the rules. Raises OutOfRange."""
    by_funder: dict[tuple[str, str, bool], list[RuleOutcome]] = {}
    for outcome in outcomes:
        rule = outcome.rule
        if rule.shares is None:
            by_funder.setdefault((rule.unit.code, rule.funder, rule.until_completed), []).append(outcome)
        else:
            for funder, part in _parts(outcome, rule.shares):
                by_funder.setdefault((rule.unit.code, funder, rule.until_completed), []).append(part)
    return [_earned(funder, outcomes) for (_, funder, _), outcomes in by_funder.items()]


def _parts(outcome: RuleOutcome, shares: Mapping[str, int]) -> Iterator[tuple[str, RuleOutcome]]:
    """The part of each funder that gives something, the first one if none does.

    Each part says what it drew on the cap and what that took of it, so that together they are the whole, once.
    """
    weights = list(shares.values())
    wholes = (outcome.amount, outcome.capped, outcome.cut_by_budget, outcome.cut_by_max_balance)
    splits = [split(whole, weights) for whole in wholes]
    parts = [part for part in zip(shares, *splits, strict=True) if part[1]]
    for funder, amount, capped, by_budget, by_max_balance in parts or [(outcome.rule.funder, *wholes)]:
        yield (
            funder,
            outcome._replace(
                amount=amount,
                capped=capped,
                cut_by_budget=by_budget,
                cut_by_max_balance=by_max_balance,
            ),
        )


def _earned(funder: str, outcomes: list[RuleOutcome]) -> Earned:
    """What rules of one unit and funder give together. Raises OutOfRange."""
    first = outcomes[0]
    if len(outcomes) == 1:
        return Earned(first.rule.unit, funder, first.amount, first.level, outcomes, first.rule.until_completed)
    amount = sum([outcome.amount for outcome in outcomes])
    if amount > MAX_AMOUNT:
        raise OutOfRange(first.rule.unit, amount)
    level = next((outcome.level for outcome in outcomes if outcome.level), "")
    return Earned(first.rule.unit, funder, amount, level, outcomes, first.rule.until_completed)


def rounded(exact: Exact, factor: Factor, rounding: str) -> int:
    """An exact amount × its factor, rounded once. No floats."""
    product = exact[0] * factor[0]
    denominator = exact[1] * factor[1]
    match rounding:
        case "floor":
            return product // denominator
        case "ceil":
            return -(-product // denominator)
        case _:
            return (2 * product + denominator) // (2 * denominator)


def eligible_at(rule: EarnRule, verdict: Verdict, at: datetime) -> datetime | None:
    """When a rule could give (more): it begins, its cap or its budget begins anew; None where time changes nothing."""
    if verdict is NOT_YET_VALID:
        return rule.valid_from
    if isinstance(verdict, RuleOutcome) and verdict.verdict == BUDGET_EXHAUSTED and rule.budget is not None:
        return rule.budget.renewed_at(at)
    if isinstance(verdict, Skipped) or verdict.verdict != CAPPED or rule.cap is None:
        return None
    day = civil_day(at, rule.unit.zone)
    renewed = period_end(day, rule.cap.period)
    return None if renewed is None else start_of_day(renewed, rule.unit.zone)


def problem(rule: EarnRule, verdict: Skipped, subject: Subject) -> str:
    """Why the condition that a rule is skipped by cannot be evaluated; empty when it can."""
    activity, lines, levels = subject
    if verdict is CONDITION_FALSE and rule.condition is not None:
        return rule.condition.problem(activity, levels)
    if verdict is NO_LINE_MATCHES and rule.line_condition is not None:
        return rule.line_condition.problem(lines, activity, levels)
    return ""
