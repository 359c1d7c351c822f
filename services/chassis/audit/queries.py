"""Every statement on the audit trail."""

from collections.abc import Sequence
from datetime import datetime

import asyncpg

from services.chassis.audit.links import Head, Link

LOCK_HEAD = """
    SELECT number, chain_hash, kept_after, kept_hash, clock_timestamp() AS now
    FROM audit_head
    FOR UPDATE
"""
READ_HEAD = "SELECT number, chain_hash, kept_after, kept_hash FROM audit_head"
IS_WRITTEN = "SELECT EXISTS (SELECT FROM audit WHERE number > $1 AND payload = $2)"
WRITE = """
    WITH written AS (
        INSERT INTO audit (number, recorded_at, payload, chain_hash) VALUES ($1, $2, $3, $4)
    )
    UPDATE audit_head SET number = $1, chain_hash = $4
"""
LINKS_AFTER = """
    SELECT number, recorded_at, payload, chain_hash
    FROM audit
    WHERE number > $1
    ORDER BY number
    LIMIT $2
"""
LINKS_UP_TO = """
    SELECT number, recorded_at, payload, chain_hash
    FROM audit
    WHERE number <= $1
    ORDER BY number DESC
    LIMIT $2
"""
REMOVE = """
    WITH last AS (
        SELECT audit.number, audit.chain_hash
        FROM audit_head
        JOIN audit ON audit.number > kept_after AND audit.number <= kept_after + $2
        WHERE audit.recorded_at < $1
        ORDER BY audit.number DESC
        LIMIT 1
    ), kept AS (
        UPDATE audit_head SET kept_after = last.number, kept_hash = last.chain_hash FROM last
    )
    DELETE FROM audit USING last WHERE audit.number <= last.number RETURNING audit.number
"""

Reader = asyncpg.Connection | asyncpg.Pool


async def lock_head(connection: asyncpg.Connection) -> tuple[Head, datetime]:
    """Where the trail ends, for who goes on with it, and the time."""
    row = await connection.fetchrow(LOCK_HEAD)
    assert row is not None, "the migration made it"
    *head, now = row
    return Head(*head), now


async def read_head(reader: Reader) -> Head:
    """Where the trail ends."""
    row = await reader.fetchrow(READ_HEAD)
    assert row is not None, "the migration made it"
    return Head(*row)


async def is_written(connection: asyncpg.Connection, after: int, payload: bytes) -> bool:
    """Whether a payload, which no other one is like, was written after a link."""
    return bool(await connection.fetchval(IS_WRITTEN, after, payload))


async def write(connection: asyncpg.Connection, link: Link) -> None:
    """A link at the end of the trail."""
    await connection.execute(WRITE, *link)


async def links_after(reader: Reader, number: int, limit: int) -> Sequence[Link]:
    """The links that follow one."""
    return [Link(*row) for row in await reader.fetch(LINKS_AFTER, number, limit)]


async def links_up_to(reader: Reader, number: int, limit: int) -> Sequence[Link]:
    """The links up to one, newest first."""
    return [Link(*row) for row in await reader.fetch(LINKS_UP_TO, number, limit)]


async def remove_before(reader: Reader, time: datetime, limit: int) -> int:
    """Remove so many links at most that were written before a time, and tell how many; the others are still proved."""
    return len(await reader.fetch(REMOVE, time, limit))
