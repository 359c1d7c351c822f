"""Every SQL statement with which wallets are read. Each serves any number of members at once."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg

from services.points.wallets.balances import LotShare, Past

Key = tuple[UUID, str]
"""A wallet: member and unit."""

_KNOWN = """
    SELECT m.member_id
    FROM members AS m
    JOIN unnest($1::int[], $2::uuid[]) AS wanted (partition, member_id) USING (partition, member_id)
"""
_SHARES = """
    SELECT l.member_id, l.unit, l.remaining AS amount, l.available_at,
           coalesce(l.expires_at, b.slides_to) AS expires_at, NULL::timestamptz AS held_until
    FROM unnest($1::int[], $2::uuid[]) AS wanted (partition, member_id)
    JOIN lots AS l USING (partition, member_id)
    LEFT JOIN balances AS b
        ON b.partition = l.partition AND b.member_id = l.member_id AND b.unit = l.unit
    WHERE l.remaining > 0
    UNION ALL
    SELECT h.member_id, h.unit, u.amount, l.available_at,
           coalesce(l.expires_at, b.slides_to), h.expires_at
    FROM unnest($1::int[], $2::uuid[]) AS wanted (partition, member_id)
    JOIN holds AS h USING (partition, member_id)
    JOIN lot_uses AS u ON u.partition = h.partition AND u.user_id = h.hold_id
    JOIN lots AS l ON l.partition = h.partition AND l.member_id = h.member_id AND l.lot_id = u.lot_id
    LEFT JOIN balances AS b
        ON b.partition = l.partition AND b.member_id = l.member_id AND b.unit = l.unit
    WHERE h.state = 'open'
"""
_TOTALS = """
    SELECT b.member_id, b.unit, b.balance, b.debt
    FROM balances AS b
    JOIN unnest($1::int[], $2::uuid[]) AS wanted (partition, member_id) USING (partition, member_id)
"""
_PAST = """
    WITH wanted AS (
        SELECT * FROM unnest($1::int[], $2::uuid[]) AS w (partition, member_id)
    ), booked AS (
        SELECT e.member_id, e.unit, sum(e.amount) AS amount
        FROM entries AS e
        JOIN wanted USING (partition, member_id)
        WHERE e.effective_at <= $3
        GROUP BY e.member_id, e.unit
    ), unbooked AS (
        SELECT l.member_id, l.unit,
               sum(l.remaining) FILTER (WHERE coalesce(l.expires_at, b.slides_to) <= $3) AS expired,
               sum(l.amount) FILTER (WHERE l.available_at > $3 AND a.effective_at <= $3) AS pending
        FROM lots AS l
        JOIN wanted USING (partition, member_id)
        LEFT JOIN balances AS b
            ON b.partition = l.partition AND b.member_id = l.member_id AND b.unit = l.unit
        LEFT JOIN activities AS a ON a.partition = l.partition AND a.activity_id = l.source_id
        GROUP BY l.member_id, l.unit
    ), held AS (
        SELECT h.member_id, h.unit, sum(h.amount) AS amount
        FROM holds AS h
        JOIN wanted USING (partition, member_id)
        WHERE h.placed_at <= $3
          AND h.expires_at > $3
          AND (h.closed_at IS NULL OR h.closed_at > $3)
        GROUP BY h.member_id, h.unit
    )
    SELECT booked.member_id, booked.unit, booked.amount::bigint AS booked,
           coalesce(unbooked.expired, 0)::bigint AS expired,
           coalesce(unbooked.pending, 0)::bigint AS pending,
           coalesce(held.amount, 0)::bigint AS held
    FROM booked
    LEFT JOIN unbooked USING (member_id, unit)
    LEFT JOIN held USING (member_id, unit)
"""
_ENTRIES = """
    SELECT position, ordinal, unit, kind, amount, balance_after, counterparty, effective_at, recorded_at, account_id,
           source_id, level
    FROM entries
    WHERE partition = $1
      AND member_id = $2
      AND ($3 = '' OR unit = $3)
      AND (position, ordinal) < ($4, $5)
    ORDER BY position DESC, ordinal DESC
    LIMIT $6
"""
_LOTS = """
    SELECT l.lot_id, l.unit, l.amount, l.remaining, l.held, l.available_at,
           coalesce(l.expires_at, b.slides_to) AS expires_at, l.funder, l.source_id
    FROM lots AS l
    LEFT JOIN balances AS b
        ON b.partition = l.partition AND b.member_id = l.member_id AND b.unit = l.unit
    WHERE l.partition = $1
      AND l.member_id = $2
      AND l.unit = $3
      AND ($4 OR (l.held > 0 OR (l.remaining > 0 AND coalesce(l.expires_at, b.slides_to, 'infinity') > $5)))
      AND (coalesce(l.expires_at, b.slides_to, 'infinity'), l.available_at, l.lot_id) > ($6, $7, $8)
    ORDER BY coalesce(l.expires_at, b.slides_to, 'infinity'), l.available_at, l.lot_id
    LIMIT $9
"""


async def known_members(pool: asyncpg.Pool, partitions: Sequence[int], member_ids: Sequence[UUID]) -> set[UUID]:
    """Which members have been heard of."""
    return {row["member_id"] for row in await pool.fetch(_KNOWN, partitions, member_ids)}


async def shares(
    pool: asyncpg.Pool, partitions: Sequence[int], member_ids: Sequence[UUID]
) -> dict[Key, list[LotShare]]:
    """Free and held parts of lots, by wallet."""
    found: dict[Key, list[LotShare]] = {}
    for member_id, unit, *share in await pool.fetch(_SHARES, partitions, member_ids):
        found.setdefault((member_id, unit), []).append(LotShare(*share))
    return found


async def totals(
    pool: asyncpg.Pool, partitions: Sequence[int], member_ids: Sequence[UUID]
) -> dict[Key, tuple[int, int]]:
    """Balance and debt, by wallet."""
    rows = await pool.fetch(_TOTALS, partitions, member_ids)
    return {(row["member_id"], row["unit"]): (row["balance"], row["debt"]) for row in rows}


async def past(
    pool: asyncpg.Pool, partitions: Sequence[int], member_ids: Sequence[UUID], at: datetime
) -> dict[Key, Past]:
    """What is known of wallets at a past instant."""
    rows = await pool.fetch(_PAST, partitions, member_ids, at)
    return {
        (row["member_id"], row["unit"]): Past(row["booked"], row["expired"], row["pending"], row["held"])
        for row in rows
    }


async def entries(
    pool: asyncpg.Pool, partition: int, member_id: UUID, unit: str, before: tuple[int, int], limit: int
) -> Sequence[Any]:
    """A page of entries, newest first, before a position and ordinal."""
    return await pool.fetch(_ENTRIES, partition, member_id, unit, *before, limit)


async def lots(
    pool: asyncpg.Pool,
    partition: int,
    member_id: UUID,
    unit: str,
    include_closed: bool,
    now: datetime,
    after: tuple[datetime, datetime, UUID],
    limit: int,
) -> Sequence[Any]:
    """A page of lots in the order in which they burn."""
    return await pool.fetch(_LOTS, partition, member_id, unit, include_closed, now, *after, limit)
