"""Following a feed: in order, once, from where it stood, whatever the feed or the own database do."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from grpc import RpcError, StatusCode, aio
from structlog.testing import capture_logs

from services.chassis import follower as follower_module
from services.chassis.cursors import all_cursors
from services.chassis.database import open_pool
from services.chassis.follower import Follower
from services.chassis.lanes import Lanes
from services.chassis.progress import Progress
from services.chassis.telemetry import Telemetry
from tessera.events.v1 import event_feed_pb2 as pb
from tessera.events.v1 import journal_pb2
from tests.chassis.house import Calls, assert_sound, connection_to, ledger_database, ledger_suite
from tests.chassis.ledger import Move, Moved, parse_moved
from tests.chassis.ledger_lanes import account, open_lanes
from tests.chassis.patience import until

OWNER = account(0)


async def mirrored(suite: Any) -> dict[UUID, int]:
    async with connection_to(suite.dsns["mirror"]) as connection:
        return dict(map(tuple, await connection.fetch("SELECT account_id, balance FROM accounts")))


async def test_a_mirror_comes_to_what_its_source_is() -> None:
    owners = [account(number % 8) for number in range(24)]
    async with ledger_suite("ledger", "mirror") as suite:
        await suite.lanes("ledger").submit([Move(owner, number) for number, owner in enumerate(owners * 4)])
        await suite.drain()
        assert await mirrored(suite) == await assert_sound(suite.dsns["ledger"])


async def test_a_follower_started_anew_goes_on_where_it_stood() -> None:
    async with ledger_suite("ledger", "mirror") as suite:
        await suite.lanes("ledger").submit([Move(OWNER, 5)])
        await suite.drain()
        await suite.stop("mirror")
        await suite.lanes("ledger").submit([Move(OWNER, 7)])
        await suite.start("mirror")
        await suite.drain()
        assert await mirrored(suite) == {OWNER: 12}


async def test_a_follower_waits_for_a_source_that_is_away() -> None:
    async with ledger_suite("ledger", "mirror") as suite:
        await suite.lanes("ledger").submit([Move(OWNER, 5)])
        await suite.drain()
        await suite.stop("ledger")
        await suite.start("ledger")
        answer = await Calls(suite).move(OWNER, 7, "r", wait_for_ready=True)
        assert answer.balance == 12
        await suite.drain()
        assert await mirrored(suite) == {OWNER: 12}


def record(position: int, amount: int = 1, partition: int = 0, owner: UUID = OWNER) -> pb.Record:
    payload = journal_pb2.Journal(events=[Moved(owner, amount, 0).serialized()]).SerializeToString()
    return pb.Record(partition=partition, position=position, payload=payload)


def half(partition: int, position: int, owner: UUID, **halves: int) -> pb.Record:
    """A record that is applied with others: `p1=7` is the one at position 7 of partition 1."""
    payload = journal_pb2.Journal(
        events=[Moved(owner, 100, 0).serialized()],
        halves=[journal_pb2.Half(partition=int(name[1:]), position=at) for name, at in halves.items()],
    ).SerializeToString()
    return pb.Record(partition=partition, position=position, payload=payload)


def nothing(position: int) -> pb.Record:
    """A record that concerns nobody."""
    return pb.Record(position=position, payload=journal_pb2.Journal().SerializeToString())


@dataclass
class ScriptedFeed:
    """Answers each Read with the next of its answers, and then with nothing after the wait, as an idle feed does."""

    answers: list[Sequence[pb.Record] | RpcError]
    asked: list[dict[int, int]] = field(default_factory=list)
    asked_at: list[float] = field(default_factory=list)
    waits: list[float] = field(default_factory=list)
    headers: list[Any] = field(default_factory=list)

    def unary_unary(self, path: str, *_: Any, **__: Any) -> Callable[..., Any]:
        return self.read

    async def read(self, request: pb.ReadRequest, **options: Any) -> pb.ReadResponse:
        self.asked.append({cursor.partition: cursor.position for cursor in request.cursors})
        self.asked_at.append(time.monotonic())
        self.waits.append(request.wait.ToTimedelta().total_seconds())
        self.headers.append(options["metadata"])
        if not self.answers:
            await asyncio.sleep(self.waits[-1])
            return pb.ReadResponse()
        answer = self.answers.pop(0)
        if isinstance(answer, RpcError):
            raise answer
        return pb.ReadResponse(records=answer)

    async def exhausted(self, reads: int) -> None:
        """Until so many reads were made."""
        await until(lambda: len(self.asked) >= reads)


@asynccontextmanager
async def following(dsn: str, lanes: Lanes, feed: Any, **options: Any) -> AsyncIterator[Follower]:
    pool = await open_pool(dsn, "reads", 4)
    telemetry = Telemetry(None)
    cursors: Progress[tuple[str, int]] = Progress(lambda: all_cursors(pool))

    async def connect() -> Any:
        return feed

    follower = Follower("source", connect, parse_moved, lanes, pool, cursors, 8, options.get("token_file"), telemetry)
    task = asyncio.create_task(follower.run())
    try:
        yield follower
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await pool.close()


async def state_of(connection: asyncpg.Connection) -> tuple[int, int]:
    """What was applied of the feed: the balance, and the cursor."""
    return (
        await connection.fetchval("SELECT coalesce(sum(balance), 0)::bigint FROM accounts"),
        await connection.fetchval("SELECT coalesce(max(position), 0) FROM cursors WHERE source = 'source'"),
    )


async def test_records_handed_over_again_are_applied_once() -> None:
    feed = ScriptedFeed([[record(1)], [record(1), record(2)], [record(2)]])
    async with ledger_database() as dsn, open_lanes(dsn) as lanes, connection_to(dsn) as connection:
        async with following(dsn, lanes, feed):
            await feed.exhausted(4)
        assert await state_of(connection) == (2, 2)


async def test_a_gap_is_not_applied_and_following_begins_anew_from_the_cursor() -> None:
    feed = ScriptedFeed([[record(1)], [record(3, 100)], [record(2), record(3)]])
    async with ledger_database() as dsn, open_lanes(dsn) as lanes, connection_to(dsn) as connection:
        with capture_logs() as logs:
            async with following(dsn, lanes, feed):
                await feed.exhausted(4)
        assert await state_of(connection) == (3, 3)
    assert [asked[0] for asked in feed.asked] == [0, 1, 1, 3]
    assert [line["event"] for line in logs] == ["feed cannot be applied"]


async def test_what_concerns_nobody_is_passed_over_and_noted_with_what_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(follower_module, "LINGER_S", 60)
    feed = ScriptedFeed([[nothing(1)], [nothing(2)]])
    async with ledger_database() as dsn, open_lanes(dsn) as lanes, connection_to(dsn) as connection:
        async with following(dsn, lanes, feed) as follower:
            await feed.exhausted(3)
            assert follower._cursors.reached(("source", 0)) == 2, "nobody waits for what does not concern them"
        assert await state_of(connection) == (0, 0)
        feed.answers = [[nothing(1)], [nothing(2), record(3, 5), nothing(4)]]
        async with following(dsn, lanes, feed):
            await feed.exhausted(6)
        assert await state_of(connection) == (5, 4)
    assert [asked[0] for asked in feed.asked] == [0, 1, 2, 0, 1, 4]


async def test_what_was_passed_over_is_noted_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(follower_module, "LINGER_S", 0.05)
    feed = ScriptedFeed([[record(1, 5), nothing(2)], [nothing(3)]])
    async with ledger_database() as dsn, open_lanes(dsn) as lanes, connection_to(dsn) as connection:
        async with following(dsn, lanes, feed):
            await feed.exhausted(4)
        assert await state_of(connection) == (5, 3)
    assert [asked[0] for asked in feed.asked] == [0, 2, 3, 3]
    assert feed.waits[2] <= follower_module.LINGER_S, "until then nothing may come"
    assert {feed.waits[place] for place in (0, 1, 3)} == {follower_module.POLL_WAIT_S}


async def test_records_that_belong_together_wait_for_each_other_and_are_applied_in_one_transaction() -> None:
    other = account(1)
    first, second = half(0, 2, OWNER, p0=2, p1=3), half(1, 3, other, p0=2, p1=3)
    feed = ScriptedFeed(
        [
            [record(1), first, record(3)],
            [record(1, 1, 1, other), record(2, 1, 1, other)],
            [second, record(4, 1, 1, other)],
            [record(3), record(4, 1, 1, other)],
        ]
    )
    async with ledger_database() as dsn, open_lanes(dsn) as lanes, connection_to(dsn) as connection:
        async with following(dsn, lanes, feed):
            await feed.exhausted(5)
        assert dict(map(tuple, await connection.fetch("SELECT account_id, balance FROM accounts"))) == {
            OWNER: 102,
            other: 103,
        }
    assert feed.asked[1:4] == [
        dict.fromkeys(range(1, 8), 0),
        {1: 2} | dict.fromkeys(range(2, 8), 0),
        {0: 2, 1: 3} | dict.fromkeys(range(2, 8), 0),
    ]


async def test_of_records_that_belong_together_none_is_applied_alone() -> None:
    """The other half cannot be booked (there is less), so this one is not either."""
    other = account(1)
    first, second = half(0, 1, OWNER, p0=1, p1=1), record(1, -1, 1, other)
    payload = journal_pb2.Journal.FromString(second.payload)
    payload.halves.extend(journal_pb2.Journal.FromString(first.payload).halves)
    second.payload = payload.SerializeToString()
    feed = ScriptedFeed([[first, second], [first, second]])
    async with ledger_database() as dsn, open_lanes(dsn) as lanes, connection_to(dsn) as connection:
        with capture_logs() as logs:
            async with following(dsn, lanes, feed):
                await feed.exhausted(2)
                await until(lambda: len(logs) > 0)
        assert await state_of(connection) == (0, 0)
    assert {line["event"] for line in logs} == {"feed cannot be applied"}


async def test_a_gap_is_found_among_what_concerns_nobody() -> None:
    feed = ScriptedFeed([[nothing(1)], [nothing(3)], [nothing(1), nothing(2), record(3)]])
    async with ledger_database() as dsn, open_lanes(dsn) as lanes, connection_to(dsn) as connection:
        with capture_logs() as logs:
            async with following(dsn, lanes, feed):
                await feed.exhausted(4)
        assert await state_of(connection) == (1, 3)
    assert [asked[0] for asked in feed.asked] == [0, 1, 0, 3]
    assert [line["event"] for line in logs] == ["feed cannot be applied"]


async def test_a_poisoned_partition_does_not_hold_up_the_others() -> None:
    """An amount that the mirror cannot book stays in the way of its own partition alone."""
    other = account(1)
    poison = record(1, -1)
    feed = ScriptedFeed([[poison, record(1, 5, 1, other)], [poison, record(2, 6, 1, other)]])
    async with ledger_database() as dsn, open_lanes(dsn) as lanes, connection_to(dsn) as connection:
        with capture_logs():
            async with following(dsn, lanes, feed):
                await feed.exhausted(3)
        rows = await connection.fetch("SELECT account_id, balance FROM accounts")
    assert dict(map(tuple, rows)) == {other: 11}
    assert (feed.asked[-1][0], feed.asked[-1][1]) == (0, 2)


async def test_what_cannot_be_applied_now_is_tried_again_but_not_without_pause() -> None:
    feed = ScriptedFeed([[record(1)]] * 1000)
    async with ledger_database() as dsn, open_lanes(dsn) as lanes:
        await lanes.close()
        async with following(dsn, lanes, feed):
            await feed.exhausted(3)
    assert [asked[0] for asked in feed.asked] == [0, 0, 0]
    assert all(later - earlier >= follower_module.RETRY_DELAY_S for earlier, later in pairwise(feed.asked_at))


AWAY = aio.AioRpcError(StatusCode.UNAVAILABLE, aio.Metadata(), aio.Metadata())


async def test_that_a_source_is_away_and_back_is_said_once_each(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(follower_module, "RETRY_DELAY_S", 0.001)
    feed = ScriptedFeed([AWAY, AWAY, AWAY, [record(1)], AWAY, AWAY, [record(2)]])
    async with ledger_database() as dsn, open_lanes(dsn) as lanes:
        with capture_logs() as logs:
            async with following(dsn, lanes, feed):
                await feed.exhausted(8)
    assert [line["event"] for line in logs] == ["feed not reachable", "feed reachable again"] * 2
    assert (logs[0]["source"], logs[0]["code"]) == ("source", StatusCode.UNAVAILABLE)


async def test_that_a_source_stays_away_is_said_again_after_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(follower_module, "RETRY_DELAY_S", 0.001)
    monkeypatch.setattr(follower_module, "SAY_AGAIN_S", 0.0)
    feed = ScriptedFeed([AWAY, AWAY])
    async with ledger_database() as dsn, open_lanes(dsn) as lanes:
        with capture_logs() as logs:
            async with following(dsn, lanes, feed):
                await feed.exhausted(3)
    assert [line["event"] for line in logs] == ["feed not reachable"] * 2


async def test_one_process_follows_at_a_time_and_another_takes_over() -> None:
    first, second = ScriptedFeed([[record(1)]]), ScriptedFeed([[record(2)]])
    async with ledger_database() as dsn, open_lanes(dsn) as lanes, connection_to(dsn) as connection:
        async with following(dsn, lanes, first):
            await first.exhausted(2)
            async with following(dsn, lanes, second):
                await asyncio.sleep(0.1)
                assert second.asked == []
                await connection.execute(
                    "SELECT pg_terminate_backend(l.pid) FROM pg_locks AS l JOIN pg_stat_activity USING (pid) "
                    "WHERE l.locktype = 'advisory' AND datname = current_database()"
                )
                await second.exhausted(2)
        assert await state_of(connection) == (2, 2)


async def test_a_token_is_read_again_whenever_following_begins(tmp_path: Any) -> None:
    token_file = tmp_path / "token"
    token_file.write_text("first\n")
    feed = ScriptedFeed([[record(5)], [record(1)]])
    async with ledger_database() as dsn, open_lanes(dsn) as lanes:
        with capture_logs():
            async with following(dsn, lanes, feed, token_file=token_file):
                await feed.exhausted(1)
                token_file.write_text("second\n")
                await feed.exhausted(3)
    assert feed.headers[0] == (("authorization", "Bearer first"),)
    assert feed.headers[2] == (("authorization", "Bearer second"),)


async def test_lag_is_seen_while_records_wait_and_forgotten_with_leadership() -> None:
    feed = ScriptedFeed([[record(1), record(2)]])
    async with ledger_database() as dsn, open_lanes(dsn) as lanes:
        async with connection_to(dsn) as connection, connection.transaction():
            await connection.execute("SELECT 1 FROM head WHERE partition = 0 FOR UPDATE")
            async with following(dsn, lanes, feed) as follower:
                await feed.exhausted(1)
                await until(lambda: follower.lag.records_behind == 2)
                assert follower.lag.heard_at > 0
        assert follower.lag.records_behind == 0
        assert follower.lag.heard_at == 0
