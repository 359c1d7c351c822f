"""Every statement on identifiers. Look-ups are written so that only one index answers each whole."""

from collections.abc import Collection, Sequence
from datetime import datetime
from uuid import UUID

import asyncpg

from services.chassis.lanes import MAX_BATCH_COMMANDS
from services.identity.identifiers.values import Holder, Identifier
from services.identity.matches.values import MAX_HOLDERS

_IDENTIFIER = """partition, identifier_id, member_id, type, key_version, blind_index, value, is_demoted, verified_at,
        first_seen_at, last_seen_at, removed_at"""
LOAD_IDENTIFIERS = f"""
    SELECT found.*
    FROM unnest($2::uuid[]) AS asked (member_id)
    CROSS JOIN LATERAL (
        SELECT {_IDENTIFIER}
        FROM identifiers
        WHERE partition = $1
          AND member_id = asked.member_id
        OFFSET 0
    ) AS found
    ORDER BY found.identifier_id
"""
FIND_IDENTIFIERS = f"""
    SELECT {_IDENTIFIER}
    FROM identifiers
    WHERE partition = ANY($1)
      AND member_id = ANY($2)
      AND removed_at IS NULL
    ORDER BY identifier_id
"""
FIND_IDENTIFIER = f"""
    SELECT {_IDENTIFIER}
    FROM identifiers
    WHERE partition = $1
      AND identifier_id = $2
"""
HOLDERS_READ = MAX_HOLDERS + 1 + MAX_BATCH_COMMANDS
"""Of a value at most: a shared device may have millions. Too many are left when a batch takes it from all it can."""
_HOLDERS = """
    SELECT found.*
    FROM unnest($2::bytea[]) AS asked (blind_index)
    CROSS JOIN LATERAL (
        SELECT partition, blind_index, identifier_id, member_id, type, is_demoted, verified_at, removed_at
        FROM identifier_holders
        WHERE partition = %s
          AND blind_index = asked.blind_index
          AND removed_at IS NULL
        %sLIMIT %s
    ) AS found
"""
LOAD_HOLDERS = _HOLDERS % ("$1", "", HOLDERS_READ)
FIND_HOLDERS = _HOLDERS % ("ANY($1)", "", HOLDERS_READ)
FIND_LEADING = _HOLDERS % ("ANY($1)", "ORDER BY verified_at DESC NULLS LAST, identifier_id\n        ", HOLDERS_READ)
OUTDATED = """
    SELECT i.identifier_id, i.member_id, i.type, i.blind_index, i.value, m.key_version AS wrapped_by, m.data_key
    FROM identifiers AS i
    JOIN members AS m ON m.partition = i.partition AND m.member_id = i.member_id
    WHERE i.partition = $1
      AND i.key_version < $2
      AND i.key_version > 0
    ORDER BY i.key_version
    LIMIT $3
"""
_VERSIONS_MISSED = """
    SELECT DISTINCT version
    FROM generate_series(1, $3::int) AS version, generate_series(0, $1::int - 1) AS place
    WHERE version <> ALL($2::int[])
      AND EXISTS (
          SELECT FROM identifiers WHERE partition = place AND key_version = version::smallint AND key_version > 0
      )
    ORDER BY version
"""
_FORGET_REMOVED = """
    DELETE FROM identifier_holders
    WHERE partition = $1
      AND removed_at IS NOT NULL
"""
_KEEP_LOOKUP = """
    INSERT INTO lookups (partition, lookup_id, caller, type, member_id, looked_up_at)
    VALUES ($1, $2, $3, $4, $5, $6)
"""

Reader = asyncpg.Connection | asyncpg.Pool


async def load_identifiers(reader: Reader, partition: int, member_ids: Sequence[UUID]) -> list[Identifier]:
    """The identifiers that were added to members of a partition, removed ones too, by ID."""
    return [Identifier(*row) for row in await reader.fetch(LOAD_IDENTIFIERS, partition, member_ids)]


async def find_identifiers(reader: Reader, partitions: Sequence[int], member_ids: Sequence[UUID]) -> list[Identifier]:
    """The identifiers that were added to members of several partitions and are held, by ID."""
    return [Identifier(*row) for row in await reader.fetch(FIND_IDENTIFIERS, partitions, member_ids)]


async def find_identifier(reader: Reader, partition: int, identifier_id: UUID) -> Identifier | None:
    """An identifier, a removed one too; None when there never was one."""
    row = await reader.fetchrow(FIND_IDENTIFIER, partition, identifier_id)
    return None if row is None else Identifier(*row)


async def load_holders(reader: Reader, partition: int, blind_indexes: Sequence[bytes]) -> list[Holder]:
    """Who holds values that are looked up in a partition; of a value that too many hold only some."""
    return [Holder(*row) for row in await reader.fetch(LOAD_HOLDERS, partition, blind_indexes)]


async def find_holders(reader: Reader, partitions: Sequence[int], blind_indexes: Sequence[bytes]) -> list[Holder]:
    """Who holds values now; of a value that too many hold only some."""
    return [Holder(*row) for row in await reader.fetch(FIND_HOLDERS, partitions, blind_indexes)]


async def find_leading(reader: Reader, partitions: Sequence[int], blind_indexes: Sequence[bytes]) -> list[Holder]:
    """Who holds values now, first those who had them verified last."""
    return [Holder(*row) for row in await reader.fetch(FIND_LEADING, partitions, blind_indexes)]


async def outdated(reader: Reader, partition: int, version: int, limit: int) -> list[asyncpg.Record]:
    """At most `limit` identifiers of a partition that are found by an older version of the keys, each with the wrapped
    data key of who keeps it."""
    return list(await reader.fetch(OUTDATED, partition, version, limit))


async def versions_missed(reader: Reader, partitions: int, known: Collection[int], highest: int) -> list[int]:
    """The versions of the keys, up to the highest there can be, by which identifiers are found and that are unknown."""
    return [row[0] for row in await reader.fetch(_VERSIONS_MISSED, partitions, list(known), highest)]


async def forget_removed(pool: asyncpg.Pool, partition: int) -> None:
    """Drop the hashes of values that nobody holds; nothing reads them."""
    await pool.execute(_FORGET_REMOVED, partition)


async def keep_lookup(
    pool: asyncpg.Pool,
    partition: int,
    lookup_id: UUID,
    caller: str,
    code: str,
    member_id: UUID | None,
    at: datetime,
) -> None:
    """Who looked for the holder of an identifier of a type, and whom it led to; nothing of the value."""
    await pool.execute(_KEEP_LOOKUP, partition, lookup_id, caller, code, member_id, at)
