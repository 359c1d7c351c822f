"""Every statement of the identity service."""

from collections.abc import Collection, Sequence
from uuid import UUID

import asyncpg

from services.chassis import ids
from services.identity.keys.values import Wrapped
from services.identity.values import Account, Member, Route, Status
from services.identity.vault import BLIND_INDEX_BYTES

Reader = asyncpg.Connection | asyncpg.Pool

FoundRoute = tuple[bytes | None, int | None]
"""The reply to who asks for a name, if it leads anywhere, and the checksum of the request id that enrolled it."""

# The names come as one string of bytes: arrays of a thousand cost the driver more time than the look-ups take. LIMIT
# makes the plan one look-up for each name, whatever the planner believes of a young table. The places are put in order
# before the look-ups, which keep it: otherwise the rows are sorted with the replies in them.
_ROUTES_IN_ORDER = f"""
    FROM (
        SELECT place
        FROM generate_series(0, octet_length($1::bytea) - 1, {BLIND_INDEX_BYTES}) AS place
        ORDER BY place
    ) AS asked
    LEFT JOIN LATERAL (
        SELECT reply, enrolled_by
        FROM routes
        WHERE partition = (get_byte($1, place) << 8 | get_byte($1, place + 1)) & $2::int
          AND blind_index = substring($1 FROM place + 1 FOR {BLIND_INDEX_BYTES})
        LIMIT 1
    ) AS route ON true
"""
_FIND_ROUTES = f"""
    SELECT route.reply, route.enrolled_by
    {_ROUTES_IN_ORDER}
    ORDER BY place
"""
_FIND_REPLIES = f"""
    SELECT CASE WHEN count(route.reply) = count(*) THEN string_agg(route.reply, '' ORDER BY place) END
    {_ROUTES_IN_ORDER}
"""
_LOAD_ROUTES = """
    SELECT partition, blind_index, account_id, member_id, status, enrolled_by
    FROM routes
    WHERE partition = $1
      AND blind_index = ANY($2)
"""
_MEMBER = "partition, member_id, status, enrolled_at, key_version, data_key, attributes, survivor_id, merge_id, homes"
_ACCOUNT = """partition, account_id, member_id, domain, blind_index, external_id, verified, linked_at, unlinked_at,
        holder_id"""
_OF_ONE, _OF_SEVERAL = "partition = $1", "partition = ANY($1)"
"""A batch asks one partition at a time (partitions.md, "Beyond one machine"); a read may ask several at once."""


def _members(place: str) -> str:
    return f"SELECT {_MEMBER} FROM members WHERE {place} AND member_id = ANY($2)"


def _merged(place: str) -> str:
    return f"SELECT {_MEMBER} FROM members WHERE {place} AND survivor_id = ANY($2) ORDER BY member_id"


def _accounts(place: str) -> str:
    return f"""
        SELECT {_ACCOUNT}
        FROM accounts
        WHERE {place}
          AND holder_id = ANY($2)
          AND unlinked_at IS NULL
        ORDER BY linked_at, account_id
    """


_LOAD_MEMBERS, _FIND_MEMBERS = _members(_OF_ONE), _members(_OF_SEVERAL)
_LOAD_MERGED, _FIND_MERGED = _merged(_OF_ONE), _merged(_OF_SEVERAL)
_LOAD_ACCOUNTS, _FIND_ACCOUNTS = _accounts(_OF_ONE), _accounts(_OF_SEVERAL)
_LOAD_LINKED = f"""
    SELECT {_ACCOUNT}
    FROM accounts
    WHERE partition = $1
      AND account_id = ANY($2)
      AND unlinked_at IS NULL
"""
_FIND_ACCOUNT = f"""
    SELECT {_ACCOUNT}
    FROM accounts
    WHERE partition = $1
      AND account_id = $2
"""
_PAGE_OF_MEMBERS = f"""
    SELECT {_MEMBER}
    FROM members
    WHERE partition = $1
      AND member_id > $2
    ORDER BY member_id
    LIMIT $3
"""
_PAGE_OF_MEMBERS_BY_STATUS = f"""
    SELECT {_MEMBER}
    FROM members
    WHERE partition = $1
      AND status = $4
      AND member_id > $2
    ORDER BY member_id
    LIMIT $3
"""


async def find_routes(reader: Reader, blind_indexes: Sequence[bytes], partitions: int) -> list[FoundRoute]:
    """Where names lead, one row for each, in order."""
    return await reader.fetch(_FIND_ROUTES, b"".join(blind_indexes), partitions - 1)  # type: ignore[return-value]  # a record unpacks like the tuple that it is


async def find_replies(reader: Reader, blind_indexes: Sequence[bytes], partitions: int) -> bytes | None:
    """The replies to who asks for names, one after the other in order; None when one of them leads nowhere.

    One value costs the driver a third of what a row for each name does.
    """
    replies: bytes | None = await reader.fetchval(_FIND_REPLIES, b"".join(blind_indexes), partitions - 1)
    return replies


async def load_routes(reader: Reader, partition: int, blind_indexes: Sequence[bytes]) -> list[Route]:
    """Where names lead; one never seen is missing."""
    return [_route(row) for row in await reader.fetch(_LOAD_ROUTES, partition, blind_indexes)]


async def load_members(reader: Reader, partition: int, member_ids: Sequence[UUID]) -> list[Member]:
    """Members of a partition; one that does not exist there is missing."""
    return [_member(row) for row in await reader.fetch(_LOAD_MEMBERS, partition, member_ids)]


async def load_merged(reader: Reader, partition: int, member_ids: Sequence[UUID]) -> list[Member]:
    """The members of a partition whose IDs lead to others now, by ID."""
    return [_member(row) for row in await reader.fetch(_LOAD_MERGED, partition, member_ids)]


async def load_accounts(reader: Reader, partition: int, member_ids: Sequence[UUID]) -> list[Account]:
    """The accounts kept in a partition that members hold now, by the time they were linked."""
    return [_account(row) for row in await reader.fetch(_LOAD_ACCOUNTS, partition, member_ids)]


async def load_linked(reader: Reader, partition: int, account_ids: Sequence[UUID]) -> list[Account]:
    """Accounts of a partition that somebody holds."""
    return [_account(row) for row in await reader.fetch(_LOAD_LINKED, partition, account_ids)]


async def find_members(reader: Reader, partitions: Collection[int], member_ids: Collection[UUID]) -> list[Member]:
    """`load_members` of several partitions."""
    return [_member(row) for row in await reader.fetch(_FIND_MEMBERS, list(partitions), list(member_ids))]


async def find_merged(reader: Reader, partitions: Collection[int], member_ids: Collection[UUID]) -> list[Member]:
    """`load_merged` of several partitions."""
    return [_member(row) for row in await reader.fetch(_FIND_MERGED, list(partitions), list(member_ids))]


async def find_accounts(reader: Reader, partitions: Collection[int], member_ids: Collection[UUID]) -> list[Account]:
    """`load_accounts` of several partitions."""
    return [_account(row) for row in await reader.fetch(_FIND_ACCOUNTS, list(partitions), list(member_ids))]


async def find_account(reader: Reader, partition: int, account_id: UUID) -> Account | None:
    """An account, unlinked ones too; None when there never was one."""
    row = await reader.fetchrow(_FIND_ACCOUNT, partition, account_id)
    return None if row is None else _account(row)


async def page_of_members(
    reader: Reader, partition: int, after: UUID, limit: int, status: Status | None
) -> list[Member]:
    """At most `limit` members of a partition after an ID, by ID; those of one status only, if given."""
    if status is None:
        rows = await reader.fetch(_PAGE_OF_MEMBERS, partition, after, limit)
    else:
        rows = await reader.fetch(_PAGE_OF_MEMBERS_BY_STATUS, partition, after, limit, status)
    return [_member(row) for row in rows]


def _route(row: asyncpg.Record) -> Route:
    return Route(
        row["partition"],
        row["blind_index"],
        row["account_id"],
        row["member_id"],
        Status(row["status"]),
        row["enrolled_by"],
    )


def _member(row: asyncpg.Record) -> Member:
    return Member(
        row["partition"],
        row["member_id"],
        Status(row["status"]),
        row["enrolled_at"],
        Wrapped(row["key_version"], row["data_key"]),
        row["attributes"],
        row["survivor_id"],
        row["merge_id"],
        frozenset(ids.split(row["homes"])),
    )


def _account(row: asyncpg.Record) -> Account:
    return Account(**row)
