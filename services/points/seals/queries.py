"""Every SQL statement about seals."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import asyncpg

from services.chassis.database import Connection
from services.points.seals.chain import Seal

PARTS_AT_ONCE = 32
"""Parts of a state that are written by one statement: a few megabytes."""

_SEALS = """
    SELECT position, previous_position, chain_hash, entries, entries_digest, state_digest, sealed_at, seal_hash,
           archived
    FROM seals
    WHERE partition = $1
      AND position > $2
    ORDER BY position
    LIMIT $3
"""
_SEAL = """
    SELECT chain_hash
    FROM seals
    WHERE partition = $1
      AND position = $2
"""
_NEWEST = """
    SELECT coalesce(max(position), 0)
    FROM seals
    WHERE partition = $1
"""
_MARK_ARCHIVED = """
    UPDATE seals
    SET archived = true
    WHERE partition = $1
      AND position <= $2
      AND NOT archived
"""
_TRIM = """
    DELETE FROM journal
    WHERE partition = $1
      AND position <= $2
"""
_PARTS = """
    SELECT position, ordinal, payload
    FROM seal_parts
    WHERE partition = $1
    ORDER BY position, ordinal
"""
_EARLIEST = """
    SELECT coalesce(
        (SELECT min(position) FROM journal WHERE partition = $1),
        (SELECT position + 1 FROM head WHERE partition = $1)
    )
"""
# The seal before has one successor: whoever comes second has proved the same, and writes nothing.
_INSERT_SEAL = """
    INSERT INTO seals (
        partition, position, previous_position, chain_hash, entries, entries_digest, state_digest, sealed_at, seal_hash,
        archived
    )
    SELECT h.partition, $2, $3, $4, $5, $6, $7, $8, $9, false
    FROM head AS h
    WHERE h.partition = $1
    ON CONFLICT DO NOTHING
    RETURNING position
"""
_INSERT_PARTS = """
    INSERT INTO seal_parts (partition, position, ordinal, payload)
    SELECT h.partition, $2, $3 + u.place - 1, u.payload
    FROM head AS h, unnest($4::bytea[]) WITH ORDINALITY AS u (payload, place)
    WHERE h.partition = $1
"""
_DELETE_PARTS = """
    DELETE FROM seal_parts
    WHERE partition = $1
      AND position < $2
"""
_DUE = """
    SELECT h.partition
    FROM head AS h
    CROSS JOIN LATERAL (
        SELECT coalesce(max(s.position), 0) AS position
        FROM seals AS s
        WHERE s.partition = h.partition
    ) AS newest
    WHERE h.partition >= 0
      AND h.position - newest.position >= $1
    ORDER BY h.partition
"""
ALL = 1 << 31
"""More seals than a partition ever has."""


async def seals(
    connection: Connection | asyncpg.Pool, partition: int, after: int = 0, limit: int = ALL
) -> Sequence[Any]:
    """The seals of a partition after a position, in order."""
    return await connection.fetch(_SEALS, partition, after, limit)


async def sealed_hash(pool: asyncpg.Pool, partition: int, position: int) -> bytes | None:
    """The chain hash that was sealed at a position, if there is a seal."""
    chain_hash: bytes | None = await pool.fetchval(_SEAL, partition, position)
    return chain_hash


async def newest_position(pool: asyncpg.Pool, partition: int) -> int:
    """The position of the newest seal; 0 when there is none."""
    position: int = await pool.fetchval(_NEWEST, partition)
    return position


async def trim(connection: asyncpg.Connection, partition: int, position: int) -> None:
    """Remove the journal up to a seal, and say so of the seals: both or nothing, whatever breaks off."""
    async with connection.transaction():
        await connection.execute(_MARK_ARCHIVED, partition, position)
        await connection.execute(_TRIM, partition, position)


async def parts(connection: Connection, partition: int) -> Sequence[Any]:
    """The parts of the state that is kept: those of the newest seal."""
    return await connection.fetch(_PARTS, partition)


async def earliest_position(connection: Connection | asyncpg.Pool, partition: int) -> int:
    """The first position that the database has the journal of; that of the next batch when it has none."""
    position: int = await connection.fetchval(_EARLIEST, partition)
    return position


async def due_partitions(pool: asyncpg.Pool, positions: int) -> list[int]:
    """The partitions that have come so many positions or more since they were sealed."""
    return [row["partition"] for row in await pool.fetch(_DUE, positions)]


async def write(
    connection: Connection, partition: int, seal: Seal, sealed_at: datetime, state: Sequence[bytes]
) -> bool:
    """Write a seal with its state, and drop the state of the seals before; within a transaction.

    Tells whether it was written: not when somebody has sealed since this seal's predecessor.
    """
    values = (seal.position, seal.previous_position, seal.chain_hash, seal.entries, seal.entries_digest)
    inserted = await connection.fetchval(_INSERT_SEAL, partition, *values, seal.state_digest, sealed_at, seal.seal_hash)
    if inserted is None:
        return False
    for first in range(0, len(state), PARTS_AT_ONCE):
        await connection.execute(_INSERT_PARTS, partition, seal.position, first, state[first : first + PARTS_AT_ONCE])
    await connection.execute(_DELETE_PARTS, partition, seal.position)
    return True
