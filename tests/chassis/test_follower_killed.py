"""A follower is killed again and again while it works: every record is applied exactly once."""

import asyncio
import itertools
import random
from contextlib import AsyncExitStack
from uuid import UUID

import asyncpg
import pytest

from tests.chassis.house import assert_sound, connection_to, ledger_suite
from tests.chassis.ledger import METADATA, Move
from tests.chassis.ledger_lanes import PARTITIONS, account
from tests.chassis.ledger_service import MIRROR
from tests.chassis.patience import until
from tests.chassis.processes import ServiceProcess, spawn
from tests.support import postgres
from tests.support.suite import Suite, free_port, settings_of


@pytest.mark.parametrize("kills", [2, pytest.param(25, marks=pytest.mark.reliability)], ids=["short", "long"])
async def test_every_record_is_applied_exactly_once(kills: int) -> None:
    """Two processes follow, one of them in waiting; whoever follows is killed, and a new one joins."""
    owners = [account(number % PARTITIONS) for number in range(16)]
    dsn = await postgres.new_database("mirror", PARTITIONS, METADATA)
    async with AsyncExitStack() as opened:
        opened.push_async_callback(postgres.drop_database, dsn)
        suite = await opened.enter_async_context(ledger_suite())
        mirror = await opened.enter_async_context(connection_to(dsn))
        waiting = [await _follower(suite, dsn, opened) for _ in range(2)]
        stop = asyncio.Event()
        writing = asyncio.create_task(_write(suite, owners, stop))
        for _ in range(kills):
            await _until_applied(mirror, more_than=await _applied(mirror))
            await asyncio.sleep(random.uniform(0, 0.03))
            following = waiting.pop(0)
            await following.kill()
            waiting.append(await _follower(suite, dsn, opened))
        await _until_applied(mirror, more_than=await _applied(mirror))
        stop.set()
        await writing
        source = await assert_sound(suite.dsns["ledger"])
        await _until_applied(mirror, more_than=await _entries(suite) - 1)
        assert await _applied(mirror) == await _entries(suite), "a record was applied twice"
        rows = await mirror.fetch("SELECT account_id, balance FROM accounts")
        assert dict(map(tuple, rows)) == source


async def _follower(suite: Suite, dsn: str, opened: AsyncExitStack) -> ServiceProcess:
    ports = {"ledger": int(suite.addresses["ledger"].rpartition(":")[2])}
    settings = settings_of(MIRROR, dsn, free_port(), ports)
    process = await opened.enter_async_context(spawn("mirror", settings))
    await process.serving()
    return process


async def _write(suite: Suite, owners: list[UUID], stop: asyncio.Event) -> None:
    """Batches of one, partition after partition, with time enough for new processes to start."""
    lanes = suite.lanes("ledger")
    for owner in itertools.cycle(owners):
        if stop.is_set():
            return
        await lanes.one(Move(owner, 1))
        await asyncio.sleep(0.003)


async def _entries(suite: Suite) -> int:
    async with connection_to(suite.dsns["ledger"]) as connection:
        return await _applied(connection)


async def _applied(connection: asyncpg.Connection) -> int:
    entries: int = await connection.fetchval("SELECT count(*) FROM entries")
    return entries


async def _until_applied(mirror: asyncpg.Connection, *, more_than: int) -> None:
    async def is_applied() -> bool:
        return await _applied(mirror) > more_than

    await until(is_applied)
