"""Every SQL statement with which a batch loads whom IDs lead to."""

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg

from services.chassis import ids
from services.chassis.database import Connection
from services.chassis.reading import Reading
from services.points.merges.values import Link, Merge
from services.points.state import PointsState
from services.points.values import EntryKind

_LINKS = """
    SELECT member_id, leads_to, merged, gone
    FROM links
    WHERE partition = $1
      AND member_id = ANY($2::uuid[])
"""
_UNCHECKED = """
    SELECT merge_id, survivor_id, merged_ids
    FROM merges
    WHERE partition = ANY($1)
      AND NOT is_checked
    LIMIT $2
"""
_ORDERS = f"""
    SELECT a.activity_id, a.body, earned.recorded_at
    FROM (
        SELECT source_id, min(recorded_at) AS recorded_at
        FROM entries
        WHERE partition = $1
          AND member_id = $2
          AND kind = {EntryKind.EARN:d}
        GROUP BY source_id
    ) AS earned
    CROSS JOIN LATERAL (
        SELECT activity_id, body
        FROM activities
        WHERE partition = $1
          AND activity_id = earned.source_id
          AND reversed_at IS NULL
        OFFSET 0
    ) AS a
"""
_FIND_LINKS = """
    SELECT found.*
    FROM unnest($1::int[], $2::uuid[]) AS wanted (partition, member_id)
    CROSS JOIN LATERAL (
        SELECT member_id, leads_to, merged, gone
        FROM links
        WHERE partition = wanted.partition
          AND member_id = wanted.member_id
        OFFSET 0
    ) AS found
"""


def read_links(reading: Reading, member_ids: Iterable[UUID], state: PointsState) -> None:
    """Whom IDs lead to; members that were never merged are missing."""

    def take(rows: Sequence[Any]) -> None:
        for row in rows:
            state.add_link(_link(row))

    reading.add(_LINKS, list(member_ids), take=take)


async def unchecked(pool: asyncpg.Pool, partitions: Sequence[int], limit: int) -> list[Merge]:
    """Merges of which it is not noted that orders were looked for which both members had reported before."""
    rows = await pool.fetch(_UNCHECKED, partitions, limit)
    return [Merge(merge_id, survivor_id, tuple(ids.split(merged)), False) for merge_id, survivor_id, merged in rows]


async def orders(
    connection: asyncpg.Connection, partition: int, member_id: UUID
) -> AsyncIterator[tuple[UUID, bytes, datetime]]:
    """The activities of a member that earned something and were not taken back: ID, body, and when it was recorded."""
    async with connection.transaction(readonly=True):
        async for row in connection.cursor(_ORDERS, partition, member_id, prefetch=_ROWS):
            yield row["activity_id"], row["body"], row["recorded_at"]


_ROWS = 500
"""Orders that are read at a time."""


async def find_links(
    connection: Connection | asyncpg.Pool, partitions: Sequence[int], member_ids: Sequence[UUID]
) -> Mapping[UUID, Link]:
    """Whom IDs lead to, of any partitions."""
    return {row["member_id"]: _link(row) for row in await connection.fetch(_FIND_LINKS, partitions, member_ids)}


async def find_link(pool: asyncpg.Pool, partition: int, member_id: UUID) -> Link | None:
    """Whom an ID leads to; None for a member that was never merged."""
    row = await pool.fetchrow(_LINKS, partition, [member_id])
    return None if row is None else _link(row)


def _link(row: Any) -> Link:
    member_id, leads_to, merged, gone = row
    each = iter(ids.split(gone))
    return Link(member_id, leads_to, tuple(ids.split(merged)), tuple(zip(each, each, strict=True)))
