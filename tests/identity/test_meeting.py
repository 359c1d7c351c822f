"""Two members who have verified the same proof meet: a match, at once."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest
import pytest_asyncio

from services.chassis import ids
from services.identity.matches.values import MATCH
from tessera.events.v1 import event_feed_pb2, journal_pb2
from tessera.identity.v1 import event_pb2
from tests.identity.builders import enrol
from tests.identity.identifiers import add, device, email, publish_types, remove, verify
from tests.identity.merging import merge
from tests.support.suite import Suite, start_suite

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def suite() -> AsyncIterator[Suite]:
    """Identity with types of identifiers."""
    async with start_suite("identity") as started:
        await publish_types(started)
        yield started


async def two(suite: Suite) -> tuple[str, str]:
    """Two new members."""
    return str((await enrol(suite)).member_id), str((await enrol(suite)).member_id)


async def matches_of(suite: Suite, *member_ids: str) -> list[asyncpg.Record]:
    """The halves of the matches of members."""
    connection = await asyncpg.connect(suite.dsns["identity"])
    try:
        wanted = [ids.decode("member", each) for each in member_ids]
        return list(await connection.fetch("SELECT * FROM matches WHERE owner_id = ANY($1) ORDER BY match_id", wanted))
    finally:
        await connection.close()


async def told(suite: Suite) -> list[Any]:
    """The matches that were told."""
    cursors = [event_feed_pb2.Cursor(partition=partition) for partition in range(8)]
    answer = await suite.feed("identity").Read(event_feed_pb2.ReadRequest(cursors=cursors))
    events = [
        event_pb2.Event.FromString(event)
        for record in answer.records
        for event in journal_pb2.Journal.FromString(record.payload).events
    ]
    return [event.match_found for event in events if event.HasField("match_found")]


async def test_who_verifies_the_same_proof_meets(suite: Suite) -> None:
    first, second = await two(suite)
    shared = email()
    assert not (await add(suite, first, shared, verified=True)).match_ids
    (match_id,) = (await add(suite, second, shared, verified=True)).match_ids
    halves = await matches_of(suite, first, second)
    assert [str(half["match_id"]) for half in halves] == [str(ids.decode(MATCH, match_id))] * 2
    assert {half["owner_id"] for half in halves} == {ids.decode("member", each) for each in (first, second)}
    (event,) = [one for one in await told(suite) if one.match_id == ids.decode(MATCH, match_id).bytes]
    assert (event.member_id, event.other_id) == tuple(ids.decode("member", each).bytes for each in (second, first))
    assert (event.type, event.score) == ("email", 100)


async def test_who_verifies_later_meets_then(suite: Suite) -> None:
    first, second = await two(suite)
    shared = email()
    one = (await add(suite, first, shared)).identifier.identifier_id
    other = await add(suite, second, shared, verified=True)
    assert not other.match_ids
    assert len((await verify(suite, one)).match_ids) == 1
    assert not (await verify(suite, other.identifier.identifier_id)).match_ids
    assert not (await add(suite, first, shared, verified=True)).match_ids
    assert len(await matches_of(suite, first, second)) == 2


async def test_evidence_makes_nobody_meet(suite: Suite) -> None:
    first, second = await two(suite)
    shared = device()
    for each in (first, second):
        assert not (await add(suite, each, shared, "device", verified=True)).match_ids
    assert await matches_of(suite, first, second) == []


async def test_nobody_meets_who_no_longer_holds_it(suite: Suite) -> None:
    first, second = await two(suite)
    shared = email()
    await remove(suite, (await add(suite, first, shared, verified=True)).identifier.identifier_id)
    assert not (await add(suite, second, shared, verified=True)).match_ids


async def test_a_dry_run_finds_no_match(suite: Suite) -> None:
    first, second = await two(suite)
    shared = email()
    await add(suite, first, shared, verified=True)
    await add(suite, second, shared, verified=True, validate_only=True)
    assert await matches_of(suite, first, second) == []


async def test_a_member_that_was_merged_is_met_as_its_survivor(suite: Suite) -> None:
    survivor, merged = await enrol(suite), await enrol(suite)
    third = str((await enrol(suite)).member_id)
    shared = email()
    await add(suite, merged.member_id, shared, verified=True)
    await merge(suite, survivor.member_id, merged.member_id)
    assert not (await add(suite, survivor.member_id, shared, verified=True)).match_ids
    assert len((await add(suite, third, shared, verified=True)).match_ids) == 1
    (half,) = await matches_of(suite, survivor.member_id)
    assert half["other_id"] == ids.decode("member", survivor.member_id)


async def test_many_who_verify_at_once_meet_once_each(suite: Suite) -> None:
    """Whoever is decided later sees all before, whatever partitions they are of."""
    members = [str((await enrol(suite)).member_id) for _ in range(6)]
    shared = email()
    answers = await asyncio.gather(*(add(suite, each, shared, verified=True) for each in members))
    assert sorted(len(answer.match_ids) for answer in answers) == [0, 1, 2, 3, 4, 5]
    assert len(await matches_of(suite, *members)) == 2 * 15
