"""Every SQL statement with which calls are answered. Each reads what is committed, without a lock."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import asyncpg

from services.benefits.queries import ENTITLEMENT_COLUMNS, MEMBERS
from services.benefits.values import Counts, Entitlement, Member

# The questions come as two strings: arrays of a thousand cost the driver twice as much. An ID ends with its partition,
# which is reckoned once for each question (OFFSET 0), and each table is looked up by question.
_CHECKS = """
    SELECT
        asked.number,
        CASE WHEN asked.number = 1 THEN (SELECT config_version FROM head WHERE partition = -1) END,
        CASE WHEN asked.number = 1 THEN time.now END,
        m.status, m.standing, m.upcoming,
        q.period_start, q.used,
        e.entitlement_id, e.uses_left,
        CASE WHEN e.valid_from > time.now THEN e.valid_from END
    FROM (
        SELECT (get_byte(uuid_send(member_id), 14) << 8 | get_byte(uuid_send(member_id), 15)) & $1::int,
            member_id, benefit, number
        FROM unnest(string_to_array($2, ',')::uuid[], string_to_array($3, ',')) WITH ORDINALITY
            AS pairs (member_id, benefit, number)
        OFFSET 0
    ) AS asked (partition, member_id, benefit, number)
    CROSS JOIN (SELECT coalesce((SELECT now FROM clock), $4)) AS time (now)
    LEFT JOIN LATERAL (
        SELECT status, standing, upcoming
        FROM members
        WHERE partition = asked.partition
          AND member_id = asked.member_id
        OFFSET 0
    ) AS m ON true
    LEFT JOIN LATERAL (
        SELECT period_start, used
        FROM quota_uses
        WHERE partition = asked.partition
          AND member_id = asked.member_id
          AND benefit = asked.benefit
        OFFSET 0
    ) AS q ON true
    LEFT JOIN LATERAL (
        SELECT entitlement_id, uses_left, valid_from, valid_until, issued_at
        FROM entitlements
        WHERE partition = asked.partition
          AND member_id = asked.member_id
          AND benefit = asked.benefit
          AND state = 1
          AND (valid_until IS NULL OR valid_until > time.now)
        OFFSET 0
    ) AS e ON true
    ORDER BY asked.number, e.valid_until, e.issued_at, e.entitlement_id
"""
_LEADS_TO = """
    SELECT member_id, leads_to
    FROM members
    WHERE partition = ANY($1)
      AND member_id = ANY($2)
      AND leads_to IS NOT NULL
"""
_ENROLMENTS = """
    SELECT member_id, enrolled_at
    FROM members
    WHERE partition = ANY($1)
      AND member_id = ANY($2)
"""
_LIST = f"""
    SELECT {ENTITLEMENT_COLUMNS}
    FROM entitlements AS e
    WHERE e.partition = $1
      AND e.member_id = $2
      AND ($3 = '' OR e.benefit = $3)
      AND ($4 OR (e.state = 1 AND (e.valid_until IS NULL OR e.valid_until > $5)))
      AND (e.issued_at, e.entitlement_id) < ($6, $7)
    ORDER BY e.issued_at DESC, e.entitlement_id DESC
    LIMIT $8
"""
_SUMMARY = """
    SELECT benefit, sum(issued)::bigint, sum(redeemed)::bigint, sum(reversed)::bigint, sum(expired)::bigint
    FROM (
        SELECT benefit, issued, redeemed, reversed, expired
        FROM benefit_counts
        UNION ALL
        SELECT benefit, 0, 0, 0, count(*)
        FROM entitlements
        WHERE state = 1
          AND valid_until <= $1
        GROUP BY benefit
    ) AS counted
    GROUP BY benefit
"""


@dataclass(slots=True)
class Checked:
    """What bears on some questions, all of one instant.

    A row has a question's number (from 1), two columns that concern nobody else, the member's status, standing and
    upcoming, the period and use of the quota, and one of the member's rights. They come in the order of the questions,
    and of each the first to end first, as `entitlements.rules.rights_of` has them.
    """

    rows: Sequence[asyncpg.Record]
    config_version: int
    now: datetime


async def checks(
    pool: asyncpg.Pool,
    partitions: int,
    member_ids: Sequence[UUID],
    benefits: Sequence[str],
    real_now: datetime,
) -> Checked:
    """What bears on whether members may use benefits, one pair after the other; there is at least one."""
    rows = await pool.fetch(_CHECKS, partitions - 1, ",".join(map(str, member_ids)), ",".join(benefits), real_now)
    return Checked(rows, rows[0][1], rows[0][2])


async def member(pool: asyncpg.Pool, partition: int, member_id: UUID) -> Member | None:
    """The member of this ID; None when nothing is known of it."""
    row = await pool.fetchrow(MEMBERS, partition, [member_id])
    return None if row is None else Member._make(row)


async def leads_to(pool: asyncpg.Pool, partitions: Sequence[int], member_ids: Sequence[UUID]) -> Mapping[UUID, UUID]:
    """Whom IDs mean of members that were merged."""
    return {row[0]: row[1] for row in await pool.fetch(_LEADS_TO, partitions, member_ids)}


async def enrolments(
    pool: asyncpg.Pool, partitions: Sequence[int], member_ids: Sequence[UUID]
) -> Mapping[UUID, datetime | None]:
    """When members were enrolled."""
    return {row[0]: row[1] for row in await pool.fetch(_ENROLMENTS, partitions, member_ids)}


async def list_entitlements(
    pool: asyncpg.Pool,
    partition: int,
    member_id: UUID,
    benefit: str,
    include_closed: bool,
    now: datetime,
    before: tuple[datetime, UUID],
    limit: int,
) -> list[Entitlement]:
    """A member's entitlements issued before a place, newest first; "" means all benefits."""
    rows = await pool.fetch(_LIST, partition, member_id, benefit, include_closed, now, *before, limit)
    return [Entitlement(*row) for row in rows]


async def summary(pool: asyncpg.Pool, now: datetime) -> Mapping[str, Counts]:
    """The counts of each benefit over all partitions; what is over at an instant counts as expired, booked or not."""
    return {row["benefit"]: Counts(*row) for row in await pool.fetch(_SUMMARY, now)}
