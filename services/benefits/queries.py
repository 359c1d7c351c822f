"""Every SQL statement with which a batch loads its state. Each is set-based and stays in one partition."""

from collections.abc import Iterable, Sequence
from typing import Any
from uuid import UUID

from services.benefits.state import State
from services.benefits.values import (
    Account,
    Counts,
    Entitlement,
    Interval,
    Member,
    QuotaUse,
    Redemption,
)
from services.chassis.reading import Reading

Rows = Sequence[Sequence[Any]]

MEMBERS = """
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
ENTITLEMENT_COLUMNS = """e.entitlement_id, e.member_id, e.benefit, e.state, e.valid_from, e.valid_until, e.uses_left,
        e.issued_at, e.cause, e.reference, e.config_version, e.origin_id"""
_ENTITLEMENTS = f"""
    SELECT {ENTITLEMENT_COLUMNS}
    FROM entitlements AS e
    WHERE e.partition = $1
      AND e.entitlement_id = ANY($2)
    UNION ALL
    SELECT found.*
    FROM unnest($3::uuid[], $4::text[]) AS wanted (member_id, benefit)
    CROSS JOIN LATERAL (
        SELECT {ENTITLEMENT_COLUMNS}
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
        SELECT {ENTITLEMENT_COLUMNS}
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
        SELECT {ENTITLEMENT_COLUMNS}
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

    reading.add(MEMBERS, list(member_ids), take=take)


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
