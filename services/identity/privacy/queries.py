"""Every statement on consents and erasures."""

from collections.abc import Collection, Sequence
from datetime import datetime
from uuid import UUID

import asyncpg

from services.chassis import ids
from services.identity.groups.values import Invitation, InvitationStatus, Seat
from services.identity.privacy.values import Consent, PersonKey
from services.identity.values import Account

Reader = asyncpg.Connection | asyncpg.Pool

_CONSENT = "member_id, domain, purpose, number, granted, evidence, through_domain, caller, decided_at"
_ACCOUNT = """partition, account_id, member_id, domain, blind_index, external_id, verified, linked_at, unlinked_at,
        holder_id"""
_SEAT = "seat_id, group_id, member_id, kind, role, label, cost_centre, joined_at, role_since, left_at"
_INVITATION = """invitation_id, group_id, member_id, kind, role, label, cost_centre, invited_by, status, created_at,
        expires_at, closed_at"""

LOAD_CONSENTS = f"""
    SELECT found.*
    FROM unnest($2::uuid[]) AS asked (member_id)
    CROSS JOIN LATERAL (
        SELECT DISTINCT ON (domain, purpose) {_CONSENT}
        FROM consents
        WHERE partition = ANY($1::int[])
          AND member_id = asked.member_id
        ORDER BY domain, purpose, number DESC
    ) AS found
"""
PAGE_OF_CONSENTS = f"""
    SELECT {_CONSENT}
    FROM consents
    WHERE partition = $1
      AND member_id = $2
      AND (domain, purpose, number) > ($3, $4, $5)
      AND ($7::text[] IS NULL OR domain = ANY($7))
    ORDER BY domain, purpose, number
    LIMIT $6
"""
PAGE_OF_IDENTIFIERS = """
    SELECT identifier_id, type, value, is_demoted, verified_at, first_seen_at, last_seen_at, removed_at
    FROM identifiers
    WHERE partition = $1
      AND member_id = $2
      AND identifier_id > $3
    ORDER BY identifier_id
    LIMIT $4
"""
PAGE_OF_LOOKUPS = """
    SELECT lookup_id, type, caller, looked_up_at
    FROM lookups
    WHERE partition = $1
      AND member_id = $2
      AND lookup_id > $3
    ORDER BY lookup_id
    LIMIT $4
"""
ENROLLED_THROUGH = """
    SELECT asked.member_id, found.domain
    FROM unnest($2::uuid[], $3::timestamptz[]) AS asked (member_id, enrolled_at)
    CROSS JOIN LATERAL (
        SELECT domain
        FROM accounts
        WHERE partition = ANY($1::int[])
          AND member_id = asked.member_id
          AND linked_at = asked.enrolled_at
        ORDER BY account_id
        LIMIT 1
    ) AS found
"""
ALL_ACCOUNTS = f"""
    SELECT {_ACCOUNT}
    FROM accounts
    WHERE partition = ANY($1::int[])
      AND holder_id = ANY($2::uuid[])
    UNION
    SELECT {_ACCOUNT}
    FROM accounts
    WHERE partition = ANY($1::int[])
      AND account_id = ANY($3::uuid[])
"""
MERGED_ACCOUNTS = """
    SELECT account_ids
    FROM merges
    WHERE partition = ANY($1::int[])
      AND owner_id = ANY($2::uuid[])
      AND merged_id = owner_id
"""
PAGE_OF_ACCOUNTS = f"""
    SELECT {_ACCOUNT}
    FROM accounts
    WHERE partition = ANY($1::int[])
      AND holder_id = $2
      AND account_id > $3
    ORDER BY account_id
    LIMIT $4
"""
ALL_SEATS = f"""
    SELECT asked.owner_id, found.*
    FROM unnest($2::uuid[]) AS asked (owner_id)
    CROSS JOIN LATERAL (
        SELECT {_SEAT}
        FROM seats
        WHERE partition = ANY($1::int[])
          AND owner_id = asked.owner_id
          AND member_id = ANY($3::uuid[])
        OFFSET 0
    ) AS found
"""
ALL_INVITATIONS = f"""
    SELECT asked.owner_id, found.*
    FROM unnest($2::uuid[]) AS asked (owner_id)
    CROSS JOIN LATERAL (
        SELECT {_INVITATION}
        FROM invitations
        WHERE partition = ANY($1::int[])
          AND owner_id = asked.owner_id
          AND member_id = ANY($3::uuid[])
        OFFSET 0
    ) AS found
"""
FIND_PERSON_KEYS = """
    SELECT asked.programme, max(found.kept_until) AS kept_until
    FROM unnest($1::int[], $2::text[], $3::bytea[]) AS asked (partition, programme, person_key)
    CROSS JOIN LATERAL (
        SELECT kept_until
        FROM person_keys
        WHERE partition = asked.partition
          AND person_key = asked.person_key
          AND kept_until > $4
        LIMIT 1
    ) AS found
    GROUP BY asked.programme
    ORDER BY asked.programme
"""
LOAD_PERSON_KEYS = """
    SELECT person_key, kept_until
    FROM person_keys
    WHERE partition = $1
      AND person_key = ANY($2::bytea[])
"""
PERSON_KEYS_OVER = """
    SELECT due.partition, due.person_key
    FROM unnest($1::int[]) AS asked (partition)
    CROSS JOIN LATERAL (
        SELECT partition, person_key
        FROM person_keys
        WHERE partition = asked.partition
          AND kept_until <= $2
        ORDER BY kept_until
        LIMIT $3
    ) AS due
"""


async def load_consents(reader: Reader, partitions: Collection[int], member_ids: Sequence[UUID]) -> list[Consent]:
    """The decisions of members that hold."""
    return [Consent(*row) for row in await reader.fetch(LOAD_CONSENTS, list(partitions), member_ids)]


async def page_of_consents(
    reader: Reader,
    partition: int,
    member_id: UUID,
    after: tuple[str, str, int],
    limit: int,
    domains: Sequence[str] | None,
) -> list[Consent]:
    """At most `limit` decisions of a member after a place (domain, purpose, number); of some domains only, if given."""
    rows = await reader.fetch(PAGE_OF_CONSENTS, partition, member_id, *after, limit, domains)
    return [Consent(*row) for row in rows]


async def page_of_identifiers(
    reader: Reader, partition: int, member_id: UUID, after: UUID, limit: int
) -> list[asyncpg.Record]:
    """At most `limit` identifiers that were added to a member, removed ones too, after an ID, by ID."""
    return list(await reader.fetch(PAGE_OF_IDENTIFIERS, partition, member_id, after, limit))


async def page_of_lookups(
    reader: Reader, partition: int, member_id: UUID, after: UUID, limit: int
) -> list[asyncpg.Record]:
    """At most `limit` look-ups of one partition that led to a member, after an ID, by ID."""
    return list(await reader.fetch(PAGE_OF_LOOKUPS, partition, member_id, after, limit))


async def enrolled_through(
    reader: Reader, partitions: Collection[int], member_ids: Sequence[UUID], enrolled_at: Sequence[datetime]
) -> dict[UUID, str]:
    """The domains through which members were enrolled, which gave their attributes."""
    rows = await reader.fetch(ENROLLED_THROUGH, list(partitions), member_ids, enrolled_at)
    return {row["member_id"]: row["domain"] for row in rows}


async def all_accounts(
    reader: Reader, partitions: Collection[int], member_ids: Collection[UUID], account_ids: Collection[UUID]
) -> list[Account]:
    """The accounts that members hold and held, and those of these IDs whoever holds them."""
    rows = await reader.fetch(ALL_ACCOUNTS, list(partitions), list(member_ids), list(account_ids))
    return [Account(**row) for row in rows]


async def merged_accounts(reader: Reader, partitions: Collection[int], member_ids: Collection[UUID]) -> list[UUID]:
    """The accounts that came along when these members were merged into others."""
    rows = await reader.fetch(MERGED_ACCOUNTS, list(partitions), list(member_ids))
    return [account_id for row in rows for account_id in ids.split(row["account_ids"])]


async def page_of_accounts(
    reader: Reader, partitions: Collection[int], member_id: UUID, after: UUID, limit: int
) -> list[Account]:
    """At most `limit` accounts that a member holds and held after an ID, by ID."""
    rows = await reader.fetch(PAGE_OF_ACCOUNTS, list(partitions), member_id, after, limit)
    return [Account(**row) for row in rows]


async def all_seats(
    reader: Reader, partitions: Collection[int], owner_ids: Collection[UUID], member_ids: Collection[UUID]
) -> list[tuple[UUID, Seat]]:
    """The seats of members, former ones too, each with whose row it is, of these owners: members and groups."""
    rows = await reader.fetch(ALL_SEATS, list(partitions), list(owner_ids), list(member_ids))
    return [(row[0], Seat(*tuple(row)[1:])) for row in rows]


async def all_invitations(
    reader: Reader, partitions: Collection[int], owner_ids: Collection[UUID], member_ids: Collection[UUID]
) -> list[tuple[UUID, Invitation]]:
    """The invitations to members, likewise."""
    rows = await reader.fetch(ALL_INVITATIONS, list(partitions), list(owner_ids), list(member_ids))
    found = [(row[0], Invitation(*tuple(row)[1:])) for row in rows]
    return [(owner_id, one._replace(status=InvitationStatus(one.status))) for owner_id, one in found]


async def find_person_keys(
    reader: Reader, keys: Sequence[tuple[int, str, bytes]], at: datetime
) -> list[tuple[str, datetime]]:
    """The programmes that remember any of these (partition, programme, key) at a time, and until when."""
    partitions, programmes, person_keys = (list(column) for column in zip(*keys, strict=True)) if keys else ([], [], [])
    return [tuple(row) for row in await reader.fetch(FIND_PERSON_KEYS, partitions, programmes, person_keys, at)]


async def load_person_keys(reader: Reader, partition: int, person_keys: Sequence[bytes]) -> list[PersonKey]:
    """What is remembered under these keys in a partition."""
    return [PersonKey(partition, *row) for row in await reader.fetch(LOAD_PERSON_KEYS, partition, person_keys)]


async def person_keys_over(
    reader: Reader, partitions: Sequence[int], instant: datetime, limit: int
) -> list[tuple[int, bytes]]:
    """What is kept although its time was over by an instant: partition and key; at most `limit` of a partition."""
    return [tuple(row) for row in await reader.fetch(PERSON_KEYS_OVER, partitions, instant, limit)]
