"""Every SQL statement with which parked refunds are read."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import asyncpg

from services.points.values import ParkedRefund, ParkedState

ParkedPlace = tuple[int, datetime, UUID]
"""Where a parked refund stands in a list: partition, since when it waits, ID."""

_PARKED_COLUMNS = """
    parked_refund_id, natural_key, ordinal, member_id, domain, type, activity_reference, reference, body, answer,
    state, reason, parked_at, closed_at
"""


def _standing(condition: str) -> str:
    """A page of those for which a condition holds that one of the partial indexes is about."""
    return f"""
    SELECT asked.partition, found.*
    FROM unnest($1::int[]) AS asked (partition)
    CROSS JOIN LATERAL (
        SELECT {_PARKED_COLUMNS}
        FROM parked_refunds
        WHERE partition = asked.partition
          AND {condition}
          AND (asked.partition > $2 OR (parked_at, parked_refund_id) > ($3, $4))
        ORDER BY parked_at, parked_refund_id
        LIMIT $5
    ) AS found
    ORDER BY asked.partition, found.parked_at, found.parked_refund_id
    LIMIT $5
    """


_PARKED = {
    state: _standing("state = 1" if state == ParkedState.PARKED else f"state <> 1 AND state = {int(state)}")
    for state in ParkedState
}
_OVERDUE = """
    SELECT asked.partition, found.parked_refund_id
    FROM unnest($1::int[]) AS asked (partition)
    CROSS JOIN LATERAL (
        SELECT parked_refund_id, parked_at
        FROM parked_refunds
        WHERE partition = asked.partition
          AND state = 1
          AND parked_at <= $2
        ORDER BY parked_at, parked_refund_id
        LIMIT $3
    ) AS found
    ORDER BY asked.partition, found.parked_at, found.parked_refund_id
"""
_DEAD = f"""
    SELECT count(*)
    FROM unnest($1::int[]) AS asked (partition)
    JOIN parked_refunds AS p ON p.partition = asked.partition AND p.state <> 1 AND p.state = {int(ParkedState.DEAD)}
"""


async def parked_refunds(
    pool: asyncpg.Pool, partitions: Sequence[int], state: int, after: ParkedPlace, limit: int
) -> list[tuple[int, ParkedRefund]]:
    """A page of the parked refunds of partitions that stand so, with their partition, after a place."""
    rows = await pool.fetch(_PARKED[ParkedState(state)], list(partitions), *after, limit)
    return [(row[0], ParkedRefund(*row[1:])) for row in rows]


async def overdue_refunds(
    pool: asyncpg.Pool, partitions: Sequence[int], parked_by: datetime, limit: int
) -> dict[int, list[UUID]]:
    """Refunds that have waited since an instant or longer: of each partition at most so many."""
    found: dict[int, list[UUID]] = {}
    for partition, parked_refund_id in await pool.fetch(_OVERDUE, list(partitions), parked_by, limit):
        found.setdefault(partition, []).append(parked_refund_id)
    return found


async def dead_refunds(pool: asyncpg.Pool, partitions: Sequence[int]) -> int:
    """How many refunds are dead."""
    count: int = await pool.fetchval(_DEAD, list(partitions))
    return count
