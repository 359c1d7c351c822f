"""Every SQL statement with which a batch loads whom IDs lead to."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from uuid import UUID

import asyncpg

from services.chassis import ids
from services.chassis.database import Connection
from services.chassis.reading import Reading
from services.points.merges.values import Link
from services.points.state import PointsState
from services.points.values import EntryKind

_LINKS = """
    SELECT member_id, leads_to, merged, gone
    FROM links
    WHERE partition = $1
      AND member_id = ANY($2::uuid[])
"""
# What counted for scores through each account, what moved between members with it included.
_SCORES = """
    SELECT found.*
    FROM unnest($2::uuid[]) AS wanted (member_id)
    CROSS JOIN LATERAL (
        SELECT member_id, unit, account_id, sum(amount)::bigint AS amount
        FROM entries
        WHERE partition = $1
          AND member_id = wanted.member_id
          AND unit = ANY($3::text[])
        GROUP BY member_id, unit, account_id
        OFFSET 0
    ) AS found
"""
_BROUGHT_OVER = f"""
    SELECT found.*
    FROM unnest($2::uuid[]) AS wanted (member_id)
    CROSS JOIN LATERAL (
        SELECT movement_id
        FROM movements
        WHERE partition = $1
          AND member_id = wanted.member_id
          AND kind = {EntryKind.MERGE_IN:d}
        OFFSET 0
    ) AS found
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


def read_scores(reading: Reading, member_ids: Iterable[UUID], units: Iterable[str], state: PointsState) -> None:
    """What members scored through each account."""

    def take(rows: Sequence[Any]) -> None:
        for member_id, unit, account_id, amount in rows:
            state.scores[member_id, unit, account_id] = amount

    reading.add_many(_SCORES, list(member_ids), list(units), take=take)


def read_brought_over(reading: Reading, member_ids: Iterable[UUID], state: PointsState) -> None:
    """The movements by which points came to members from others of their person."""

    def take(rows: Sequence[Any]) -> None:
        state.brought_over.update(row[0] for row in rows)

    reading.add_many(_BROUGHT_OVER, list(member_ids), take=take)


async def find_links(
    connection: Connection | asyncpg.Pool, partitions: Sequence[int], member_ids: Sequence[UUID]
) -> Mapping[UUID, Link]:
    """Whom IDs lead to, of any partitions."""
    return {row["member_id"]: _link(row) for row in await connection.fetch(_FIND_LINKS, partitions, member_ids)}


def _link(row: Any) -> Link:
    member_id, leads_to, merged, gone = row
    each = iter(ids.split(gone))
    return Link(member_id, leads_to, tuple(ids.split(merged)), tuple(zip(each, each, strict=True)))
