"""The database goes away: nobody is told a lie, and everything goes on when it is back."""

import asyncio

import asyncpg
import pytest
from grpc import StatusCode

from services.chassis import database, heads
from services.chassis.errors import CODES_BY_NUMBER, Rejection, from_status
from services.chassis.failures import CommitUnknownError, is_storage_failure
from services.chassis.verdicts import OK, Verdict
from tests.chassis.cutter import Side, wire_to
from tests.chassis.house import assert_sound, connection_to, held, ledger_database
from tests.chassis.ledger import Move, Transfer, balance_of, reason_of
from tests.chassis.ledger_lanes import Batches, account, open_lanes, request, until_waiting

KILL_LANES = """
    SELECT pg_terminate_backend(pid)
    FROM pg_stat_activity
    WHERE datname = current_database()
      AND application_name LIKE 'lane-%'
"""


def refusal(outcome: object) -> tuple[StatusCode, Rejection]:
    assert isinstance(outcome, Verdict)
    assert outcome.code != OK
    return CODES_BY_NUMBER[outcome.code], from_status(outcome.status())


@pytest.mark.parametrize("side", ["before", "after"])
async def test_an_unknown_commit_is_unavailable_and_the_retry_settles_it(side: Side) -> None:
    owner, other = account(0), account(0)
    commands = [Move(owner, 5, request("a")), Move(other, -1, request("b"))]
    async with ledger_database() as dsn, wire_to(dsn) as wire, open_lanes(wire.dsn) as lanes:
        await lanes.one(Move(owner, 1))
        wire.cut_next_commit(side)
        outcomes = await lanes.submit(commands)
        assert wire.commits_cut == 1
        for outcome in outcomes:
            code, rejection = refusal(outcome)
            assert (code, rejection.reason) == (StatusCode.UNAVAILABLE, "COMMIT_UNKNOWN")
            assert rejection.retry_after is not None
        settled = await lanes.submit(commands)
        assert await assert_sound(dsn) == {owner: 6}, "lost or doubled"
        async with connection_to(dsn) as connection:
            assert await connection.fetchval("SELECT position FROM head WHERE partition = 0") == 2
        assert (balance_of(settled[0]), reason_of(settled[1])) == (6, "INSUFFICIENT")


@pytest.mark.parametrize("side", ["before", "after"])
async def test_an_unknown_commit_of_two_owners_is_whole_or_not_at_all(side: Side) -> None:
    source, target = account(0), account(1)
    transfer = Transfer(source, target, 3, request("t"))
    async with ledger_database() as dsn, wire_to(dsn) as wire, open_lanes(wire.dsn) as lanes:
        await lanes.one(Move(source, 10))
        wire.cut_next_commit(side)
        assert refusal(await lanes.one(transfer))[1].reason == "COMMIT_UNKNOWN"
        assert await assert_sound(dsn) == ({source: 10} if side == "before" else {source: 7, target: 3})
        assert balance_of(await lanes.one(transfer)) == 7
        assert await assert_sound(dsn) == {source: 7, target: 3}


async def test_an_unknown_commit_is_not_told_as_reached() -> None:
    batches = Batches()
    async with ledger_database() as dsn, wire_to(dsn) as wire, open_lanes(wire.dsn, batches=batches) as lanes:
        await lanes.one(Move(account(), 1))
        wire.cut_next_commit("before")
        await lanes.one(Move(account(), 1))
        assert batches.positions == {0: 1}
        assert batches.sizes == [1]


async def test_while_storage_is_away_work_is_unavailable_and_it_recovers() -> None:
    owner = account()
    async with ledger_database() as dsn, wire_to(dsn) as wire, open_lanes(wire.dsn) as lanes:
        await lanes.one(Move(owner, 1))
        wire.take_away()
        for _ in range(2):
            code, rejection = refusal(await lanes.one(Move(owner, 2, request("r"))))
            assert (code, rejection.reason) == (StatusCode.UNAVAILABLE, "STORAGE_UNAVAILABLE")
            assert rejection.retry_after is not None
        wire.bring_back()
        assert balance_of(await lanes.one(Move(owner, 2, request("r")))) == 3
        assert await assert_sound(dsn) == {owner: 3}


async def test_a_connection_lost_before_commit_did_nothing() -> None:
    owner = account()
    async with ledger_database() as dsn, open_lanes(dsn) as lanes:
        await lanes.one(Move(owner, 1))
        async with held(dsn, partition=0), connection_to(dsn) as connection:
            waiting = asyncio.create_task(lanes.one(Move(owner, 2)))
            await asyncio.sleep(0)
            await until_waiting(lanes, 0)
            await connection.execute(KILL_LANES)
            assert refusal(await waiting)[1].reason == "STORAGE_UNAVAILABLE"
        assert balance_of(await lanes.one(Move(owner, 4))) == 5
        assert await assert_sound(dsn) == {owner: 5}


async def test_a_connection_that_the_database_is_about_to_close_is_a_lost_one() -> None:
    async with ledger_database() as dsn:
        connection = await asyncpg.connect(dsn)
        tell_to_go(connection)
        with pytest.raises(asyncpg.InternalClientError) as caught:
            await connection.fetch("SELECT 1")
        assert is_storage_failure(caught.value)
        writer = database.WriteConnection(dsn, "writer")
        tell_to_go(await writer.get())
        await writer.roll_back()
        assert await (await writer.get()).fetchval("SELECT 1") == 1
        await writer.close()


def tell_to_go(connection: asyncpg.Connection) -> None:
    """What a server that shuts down says on an idle connection, before it closes it."""
    fields = b"SFATAL\0VFATAL\0C57P01\0Mterminating connection due to administrator command\0\0"
    connection._protocol.data_received(b"E" + (len(fields) + 4).to_bytes(4) + fields)


async def test_a_frozen_writer_loses_its_head_to_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "IDLE_IN_TRANSACTION_TIMEOUT_MS", 100)
    async with ledger_database() as dsn, open_lanes(dsn) as lanes:
        frozen = database.WriteConnection(dsn, "frozen")
        await heads.lock(await frozen.get(), [0])
        assert balance_of(await lanes.one(Move(account(), 1))) == 1
        with pytest.raises(CommitUnknownError):
            await heads.commit(frozen, [])


async def test_a_writer_that_takes_too_long_loses_its_head_to_the_next() -> None:
    async with ledger_database() as dsn, open_lanes(dsn) as lanes:
        slow = database.WriteConnection(dsn, "slow", transaction_timeout_ms=100)
        connection = await slow.get()
        await heads.lock(connection, [0])
        working = asyncio.create_task(connection.execute("SELECT pg_sleep(60)"))
        assert balance_of(await lanes.one(Move(account(), 1))) == 1
        with pytest.raises(asyncpg.PostgresConnectionError):
            await working
        await slow.roll_back()
        assert await (await slow.get()).fetchval("SELECT 1") == 1, "the next transaction has a new connection"
        await slow.close()
