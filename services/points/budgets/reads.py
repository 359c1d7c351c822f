"""Every SQL statement with which budgets are read."""

from collections.abc import Sequence

import asyncpg

from services.chassis.database import Connection
from services.points.budgets.definitions import BudgetKey
from services.points.budgets.values import Portion

_PORTIONS = """
    SELECT asked.partition, found.*
    FROM unnest($1::int[]) AS asked (partition)
    CROSS JOIN unnest($2::text[], $3::date[]) AS wanted (budget, period_start)
    CROSS JOIN LATERAL (
        SELECT budget, period_start, leased, drawn, amount, exhausted
        FROM budget_portions
        WHERE partition = asked.partition
          AND budget = wanted.budget
          AND period_start = wanted.period_start
        OFFSET 0
    ) AS found
"""


async def portions(
    connection: Connection | asyncpg.Pool, partitions: Sequence[int], keys: Sequence[BudgetKey]
) -> list[tuple[int, Portion]]:
    """What each partition has of budgets, where it has something."""
    columns = [key.budget for key in keys], [key.period_start for key in keys]
    rows = await connection.fetch(_PORTIONS, list(partitions), *columns)
    return [(row[0], Portion(*row[1:])) for row in rows]
