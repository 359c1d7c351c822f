"""Every SQL statement with which a batch loads what a partition has of budgets.

Each is set-based and stays in one partition; `services/points/queries.py` says why `OFFSET 0`.
"""

from collections.abc import Iterable, Sequence
from datetime import date
from functools import partial
from typing import Any, NamedTuple

from services.chassis.reading import Reading
from services.points.budgets.books import BudgetBooks
from services.points.budgets.definitions import BudgetKey
from services.points.budgets.values import Pool, Portion

Rows = Sequence[tuple[Any, ...]]

_PORTIONS = """
    SELECT found.*
    FROM unnest($2::text[], $3::date[], $4::date[]) AS wanted (budget, earliest, latest)
    CROSS JOIN LATERAL (
        SELECT budget, period_start, leased, drawn, amount, exhausted
        FROM budget_portions
        WHERE partition = $1
          AND budget = wanted.budget
          AND period_start BETWEEN wanted.earliest AND wanted.latest
        OFFSET 0
    ) AS found
"""
_POOLS = """
    SELECT found.*
    FROM unnest($2::text[], $3::date[], $4::date[]) AS wanted (budget, earliest, latest)
    CROSS JOIN LATERAL (
        SELECT budget, period_start, leased, amount
        FROM budget_pools
        WHERE partition = $1
          AND budget = wanted.budget
          AND period_start BETWEEN wanted.earliest AND wanted.latest
        OFFSET 0
    ) AS found
"""


class BudgetPeriods(NamedTuple):
    """A budget in all its periods that begin between two days, both included."""

    budget: str
    earliest: date
    latest: date

    @classmethod
    def of(cls, key: BudgetKey) -> "BudgetPeriods":
        """A budget in one period."""
        return cls(key.budget, key.period_start, key.period_start)


def read_budgets(reading: Reading, partition: int, wanted: Iterable[BudgetPeriods], books: BudgetBooks) -> None:
    """What a partition has of budgets; their pools, if they live there."""
    # A batch asks for the same few again and again.
    columns = list(map(list, zip(*set(wanted), strict=True)))
    reading.add(_PORTIONS, *columns, take=partial(_take_portions, books, partition))
    reading.add(_POOLS, *columns, take=partial(_take_pools, books))


def _take_portions(books: BudgetBooks, partition: int, rows: Rows) -> None:
    for row in rows:
        books.add_portion(partition, Portion(*row))


def _take_pools(books: BudgetBooks, rows: Rows) -> None:
    for row in rows:
        books.add_pool(Pool(*row))
