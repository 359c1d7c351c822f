"""Purchases as the model knows them: what is left of their lines, and what their rules give for that."""

from dataclasses import dataclass, field
from datetime import datetime

from tessera.points.v1.activity_pb2 import Activity
from tests.points.model.life import Person
from tests.points.model.wallet import Wallet

Basket = list[tuple[int, str]]
"""What was paid for each line, and of what it is."""


@dataclass(eq=False)
class Line:
    """A line of an activity: what of its money did not come back yet, and what it is of."""

    left: int
    category: str


@dataclass(eq=False)
class Recorded:
    """An activity, and what became of it."""

    who: Person
    at: datetime
    lines: list[Line]
    activity_id: str = ""
    earned: dict[str, int] = field(default_factory=dict)
    taken: dict[str, int] = field(default_factory=dict)
    is_completed: bool = False

    def __post_init__(self) -> None:
        self.level = self.who.level(self.at)

    def left(self) -> int:
        return sum(line.left for line in self.lines)

    def given(self, wallet: Wallet) -> int:
        """What the rule of a unit gives for what is left, before its limits."""
        terms = wallet.terms
        counting = sum(line.left for line in self.lines if terms.category in ("", line.category))
        return int(counting * terms.rate_on(self.level))

    def kept(self, code: str) -> int:
        """What the rule gives for what is left, and never more than it gave."""
        return min(self.earned[code], self.given(self.who.wallets[code]))

    def spread(self, amount: int) -> list[int]:
        """An amount over lines by what is left of each; the largest remainders get what rounding left over."""
        total = self.left()
        parts = [amount * line.left // total for line in self.lines]
        order = sorted(range(len(parts)), key=lambda place: (-(amount * self.lines[place].left % total), place))
        for place in order[: amount - sum(parts)]:
            parts[place] += 1
        return parts


@dataclass(eq=False)
class Waiting:
    """What waits for a purchase that has not arrived: a refund of so much, or (0) its completion at an instant."""

    parked_id: str
    amount: int
    at: datetime
    since: datetime


@dataclass(eq=False)
class Awaited:
    """A purchase that has not arrived, and what waits for it."""

    purchase: Activity
    basket: Basket
    waiting: list[Waiting] = field(default_factory=list)


@dataclass(eq=False)
class Dead:
    """What waited too long, or was too much when its purchase arrived."""

    waited: Waiting
    done: Recorded
