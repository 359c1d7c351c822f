"""Every SQL statement with which the books are reported. Each stays in one partition."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import asyncpg

from services.chassis.database import Connection

# $2 and $3 are the time zones of units, $4 the only unit asked for, $5 is now. When a lot expires that slides is as its
# wallet says; when it expired its entries say (expire, 4), since its wallet may have slid on; one that waits for its
# activity to be completed (9999) does not yet. What was forfeited (21) is no breakage, though its lot counts it as
# expired. Instants become months after what is alike is summed: there are far fewer of them than lots.
_LIABILITY = """
    WITH slid AS (
        SELECT member_id, source_id AS lot_id, max(effective_at) AS expired_at
        FROM entries
        WHERE partition = $1
          AND kind = 4
          AND EXISTS (
              SELECT
              FROM lots
              WHERE partition = $1
                AND slides
                AND expired > 0
          )
        GROUP BY member_id, source_id
    ), forfeited AS (
        SELECT m.member_id, u.lot_id, sum(u.amount) AS amount
        FROM movements AS m
        JOIN lot_uses AS u
          ON u.partition = m.partition AND u.user_id = m.movement_id
        WHERE m.partition = $1
          AND m.kind = 21
        GROUP BY m.member_id, u.lot_id
    ), dated AS (
        SELECT l.unit, l.funder, l.remaining, l.held, l.expired - coalesce(forfeited.amount, 0) AS expired,
               slid.expired_at,
               CASE WHEN l.slides THEN nullif(greatest(l.expires_at, b.slides_to), '9999-01-01 00:00+00')
                    ELSE l.expires_at
               END AS gone_at
        FROM lots AS l
        LEFT JOIN forfeited
          ON forfeited.member_id = l.member_id AND forfeited.lot_id = l.lot_id
        LEFT JOIN balances AS b
          ON l.slides AND b.partition = l.partition AND b.member_id = l.member_id AND b.unit = l.unit
        LEFT JOIN slid
          ON l.slides AND slid.member_id = l.member_id AND slid.lot_id = l.lot_id
        WHERE l.partition = $1
          AND ($4 = '' OR l.unit = $4)
          AND (l.remaining > 0 OR l.held > 0 OR l.expired > 0)
    ), by_instant AS (
        SELECT unit, funder, part.at,
               sum(part.remaining + part.held) AS outstanding,
               sum(part.held) AS held,
               sum(part.remaining) FILTER (WHERE part.at <= $5) AS overdue,
               sum(part.expired) AS expired
        FROM dated
        CROSS JOIN LATERAL (
            VALUES (gone_at, remaining, held, 0), (coalesce(expired_at, gone_at), 0, 0, expired)
        ) AS part (at, remaining, held, expired)
        WHERE part.remaining > 0 OR part.held > 0 OR part.expired > 0
        GROUP BY unit, funder, part.at
    )
    SELECT unit, funder,
           coalesce(to_char(at AT TIME ZONE coalesce(zones.zone, 'UTC'), 'YYYY-MM'), '') AS expiry_month,
           sum(outstanding)::bigint AS outstanding,
           sum(held)::bigint AS held,
           coalesce(sum(overdue), 0)::bigint AS overdue,
           sum(expired)::bigint AS expired
    FROM by_instant
    LEFT JOIN unnest($2::text[], $3::text[]) AS zones (unit, zone) USING (unit)
    GROUP BY 1, 2, 3
"""
_RECEIVABLES = """
    SELECT unit, funder, sum(owed)::bigint AS amount
    FROM clawbacks
    WHERE partition = $1
      AND ($2 = '' OR unit = $2)
      AND owed > 0
    GROUP BY unit, funder
"""
_HEAD = """
    SELECT position
    FROM head
    WHERE partition = $1
"""
_JOURNAL = """
    SELECT position, payload
    FROM journal
    WHERE partition = $1
      AND position >= $2
      AND position <= $3
    ORDER BY position
    LIMIT $4
"""


async def head_position(connection: Connection, partition: int) -> int:
    """Where a partition stands."""
    position: int = await connection.fetchval(_HEAD, partition)
    return position


async def liability(
    connection: Connection, partition: int, zones: Mapping[str, str], unit: str, now: datetime
) -> Sequence[Any]:
    """What is owed in a partition by unit, funder and month; in UTC for units without a zone."""
    return await connection.fetch(_LIABILITY, partition, list(zones), list(zones.values()), unit, now)


async def receivables(connection: Connection, partition: int, unit: str) -> Sequence[Any]:
    """What members of a partition owe by unit and funder."""
    return await connection.fetch(_RECEIVABLES, partition, unit)


async def journal(pool: asyncpg.Pool, partition: int, first: int, last: int, limit: int) -> Sequence[Any]:
    """The journal of a partition from a position to another, in order, at most so many rows."""
    return await pool.fetch(_JOURNAL, partition, first, last, limit)
