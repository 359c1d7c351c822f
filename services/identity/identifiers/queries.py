"""Every statement on identifiers."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import asyncpg

from services.identity.identifiers.values import Holder, Identifier

_IDENTIFIER = """partition, identifier_id, member_id, type, key_version, blind_index, value, is_demoted, verified_at,
        first_seen_at, last_seen_at, removed_at"""
LOAD_IDENTIFIERS = f"""
    SELECT {_IDENTIFIER}
    FROM identifiers
    WHERE partition = $1
      AND member_id = ANY($2)
    ORDER BY identifier_id
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
FIND_HOLDERS = """
    SELECT partition, blind_index, identifier_id, member_id, type, is_demoted, verified_at, removed_at
    FROM identifier_holders
    WHERE partition = ANY($1)
      AND blind_index = ANY($2)
      AND removed_at IS NULL
    ORDER BY identifier_id
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


async def find_holders(reader: Reader, partitions: Sequence[int], blind_indexes: Sequence[bytes]) -> list[Holder]:
    """Who holds values now."""
    return [Holder(*row) for row in await reader.fetch(FIND_HOLDERS, partitions, blind_indexes)]


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
