"""What partitions have of budgets, and what activities draw on them."""

from datetime import date
from typing import NamedTuple

from services.points.budgets.definitions import BudgetKey


class Portion(NamedTuple):
    """What a partition has of a budget in a period: a row of its table, in the table's order.

    `leased` is what it got of the pool less what it gave back, `drawn` of it is used. `amount` is the budget's as it
    was when the pool was last asked: a portion of another amount is not drawn on. Once `exhausted`, nothing is left in
    any partition.
    """

    budget: str
    period_start: date
    leased: int
    drawn: int
    amount: int
    exhausted: bool

    @property
    def left(self) -> int:
        """What of it can be drawn."""
        return self.leased - self.drawn


class Pool(NamedTuple):
    """What a budget has given to partitions in a period: a row of its table, in the table's order."""

    budget: str
    period_start: date
    leased: int
    amount: int

    @property
    def left(self) -> int:
        """What can be leased; a budget that was lowered may have leased more."""
        return max(0, self.amount - self.leased)


class Left(NamedTuple):
    """What is left of a budget as far as a batch sees, and whether it sees all there is."""

    amount: int
    is_all: bool


class Draw(NamedTuple):
    """What an activity draws on a budget in a period; `is_last` when that was all there was, and more was wanted."""

    key: BudgetKey
    amount: int
    is_last: bool = False


class Place(NamedTuple):
    """A partition among so many (a power of two)."""

    partition: int
    partitions: int
