"""Every SQL statement with which a batch loads what merges concern."""

from collections.abc import Iterable, Sequence
from typing import Any
from uuid import UUID

import asyncpg

from services.tiers.merges.values import Link
from services.tiers.standings.queries import STANDING_COLUMNS, standing_of
from services.tiers.values import DayScore, Standing

_LINKS = """
    SELECT member_id, leads_to, merged, since, is_erased, elsewhere
    FROM links
    WHERE partition = $1
      AND member_id = ANY($2::uuid[])
"""
_SCORES = """
    SELECT found.*
    FROM unnest($2::uuid[]) AS wanted (member_id)
    CROSS JOIN LATERAL (
        SELECT member_id, unit, day, amount, last_at, entries
        FROM scores
        WHERE partition = $1
          AND member_id = wanted.member_id
        OFFSET 0
    ) AS found
    ORDER BY member_id, unit, day
"""
# The last one that nothing took back is where a member stands.
_STANDINGS = f"""
    SELECT found.*
    FROM unnest($2::uuid[]) AS wanted (member_id)
    CROSS JOIN LATERAL (
        SELECT DISTINCT ON (ladder) {STANDING_COLUMNS}
        FROM standings AS s
        WHERE s.partition = $1
          AND s.member_id = wanted.member_id
          AND s.superseded_at IS NULL
        ORDER BY ladder, position DESC, ordinal DESC
    ) AS found
"""


async def load_links(connection: asyncpg.Connection, partition: int, member_ids: Iterable[UUID]) -> list[Link]:
    """The links of members; most have none."""
    return [Link._make(row) for row in await connection.fetch(_LINKS, partition, list(member_ids))]


async def load_scores(
    connection: asyncpg.Connection, partition: int, member_ids: Sequence[UUID]
) -> list[tuple[UUID, str, Any, DayScore]]:
    """All that members ever scored: member, unit, day and row."""
    rows = await connection.fetch(_SCORES, partition, member_ids)
    return [(row[0], row[1], row[2], DayScore(row[3], row[4], row[5])) for row in rows]


async def load_last_standings(
    connection: asyncpg.Connection, partition: int, member_ids: Sequence[UUID]
) -> list[Standing]:
    """Where members stand, on each ladder on which they ever rose."""
    return [standing_of(row) for row in await connection.fetch(_STANDINGS, partition, member_ids)]


async def find_link(pool: asyncpg.Pool, partition: int, member_id: UUID) -> Link | None:
    """The link of a member; most have none."""
    row = await pool.fetchrow(_LINKS, partition, [member_id])
    return None if row is None else Link._make(row)
