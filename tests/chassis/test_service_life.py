"""The life of a whole service: it refuses to start on what does not fit, finishes what it began, and always ends."""

import asyncio

import pytest
from pydantic import SecretStr

from services.chassis.app import start
from services.chassis.process import CLOSE_TIMEOUT_S
from services.chassis.server import ServerError
from tests.chassis.cutter import wire_to
from tests.chassis.house import Calls, assert_sound, connection_to, held, ledger_database, ledger_suite, until_blocked
from tests.chassis.ledger_lanes import account, until_waiting
from tests.chassis.ledger_service import LEDGER
from tests.chassis.patience import until
from tests.chassis.processes import spawn
from tests.support.suite import free_port, settings_of

OWNER = account()


async def test_a_write_in_flight_when_the_service_drains_is_finished_and_answered() -> None:
    async with ledger_suite() as suite:
        async with held(suite.dsns["ledger"], partition=0):
            writing = asyncio.ensure_future(Calls(suite).move(OWNER, 5, "r"))
            await until_blocked(suite.dsns["ledger"])
            waiting = asyncio.ensure_future(Calls(suite).move(OWNER, 7, "s"))
            await until_waiting(suite.lanes("ledger"), 1)
            draining = suite.running["ledger"].server.draining
            stopping = asyncio.create_task(suite.stop("ledger"))
            await draining.wait()
        assert ((await writing).balance, (await waiting).balance) == (5, 12)
        await stopping
        assert await assert_sound(suite.dsns["ledger"]) == {OWNER: 12}


async def test_a_service_stops_also_when_its_database_was_away() -> None:
    async with ledger_suite("ledger", "mirror") as suite, wire_to(suite.dsns["mirror"]) as wire:
        await suite.stop("mirror")
        await suite.start("mirror", database_dsn=SecretStr(wire.dsn))
        await Calls(suite).move(OWNER, 5, "r")
        await suite.drain()
        wire.take_away()
        async with asyncio.timeout(10):
            await suite.stop("mirror")


async def test_a_process_ends_also_when_its_database_falls_silent() -> None:
    async with ledger_database() as dsn, wire_to(dsn) as wire:
        settings = settings_of(LEDGER, wire.dsn, free_port(), {}, drain_grace_s=0.1)
        async with spawn("ledger", settings) as process:
            await process.serving()
            wire.fall_silent()
            process.process.terminate()
            async with asyncio.timeout(CLOSE_TIMEOUT_S + 5):
                assert await process.process.wait() == 1


async def test_a_service_goes_on_following_and_serving_when_its_database_is_back() -> None:
    async with ledger_suite("ledger", "mirror") as suite, wire_to(suite.dsns["mirror"]) as wire:
        await suite.stop("mirror")
        await suite.start("mirror", database_dsn=SecretStr(wire.dsn))
        await suite.channel("mirror").channel_ready()
        await Calls(suite).move(OWNER, 5, "r")
        await suite.drain()
        wire.take_away()
        await Calls(suite).move(OWNER, 7, "s")
        wire.bring_back()
        await until(lambda: _is_balance(suite.dsns["mirror"], 12))
        assert (await Calls(suite, "mirror").balance(OWNER)).balance == 12
        await suite.stop("mirror")


async def _is_balance(dsn: str, balance: int) -> bool:
    async with connection_to(dsn) as connection:
        return bool(await connection.fetchval("SELECT sum(balance)::bigint FROM accounts") == balance)


async def test_what_was_opened_is_closed_when_a_service_cannot_start() -> None:
    async with ledger_suite() as suite, ledger_database() as dsn, connection_to(dsn) as connection:
        taken = int(suite.addresses["ledger"].rpartition(":")[2])
        with pytest.raises(ServerError, match="cannot listen"):
            await start(settings_of(LEDGER, dsn, taken, {}), LEDGER)
        others = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
        assert await connection.fetchval(others) == 0
        assert [task.get_name() for task in asyncio.all_tasks() if task.get_name() == "maintain"] == ["maintain"]


async def test_a_process_on_a_database_that_does_not_fit_says_why_and_ends() -> None:
    async with ledger_database(partitions=4) as dsn:
        settings = settings_of(LEDGER, dsn, free_port(), {}, partitions=8)
        async with spawn("ledger", settings) as process:
            output, _ = await process.process.communicate()
            assert process.process.returncode == 1
            assert b"the database has 4 partitions, TESSERA_PARTITIONS says 8" in output
