"""Earn budgets, in the simplest words."""

from dataclasses import dataclass, field
from datetime import date

from tests.points import terms
from tests.points.model.promises import first_of_month


@dataclass
class Budget:
    """What a rule may give all members together in a month, or in a day, and what it gave in each."""

    code: str
    amount: int
    is_monthly: bool
    drawn: dict[date, int] = field(default_factory=dict)

    def left(self, day: date) -> int:
        return self.amount - self.drawn.get(self._period(day), 0)

    def draw(self, day: date, amount: int) -> None:
        """Less than zero is given back."""
        period = self._period(day)
        self.drawn[period] = self.drawn.get(period, 0) + amount
        assert 0 <= self.drawn[period] <= self.amount

    def _period(self, day: date) -> date:
        return first_of_month(day, 0) if self.is_monthly else day


def undrawn() -> dict[str, Budget]:
    """The budgets of a shop that opens, by unit."""
    return {"common": Budget(terms.BUDGET, terms.BUDGETED, True), "cut": Budget("of-cut", terms.BUDGETED_CUT, False)}
