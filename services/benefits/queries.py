"""Every statement of the benefits service that reads; batches are written by the chassis' store."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg

from services.benefits.state import State
from services.benefits.values import (
    Account,
    Counts,
    Entitlement,
    Interval,
    Member,
    MemberStatus,
    QuotaUse,
    Redemption,
)
from services.chassis.reading import Reading

Rows = Sequence[Sequence[Any]]

# What a batch loads, of its partition

_MEMBERS = """
    SELECT member_id, status, enrolled_at, standing, upcoming, leads_to, merged
    FROM members
    WHERE partition = $1
      AND member_id = ANY($2)
"""
_ACCOUNTS = """
    SELECT account_id, member_id, domain, linked
    FROM accounts
    WHERE partition = $1
      AND account_id = ANY($2)
"""
_INTERVALS = """
    SELECT member_id, ladder, effective_from, ends_at, level, rank, highest_rank
    FROM standings
    WHERE partition = $1
      AND member_id = ANY($2)
"""
_REDEMPTIONS = """
    SELECT redemption_id, fingerprint, member_id, benefit, domain, account_id, reference, entitlement_id, period_start,
        uses_left, redeemed_at, position, config_version, reversed_at
    FROM redemptions
    WHERE partition = $1
      AND redemption_id = ANY($2)
"""
_ENTITLEMENT_COLUMNS = """e.entitlement_id, e.member_id, e.benefit, e.state, e.valid_from, e.valid_until, e.uses_left,
        e.issued_at, e.cause, e.reference, e.config_version, e.origin_id"""
_ENTITLEMENTS = f"""
    SELECT {_ENTITLEMENT_COLUMNS}
    FROM entitlements AS e
    WHERE e.partition = $1
      AND e.entitlement_id = ANY($2)
    UNION ALL
    SELECT found.*
    FROM unnest($3::uuid[], $4::text[]) AS wanted (member_id, benefit)
    CROSS JOIN LATERAL (
        SELECT {_ENTITLEMENT_COLUMNS}
        FROM entitlements AS e
        WHERE e.partition = $1
          AND e.member_id = wanted.member_id
          AND e.benefit = wanted.benefit
          AND e.state = 1
        OFFSET 0
    ) AS found
    UNION ALL
    SELECT found.*
    FROM unnest($5::uuid[], $6::text[]) AS wanted (member_id, benefit)
    CROSS JOIN LATERAL (
        SELECT {_ENTITLEMENT_COLUMNS}
        FROM entitlements AS e
        WHERE e.partition = $1
          AND e.member_id = wanted.member_id
          AND e.benefit = wanted.benefit
        OFFSET 0
    ) AS found
"""
_QUOTA_USES = """
    SELECT found.*
    FROM unnest($2::uuid[], $3::text[]) AS wanted (member_id, benefit)
    CROSS JOIN LATERAL (
        SELECT member_id, benefit, period_start, used, sources
        FROM quota_uses
        WHERE partition = $1
          AND member_id = wanted.member_id
          AND benefit = wanted.benefit
        OFFSET 0
    ) AS found
"""
_COUNTS = """
    SELECT benefit, issued, redeemed, reversed, expired
    FROM benefit_counts
    WHERE partition = $1
      AND benefit = ANY($2)
"""


_ENTITLEMENTS_OF_MEMBERS = f"""
    SELECT found.*
    FROM unnest($2::uuid[]) AS wanted (member_id)
    CROSS JOIN LATERAL (
        SELECT {_ENTITLEMENT_COLUMNS}
        FROM entitlements AS e
        WHERE e.partition = $1
          AND e.member_id = wanted.member_id
        ORDER BY e.issued_at, e.entitlement_id
    ) AS found
"""
_QUOTA_USES_OF_MEMBERS = """
    SELECT found.*
    FROM unnest($2::uuid[]) AS wanted (member_id)
    CROSS JOIN LATERAL (
        SELECT member_id, benefit, period_start, used, sources
        FROM quota_uses
        WHERE partition = $1
          AND member_id = wanted.member_id
        ORDER BY benefit
    ) AS found
"""


def read_members(reading: Reading, member_ids: Iterable[UUID], state: State) -> None:
    """The members of these IDs."""

    def take(rows: Rows) -> None:
        state.members.update((row[0], Member._make(row)) for row in rows)

    reading.add(_MEMBERS, list(member_ids), take=take)


def read_accounts(reading: Reading, account_ids: Iterable[UUID], state: State) -> None:
    """The accounts of these IDs."""

    def take(rows: Rows) -> None:
        state.accounts.update((row[0], Account._make(row)) for row in rows)

    reading.add(_ACCOUNTS, list(account_ids), take=take)


def read_intervals(reading: Reading, member_ids: Iterable[UUID], state: State) -> None:
    """All that is known of where these members stood and stand."""
    reading.add(_INTERVALS, list(member_ids), take=lambda rows: state.fill_intervals(map(Interval._make, rows)))


def read_redemptions(reading: Reading, redemption_ids: Iterable[UUID], state: State) -> None:
    """The redemptions of these IDs."""

    def take(rows: Rows) -> None:
        state.redemptions.update((row[0], Redemption._make(row)) for row in rows)

    reading.add(_REDEMPTIONS, list(redemption_ids), take=take)


def read_entitlements(
    reading: Reading,
    entitlement_ids: Iterable[UUID],
    granted: Iterable[tuple[UUID, str]],
    issued: Iterable[tuple[UUID, str]],
    state: State,
) -> None:
    """The entitlements of these IDs; those still granted of some members to benefits, and all ever issued of others."""

    def take(rows: Rows) -> None:
        state.fill_entitlements(map(Entitlement._make, rows))

    reading.add(_ENTITLEMENTS, list(entitlement_ids), *_columns(granted, 2), *_columns(issued, 2), take=take)


def read_quota_uses(reading: Reading, pairs: Iterable[tuple[UUID, str]], state: State) -> None:
    """What these members used of these quotas."""

    def take(rows: Rows) -> None:
        state.quota_uses.update(((row[0], row[1]), QuotaUse._make(row)) for row in rows)

    reading.add(_QUOTA_USES, *_columns(pairs, 2), take=take)


def read_persons(reading: Reading, member_ids: Iterable[UUID], state: State) -> None:
    """All entitlements that these members ever had, and all quotas that they used."""
    wanted = list(member_ids)

    def take_quota_uses(rows: Rows) -> None:
        state.quota_uses.update(((row[0], row[1]), QuotaUse._make(row)) for row in rows)

    reading.add_many(
        _ENTITLEMENTS_OF_MEMBERS, wanted, take=lambda rows: state.fill_entitlements(map(Entitlement._make, rows))
    )
    reading.add_many(_QUOTA_USES_OF_MEMBERS, wanted, take=take_quota_uses)


def read_counts(reading: Reading, benefits: Iterable[str], state: State) -> None:
    """The partition's counts of these benefits."""

    def take(rows: Rows) -> None:
        state.counts.update((row[0], Counts._make(row)) for row in rows)

    reading.add(_COUNTS, list(benefits), take=take)


def _columns(rows: Iterable[tuple[Any, ...]], width: int) -> list[list[Any]]:
    return [list(column) for column in zip(*rows, strict=True)] or [[] for _ in range(width)]


# Reads

Connection = asyncpg.Connection | asyncpg.Pool

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
    SELECT {_ENTITLEMENT_COLUMNS}
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
    and of each the first to end first, as `rules.rights_of` has them.
    """

    rows: Sequence[asyncpg.Record]
    config_version: int
    now: datetime


async def checks(
    connection: Connection,
    partitions: int,
    member_ids: Sequence[UUID],
    benefits: Sequence[str],
    real_now: datetime,
) -> Checked:
    """What bears on whether members may use benefits, one pair after the other; there is at least one."""
    rows = await connection.fetch(_CHECKS, partitions - 1, ",".join(map(str, member_ids)), ",".join(benefits), real_now)
    return Checked(rows, rows[0][1], rows[0][2])


async def member(connection: Connection, partition: int, member_id: UUID) -> Member | None:
    """The member of this ID; None when nothing is known of it."""
    row = await connection.fetchrow(_MEMBERS, partition, [member_id])
    return None if row is None else Member._make(row)


async def leads_to(
    connection: Connection, partitions: Sequence[int], member_ids: Sequence[UUID]
) -> Mapping[UUID, UUID]:
    """Whom IDs mean of members that were merged."""
    return {row[0]: row[1] for row in await connection.fetch(_LEADS_TO, partitions, member_ids)}


async def enrolments(
    connection: Connection, partitions: Sequence[int], member_ids: Sequence[UUID]
) -> Mapping[UUID, datetime | None]:
    """When members were enrolled."""
    return {row[0]: row[1] for row in await connection.fetch(_ENROLMENTS, partitions, member_ids)}


async def list_entitlements(
    connection: Connection,
    partition: int,
    member_id: UUID,
    benefit: str,
    include_closed: bool,
    now: datetime,
    before: tuple[datetime, UUID],
    limit: int,
) -> list[Entitlement]:
    """A member's entitlements issued before a place, newest first; "" means all benefits."""
    rows = await connection.fetch(_LIST, partition, member_id, benefit, include_closed, now, *before, limit)
    return [Entitlement(*row) for row in rows]


async def summary(connection: Connection, now: datetime) -> Mapping[str, Counts]:
    """The counts of each benefit over all partitions; what is over at an instant counts as expired, booked or not."""
    return {row["benefit"]: Counts(*row) for row in await connection.fetch(_SUMMARY, now)}


# Jobs

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


async def standings_of_active(connection: Connection) -> list[str]:
    """The different standings that active members have."""
    return [row["standing"] for row in await connection.fetch(_STANDINGS, int(MemberStatus.ACTIVE))]


async def monthly_candidates(
    connection: Connection, partition: int, after: UUID, standings: Sequence[str], instant: datetime, limit: int
) -> list[UUID]:
    """Active members after an ID who may have had one of these standings around an instant.

    They have it now, or theirs changed at the instant or later, or is known to change.
    """
    rows = await connection.fetch(
        _MONTHLY_CANDIDATES, partition, int(MemberStatus.ACTIVE), after, standings, instant, limit
    )
    return [row["member_id"] for row in rows]


async def due_entitlements(
    connection: Connection, partitions: Iterable[int], now: datetime, limit: int
) -> dict[int, list[UUID]]:
    """Entitlements booked as granted whose time is over, at most `limit` of each partition, the longest over first."""
    due: dict[int, list[UUID]] = {}
    for partition, entitlement_id in await connection.fetch(_DUE, list(partitions), now, limit):
        due.setdefault(partition, []).append(entitlement_id)
    return due
