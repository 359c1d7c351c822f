"""Every statement on wrapped data keys."""

from collections.abc import Collection
from uuid import UUID

import asyncpg

from services.identity.keys.values import Wrapped

Reader = asyncpg.Connection | asyncpg.Pool

# The condition is the one of the index; what was destroyed has no version.
OUTDATED = """
    SELECT member_id, key_version, data_key
    FROM members
    WHERE partition = $1
      AND key_version < $2
      AND key_version > 0
    ORDER BY key_version
    LIMIT $3
"""
_VERSIONS_MISSED = """
    SELECT DISTINCT version
    FROM generate_series(1, $3::int) AS version, generate_series(0, $1::int - 1) AS place
    WHERE version <> ALL($2::int[])
      AND EXISTS (
          SELECT FROM members WHERE partition = place AND key_version = version::smallint AND key_version > 0
      )
    ORDER BY version
"""


async def outdated(reader: Reader, partition: int, version: int, limit: int) -> dict[UUID, Wrapped]:
    """At most `limit` data keys of a partition, by member, that an older version of the master keys wraps."""
    rows = await reader.fetch(OUTDATED, partition, version, limit)
    return {row["member_id"]: Wrapped(row["key_version"], row["data_key"]) for row in rows}


async def versions_missed(reader: Reader, partitions: int, known: Collection[int], highest: int) -> list[int]:
    """The versions, up to the highest there can be, that wrap data keys and are unknown."""
    return [row[0] for row in await reader.fetch(_VERSIONS_MISSED, partitions, list(known), highest)]
