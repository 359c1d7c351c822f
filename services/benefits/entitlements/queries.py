"""Every SQL statement that finds to whom a month may bring something, and what is over."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from uuid import UUID

import asyncpg

from services.benefits.values import MemberStatus

_STANDINGS = """
    SELECT DISTINCT standing
    FROM members
    WHERE status = $1
"""
_MONTHLY_CANDIDATES = """
    SELECT m.member_id
    FROM members AS m
    WHERE m.partition = $1
      AND m.status = $2
      AND m.member_id > $3
      AND (
          m.standing = ANY($4)
          OR m.upcoming IS NOT NULL
          OR EXISTS (
              SELECT 1
              FROM standings AS s
              WHERE s.partition = m.partition
                AND s.member_id = m.member_id
                AND s.effective_from >= $5
          )
      )
    ORDER BY m.member_id
    LIMIT $6
"""
_DUE = """
    SELECT p.partition, due.entitlement_id
    FROM unnest($1::int[]) AS p (partition)
    CROSS JOIN LATERAL (
        SELECT entitlement_id
        FROM entitlements
        WHERE partition = p.partition
          AND state = 1
          AND valid_until <= $2
        ORDER BY valid_until
        LIMIT $3
    ) AS due
"""


async def standings_of_active(pool: asyncpg.Pool) -> list[str]:
    """The different standings that active members have."""
    return [row["standing"] for row in await pool.fetch(_STANDINGS, int(MemberStatus.ACTIVE))]


async def monthly_candidates(
    pool: asyncpg.Pool, partition: int, after: UUID, standings: Sequence[str], instant: datetime, limit: int
) -> list[UUID]:
    """Active members after an ID who may have had one of these standings around an instant.

    They have it now, or theirs changed at the instant or later, or is known to change.
    """
    rows = await pool.fetch(_MONTHLY_CANDIDATES, partition, int(MemberStatus.ACTIVE), after, standings, instant, limit)
    return [row["member_id"] for row in rows]


async def due_entitlements(
    pool: asyncpg.Pool, partitions: Iterable[int], now: datetime, limit: int
) -> dict[int, list[UUID]]:
    """Entitlements booked as granted whose time is over, at most `limit` of each partition, the longest over first."""
    due: dict[int, list[UUID]] = {}
    for partition, entitlement_id in await pool.fetch(_DUE, list(partitions), now, limit):
        due.setdefault(partition, []).append(entitlement_id)
    return due
