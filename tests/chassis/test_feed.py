"""The event feed: the journal in commit order, without gaps, for as long as somebody cares to wait."""

import asyncio
import time
from datetime import timedelta
from typing import Any

import pytest
from google.protobuf.duration_pb2 import Duration

from services.chassis import feed
from services.chassis.journal import chain
from tessera.events.v1 import event_feed_pb2 as pb
from tessera.events.v1 import journal_pb2
from tests.chassis.conftest import Waits
from tests.chassis.house import Calls, ledger_suite
from tests.chassis.ledger import Move, parse_moved
from tests.chassis.ledger_lanes import PARTITIONS, account, open_lanes
from tests.support.suite import Suite

A_LONG_WAIT = timedelta(seconds=20)


def read_request(cursors: dict[int, int], max_records: int = 0, wait: timedelta = timedelta(0)) -> pb.ReadRequest:
    duration = Duration()
    duration.FromTimedelta(wait)
    places = [pb.Cursor(partition=partition, position=position) for partition, position in cursors.items()]
    return pb.ReadRequest(cursors=places, max_records=max_records, wait=duration)


async def read(suite: Suite, cursors: dict[int, int], **options: Any) -> list[pb.Record]:
    return list((await suite.feed("ledger").Read(read_request(cursors, **options), timeout=25)).records)


async def test_a_reader_under_load_misses_nothing_and_gets_nothing_twice() -> None:
    owners = [account(number % PARTITIONS) for number in range(32)]
    async with ledger_suite() as suite:
        lanes = suite.lanes("ledger")

        async def write() -> None:
            for _ in range(8):
                await asyncio.gather(*(lanes.one(Move(owner, 1)) for owner in owners))

        writing = asyncio.create_task(write())
        cursors = dict.fromkeys(range(PARTITIONS), 0)
        moves, hashes = 0, dict.fromkeys(range(PARTITIONS), b"")
        while moves < 8 * len(owners):
            for record in await read(suite, cursors, max_records=5, wait=A_LONG_WAIT):
                assert record.position == cursors[record.partition] + 1, "a gap, or twice"
                cursors[record.partition] = record.position
                expected = chain(hashes[record.partition], record.position, record.payload)
                assert record.chain_hash == expected, "the chain is broken"
                hashes[record.partition] = record.chain_hash
                moves += len(journal_pb2.Journal.FromString(record.payload).events)
        await writing
        assert moves == 8 * len(owners)
        assert await read(suite, cursors) == []


async def test_a_record_tells_what_was_committed() -> None:
    owner = account(3)
    async with ledger_suite() as suite:
        answer = await Calls(suite).move(owner, 5, "r")
        (record,) = await read(suite, {3: 0})
        (raw,) = journal_pb2.Journal.FromString(record.payload).events
        assert (record.partition, record.position) == (3, answer.position)
        assert parse_moved(raw) == (owner, 5, 5)
        assert record.recorded_at.ToDatetime().isoformat() == "2026-01-01T00:00:00"


async def test_who_waits_is_answered_when_something_is_committed(waits: Waits) -> None:
    async with ledger_suite() as suite:
        waiting = asyncio.create_task(read(suite, {0: 0, 1: 0}, wait=A_LONG_WAIT))
        await waits.until(1)
        assert not waiting.done()
        await suite.lanes("ledger").one(Move(account(1), 1))
        (record,) = await asyncio.wait_for(waiting, 5)
        assert (record.partition, record.position) == (1, 1)


async def test_who_waits_notices_the_commits_of_other_processes(waits: Waits) -> None:
    async with ledger_suite() as suite, open_lanes(suite.dsns["ledger"]) as other_process:
        waiting = asyncio.create_task(read(suite, {0: 0}, wait=A_LONG_WAIT))
        await waits.until(1)
        await other_process.one(Move(account(0), 1))
        assert len(await asyncio.wait_for(waiting, 5)) == 1


async def test_a_commit_in_a_partition_not_asked_for_wakes_nobody() -> None:
    async with ledger_suite() as suite:
        waiting = asyncio.create_task(read(suite, {0: 0}, wait=timedelta(seconds=0.3)))
        await suite.lanes("ledger").one(Move(account(1), 1))
        assert await waiting == []


async def test_a_wait_ends_with_nothing_when_nothing_happens() -> None:
    async with ledger_suite() as suite:
        began = time.monotonic()
        assert await read(suite, {0: 0}, wait=timedelta(seconds=0.2)) == []
        assert 0.2 <= time.monotonic() - began < 5


async def test_long_polls_end_when_the_service_drains(waits: Waits) -> None:
    async with ledger_suite() as suite:
        waiting = [asyncio.create_task(read(suite, {partition: 0}, wait=A_LONG_WAIT)) for partition in range(3)]
        await waits.until(3)
        began = time.monotonic()
        await suite.stop("ledger")
        assert time.monotonic() - began < 1.5, "the long polls used up the grace of the drain"
        assert await asyncio.gather(*waiting) == [[], [], []]


async def test_every_partition_gets_its_turn() -> None:
    async with ledger_suite() as suite:
        for partition in (0, 5):
            for _ in range(6):
                await suite.lanes("ledger").one(Move(account(partition), 1))
        records = await read(suite, {0: 0, 5: 2}, max_records=4)
    assert [(record.partition, record.position) for record in records] == [(0, 1), (5, 3), (0, 2), (5, 4)]


async def test_an_answer_is_bounded_in_bytes_and_never_empty_for_that(monkeypatch: pytest.MonkeyPatch) -> None:
    async with ledger_suite() as suite:
        for _ in range(3):
            await suite.lanes("ledger").submit([Move(account(0), 1) for _ in range(10)])
        (first, *_) = records = await read(suite, {0: 0})
        assert len(records) == 3
        monkeypatch.setattr(feed, "MAX_PARTITION_BYTES", len(first.payload) + 1)
        assert len(await read(suite, {0: 0})) == 2, "the record that crosses the limit is the last"
        monkeypatch.setattr(feed, "MAX_PARTITION_BYTES", 1)
        assert [record.position for record in await read(suite, {0: 1})] == [2]


async def test_positions_tell_heads_and_how_far_feeds_were_followed() -> None:
    async with ledger_suite("ledger", "mirror") as suite:
        await suite.lanes("ledger").submit([Move(account(2), 1)])
        await suite.drain()
        ledger, mirror = await asyncio.gather(
            *(suite.feed(service).GetPositions(pb.GetPositionsRequest()) for service in ("ledger", "mirror"))
        )
    assert (ledger.service, list(ledger.followed)) == ("ledger", [])
    heads = {cursor.partition: cursor.position for cursor in ledger.heads}
    assert heads == dict.fromkeys(range(-1, PARTITIONS), 0) | {2: 1}
    (followed,) = mirror.followed
    assert followed.service == "ledger"
    assert {cursor.partition: cursor.position for cursor in followed.cursors} == {2: 1}


async def test_what_was_passed_over_counts_as_followed_before_its_cursor_is_written() -> None:
    async with ledger_suite("ledger", "mirror") as suite:
        await suite.lanes("ledger").submit([Move(account(2), 1)])
        await suite.drain()
        suite.running["mirror"].platform.at_least.cursors.advance(("ledger", 3), 9)
        mirror = await suite.feed("mirror").GetPositions(pb.GetPositionsRequest())
    assert {cursor.partition: cursor.position for cursor in mirror.followed[0].cursors} == {2: 1, 3: 9}
