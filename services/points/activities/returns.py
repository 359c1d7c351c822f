"""What is left of an activity as parts of it come back, and what its recorded rules give for that. Pure.

Sources: model.md "rounding at order level with cumulative reversal"; cases.md default 10, E5, E6.
"""

from collections.abc import Iterable, Sequence
from datetime import date
from typing import NamedTuple
from uuid import UUID

from services.chassis.errors import Rejection
from services.points import errors
from services.points.activities.rules import rounded
from services.points.budgets.definitions import BudgetKey
from services.points.giving import Giving
from services.points.multipliers import NO_FACTOR
from services.points.shares import left_of_parts, split


class Line(NamedTuple):
    """A line of an activity, what is left of it, or what comes back of it. Money in minor units."""

    quantity: int
    gross_minor: int
    cash_minor: int
    points_minor: int


class Part(NamedTuple):
    """What comes back of one line."""

    line: int
    returned: Line


class Asked(NamedTuple):
    """A line that is to come back: so much money, so many of it, or with neither all that is left."""

    line: int
    cash_minor: int
    quantity: int


Returned = Sequence[Asked] | int | None
"""What is to come back: lines, an amount of money, or (None) everything that is left."""


class RecordedRule(NamedTuple):
    """What one rule was recorded to have given: enough to say what it gives for a part, whatever rules say today."""

    rule: str
    amount: int
    capped: int
    """How much its limits took away."""
    cap_period: date | None
    """The first day of the period whose cap it drew on."""
    giving: Giving | None
    """How it gives, multipliers included; None where it is not so simple."""
    rounding: str
    base_field: str
    lines: Sequence[int]
    """The numbers of the lines that it looked at; none when it looked at all."""
    budget_key: BudgetKey | None = None
    """The budget that it drew on."""
    cap_group: UUID | None = None
    """The group whose cap it drew on; None where that was the member's own."""
    is_per_line: bool = False
    """Whether it is rounded line by line."""


def left_of(lines: Iterable[Line], returned: Iterable[Part]) -> list[Line]:
    """What is left of lines after parts of them came back."""
    left = list(lines)
    for number, part in returned:
        left[number] = _less(left[number], part)
    return left


def _less(line: Line, part: Line) -> Line:
    return Line(*(whole - gone for whole, gone in zip(line, part, strict=True)))


def is_back(line: Line, left: Line) -> bool:
    """Whether nothing is left of a line: no money of one that had some, else nothing of its quantity."""
    return not any(left[1:]) and (left.quantity == 0 or any(line[1:]))


def parts_of(lines: Sequence[Line], left: Sequence[Line], returned: Returned) -> list[Part] | Rejection:
    """What comes back of each line; lines of which nothing does are left out."""
    if returned is None:
        return [Part(number, line) for number, line in enumerate(left) if any(line)]
    if isinstance(returned, int):
        return _spread(left, returned)
    parts: list[Part] = []
    now = list(left)
    for asked in returned:
        if asked.line >= len(lines):
            return errors.refund_line_unknown(asked.line, len(lines))
        part = _part_of(lines[asked.line], now[asked.line], asked)
        if isinstance(part, Rejection):
            return part
        now[asked.line] = _less(now[asked.line], part)
        parts.append(Part(asked.line, part))
    return parts


def _part_of(line: Line, left: Line, asked: Asked) -> Line | Rejection:
    """A part of what is left of a line.

    What was not named of it follows in proportion, rounded down; the last part takes the rest.
    """
    _, cash, quantity = asked
    if cash > left.cash_minor or (not quantity and any(line) and is_back(line, left)):
        return errors.refund_exceeds_activity("minor", left.cash_minor, cash, asked.line)
    if quantity > left.quantity:
        return errors.refund_exceeds_activity("quantity", left.quantity, quantity, asked.line)
    if not cash and not quantity:
        return left
    part, whole = (quantity, left.quantity) if quantity else (cash, left.cash_minor)
    return Line(
        quantity,
        left.gross_minor * part // whole,
        cash or left.cash_minor * part // whole,
        left.points_minor * part // whole,
    )


def _spread(left: Sequence[Line], amount: int) -> list[Part] | Rejection:
    """An amount of money over lines, by what is left of each."""
    total = sum(line.cash_minor for line in left)
    if amount > total:
        return errors.refund_exceeds_activity("minor", total, amount)
    shares = split(amount, [line.cash_minor for line in left])
    return [
        Part(
            number,
            Line(0, line.gross_minor * cash // line.cash_minor, cash, line.points_minor * cash // line.cash_minor),
        )
        for number, (line, cash) in enumerate(zip(left, shares, strict=True))
        if cash
    ]


def kept(rule: RecordedRule, lines: Sequence[Line], left: Sequence[Line]) -> int:
    """What a rule gives for what is left of an activity of which something is left: never more than it gave.

    What came from no money is kept until everything is back.
    """
    numbers = rule.lines or range(len(lines))
    bases = [(getattr(left[number], rule.base_field), getattr(lines[number], rule.base_field)) for number in numbers]
    base, whole = (sum(sums) for sums in zip(*bases, strict=True)) if bases else (0, 0)
    if rule.giving is None:
        return min(rule.amount, (rule.amount + rule.capped) * base // whole) if whole else rule.amount
    if not rule.is_per_line:
        bases = [(base, whole)]
    return min(rule.amount, sum([rounded(rule.giving.least(*each), NO_FACTOR, rule.rounding) for each in bases]))


Kept = list[list[int]]
"""What is kept of each rule of each effect."""


def kept_of(effects: Sequence[Sequence[RecordedRule]], lines: Sequence[Line], left: Sequence[Line]) -> Kept:
    """What the rules of recorded effects give for what is left; funders bear what one that they share gives less."""
    parts: dict[str, list[RecordedRule]] = {}
    for rules in effects:
        for rule in rules:
            parts.setdefault(rule.rule, []).append(rule)
    shares = {name: iter(_shares(shared, lines, left)) for name, shared in parts.items()}
    return [[next(shares[rule.rule]) for rule in rules] for rules in effects]


def _shares(parts: Sequence[RecordedRule], lines: Sequence[Line], left: Sequence[Line]) -> list[int]:
    """What each funder's part of one rule gives for what is left."""
    amounts = [part.amount for part in parts]
    whole = parts[0]._replace(amount=sum(amounts), capped=sum(part.capped for part in parts))
    return left_of_parts(kept(whole, lines, left), amounts)
