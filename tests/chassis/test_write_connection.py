"""A writer's connection: whoever stops in the middle leaves nothing half done behind."""

import asyncio

import asyncpg
import pytest

from services.chassis import heads
from services.chassis.database import WriteConnection
from tests.chassis.cutter import wire_to
from tests.chassis.house import connection_to, held, ledger_database, until_blocked
from tests.chassis.patience import until

TAKE = "UPDATE head SET position = position + 1 WHERE partition = 0; "


async def position_of(dsn: str) -> int:
    async with connection_to(dsn) as connection:
        position: int = await connection.fetchval("SELECT position FROM head WHERE partition = 0")
        return position


async def test_who_is_cancelled_while_waiting_for_a_head_can_begin_again() -> None:
    async with ledger_database() as dsn:
        writer = WriteConnection(dsn, "writer")
        async with held(dsn, 0):
            waiting = asyncio.create_task(heads.lock(await writer.get(), [0]))
            await until_blocked(dsn)
            waiting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waiting
            await writer.roll_back()
        await heads.lock(await writer.get(), [0])
        await writer.commit(TAKE)
        assert await position_of(dsn) == 1
        await writer.close()


async def test_who_is_cancelled_during_commit_leaves_no_open_transaction() -> None:
    async with ledger_database() as dsn:
        writer = WriteConnection(dsn, "writer")
        await heads.lock(await writer.get(), [0])
        async with connection_to(dsn) as other:
            await other.execute("SELECT pg_advisory_lock(1)")
            committing = asyncio.create_task(writer.commit("SELECT pg_advisory_xact_lock(1); "))
            await until_blocked(dsn)
            committing.cancel()
            with pytest.raises(asyncio.CancelledError):
                await committing
            await heads.lock(await writer.get(), [0])
            await writer.commit(TAKE)
            assert await position_of(dsn) == 1
        await writer.close()


async def test_who_is_cancelled_while_rolling_back_stays_cancelled() -> None:
    async with ledger_database() as dsn, wire_to(dsn) as wire:
        writer = WriteConnection(wire.dsn, "writer")
        await heads.lock(await writer.get(), [0])
        rolling_back = asyncio.create_task(writer.roll_back())
        await asyncio.sleep(0)
        rolling_back.cancel()
        with pytest.raises(asyncio.CancelledError):
            await rolling_back
        await heads.lock(await writer.get(), [0])
        await writer.commit(TAKE)
        assert await position_of(dsn) == 1
        await writer.close()


async def test_what_the_database_refuses_at_commit_is_not_unknown() -> None:
    async with ledger_database() as dsn:
        writer = WriteConnection(dsn, "writer")
        connection = await writer.get()
        await heads.lock(connection, [0])
        with pytest.raises(asyncpg.DivisionByZeroError):
            await writer.commit(f"{TAKE}SELECT 1 / 0; ")
        assert await writer.get() is connection
        assert not connection.is_in_transaction()
        assert await position_of(dsn) == 0
        await writer.close()


async def test_a_connection_lost_while_idle_is_replaced_before_anybody_notices() -> None:
    async with ledger_database() as dsn, connection_to(dsn) as other:
        writer = WriteConnection(dsn, "writer")
        lost = await writer.get()
        await other.execute("SELECT pg_terminate_backend($1)", lost.get_server_pid())
        await until(lost.is_closed)
        await heads.lock(await writer.get(), [0])
        await writer.commit(TAKE)
        assert await position_of(dsn) == 1
        await writer.close()


async def test_the_connection_is_for_one_user_at_a_time() -> None:
    async with ledger_database() as dsn:
        writer = WriteConnection(dsn, "writer")
        order = []

        async def use(name: str) -> None:
            async with writer.exclusive() as connection:
                order.append(f"{name} begins")
                await connection.fetchval("SELECT 1")
                order.append(f"{name} ends")

        await asyncio.gather(use("a"), use("b"))
        assert order == ["a begins", "a ends", "b begins", "b ends"]
        await writer.close()
