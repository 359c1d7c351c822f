"""Every SQL statement with which adjustments are read."""

from collections.abc import Sequence
from uuid import UUID

import asyncpg

from services.points.values import Adjustment

_COLUMNS = """
    adjustment_id, member_id, account_id, domain, unit, amount, cause, funder, state, requested_by, requested_at,
    resolved_by, resolved_at, effective_at
"""
_ADJUSTMENT = f"""
    SELECT {_COLUMNS}
    FROM adjustments
    WHERE partition = $1
      AND adjustment_id = $2
"""
# Of each partition as many as are wanted, in the order of its index.
_PROPOSED = f"""
    SELECT found.*
    FROM unnest($1::int[]) AS asked (partition)
    CROSS JOIN LATERAL (
        SELECT {_COLUMNS}
        FROM adjustments
        WHERE partition = asked.partition
          AND state = 'proposed'
          AND adjustment_id > $2
        ORDER BY adjustment_id
        LIMIT $3
    ) AS found
    ORDER BY found.adjustment_id
    LIMIT $3
"""


async def adjustment(pool: asyncpg.Pool, partition: int, adjustment_id: UUID) -> Adjustment | None:
    """An adjustment, without the lots that it took from."""
    row = await pool.fetchrow(_ADJUSTMENT, partition, adjustment_id)
    return None if row is None else _of(row)


async def proposed(pool: asyncpg.Pool, partitions: Sequence[int], after: UUID, limit: int) -> list[Adjustment]:
    """A page of adjustments that wait for approval, of all partitions, by ID."""
    return [_of(row) for row in await pool.fetch(_PROPOSED, partitions, after, limit)]


def _of(row: asyncpg.Record) -> Adjustment:
    return Adjustment(*(*row, ()))
