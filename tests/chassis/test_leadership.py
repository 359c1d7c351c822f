"""Leadership: one at a time, and lost with the connection that held it."""

import asyncio
from collections.abc import AsyncIterator

import asyncpg
import pytest

from services.chassis import leadership as leadership_module
from services.chassis.database import is_lost, open_pool
from services.chassis.leadership import leadership
from tests.chassis.house import ledger_database
from tests.chassis.patience import until

LOCK = 4711


@pytest.fixture
async def pool() -> AsyncIterator[asyncpg.Pool]:
    async with ledger_database() as dsn:
        pool = await open_pool(dsn, "reads", 4)
        yield pool
        await pool.close()


async def is_free(pool: asyncpg.Pool) -> bool:
    """Whether somebody else could lead."""
    async with leadership(pool, LOCK, wait=False) as connection:
        return connection is not None


async def test_one_leads_at_a_time(pool: asyncpg.Pool) -> None:
    async with leadership(pool, LOCK, wait=False) as connection:
        assert connection is not None
        assert not await is_free(pool)
    assert await is_free(pool)


async def test_who_waits_is_next(pool: asyncpg.Pool) -> None:
    order = []

    async def lead() -> None:
        async with leadership(pool, LOCK, wait=True):
            order.append("waited")

    async with leadership(pool, LOCK, wait=True):
        waiting = asyncio.create_task(lead())
        await until(lambda: pool.fetchval("SELECT count(*) FROM pg_locks WHERE objid = $1 AND NOT granted", LOCK))
        order.append("first")
    await waiting
    assert order == ["first", "waited"]


async def test_who_fails_leads_no_longer(pool: asyncpg.Pool) -> None:
    with pytest.raises(ZeroDivisionError):
        async with leadership(pool, LOCK, wait=False):
            raise ZeroDivisionError
    assert await is_free(pool)


async def test_who_is_cancelled_when_the_lock_was_just_taken_leaves_no_lock(
    pool: asyncpg.Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    take = leadership_module._take

    async def take_and_be_cancelled(connection: object, lock: int, *, wait: bool) -> bool:
        await take(connection, lock, wait=wait)
        raise asyncio.CancelledError

    with monkeypatch.context() as patch:
        patch.setattr(leadership_module, "_take", take_and_be_cancelled)
        with pytest.raises(asyncio.CancelledError):
            async with leadership(pool, LOCK, wait=True):
                pass
    async with asyncio.timeout(5), leadership(pool, LOCK, wait=True) as connection:
        assert connection is not None


async def test_who_is_cancelled_while_leading_without_a_connection_stays_cancelled(pool: asyncpg.Pool) -> None:
    leads = asyncio.Event()

    async def lead_until_cancelled() -> None:
        async with leadership(pool, LOCK, wait=False) as connection:
            assert connection is not None
            async with pool.acquire() as other:
                await other.execute("SELECT pg_terminate_backend(pid) FROM pg_locks WHERE objid = $1", LOCK)
            await until(lambda: is_lost(connection))
            leads.set()
            await asyncio.Event().wait()

    leading = asyncio.create_task(lead_until_cancelled())
    await leads.wait()
    leading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await leading
    assert await is_free(pool)
