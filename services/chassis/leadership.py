"""Leadership: what one process of a service does at a time, decided by an advisory lock of its database.

The lock belongs to a connection and ends with it. A connection of which it is not certain whether it still holds the
lock goes back to no pool: it is thrown away, and the lock with it.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg

from services.chassis.database import Connection, is_lost
from services.chassis.failures import DRIVER_ERRORS


@asynccontextmanager
async def leadership(pool: asyncpg.Pool, lock: int, *, wait: bool) -> AsyncIterator[Connection | None]:
    """The connection that holds `lock` while the block lasts.

    When another process holds it: None, or with `wait` this waits, at most as long as a statement may take.
    """
    async with pool.acquire() as connection:
        try:
            is_leader = await _take(connection, lock, wait=wait)
        except BaseException:
            _throw_away(connection)
            raise
        if not is_leader:
            yield None
            return
        try:
            yield connection
        finally:
            await _let_go(connection, lock)


async def _take(connection: Connection, lock: int, *, wait: bool) -> bool:
    if wait:
        await connection.fetchval("SELECT pg_advisory_lock($1)", lock)
        return True
    taken: bool = await connection.fetchval("SELECT pg_try_advisory_lock($1)", lock)
    return taken


async def _let_go(connection: Connection, lock: int) -> None:
    if is_lost(connection):
        return
    try:
        await connection.fetchval("SELECT pg_advisory_unlock($1)", lock)
    except DRIVER_ERRORS:
        _throw_away(connection)
    except BaseException:
        _throw_away(connection)
        raise


def _throw_away(connection: Connection) -> None:
    if not is_lost(connection):
        connection.terminate()
