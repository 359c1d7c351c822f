"""Per partition and with time fixed, any split of the same work into batches gives the same tables and events."""

import random
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from services.chassis import ids
from services.chassis.feed_batch import FeedBatch, FollowedRecord
from services.tiers.commands import Evaluate
from services.tiers.events import parse_identity, parse_points
from tessera.events.v1 import event_feed_pb2, journal_pb2
from tessera.tiers.v1 import event_pb2
from tests.support.suite import Suite, start_suite
from tests.tiers.builders import activity, at, enrolled, ladder_document, programme, reversal

JAN_1 = date(2026, 1, 1)
NOW = at(date(2026, 5, 1))
MEMBERS = 4
NOBODY = UUID(int=0)
PARTITIONS = 2

Work = tuple[str, Any]
"""Something that happens: a record of a feed ("identity" or "points", events), or an evaluation ("evaluate", day)."""


def work_of(seed: int, members: Sequence[UUID]) -> Iterator[Work]:
    """Enrolments, then scores in and out of order, reversals, and evaluations, the same for every set of members."""
    chance = random.Random(seed)
    for member in members:
        yield "identity", [enrolled(member, at(JAN_1, 0))]
    bought: list[tuple[UUID, UUID, datetime, int]] = []
    day = JAN_1
    for number in range(60):
        day += timedelta(days=chance.choice([0, 0, 0, 1, 2, 5]))
        if chance.random() < 0.2:
            yield "evaluate", day
            continue
        events: list[bytes] = []
        for _ in range(chance.randint(1, 4)):
            member = chance.choice(members)
            happened = at(day - timedelta(days=chance.choice([0, 0, 0, 0, 3, 40])), chance.randint(0, 23))
            amount = chance.choice([5, 40, 60, 120, 350])
            activity_id = ids.derived(member, 100 + number)
            events.append(activity(member, happened, amount, activity_id=activity_id))
            bought.append((member, activity_id, happened, amount))
        if chance.random() < 0.3:
            member, activity_id, happened, amount = bought.pop(chance.randrange(len(bought)))
            events += reversal(member, activity_id, happened, at(day, 23), amount)
        yield "points", events


async def carry_out(suite: Suite, partition: int, work: Sequence[Work], sizes: Iterator[int]) -> None:
    """Hand work to the lane of a partition, so many pieces to a batch as `sizes` says."""
    positions = {"identity": 0, "points": 0}
    rest = list(work)
    while rest:
        size = next(sizes)
        part, rest = rest[:size], rest[size:]
        commands: list[Any] = []
        for kind, what in part:
            if kind == "evaluate":
                commands.append(Evaluate(partition, "shopper", at(what, 0), NOBODY))
                commands.append(Evaluate(partition, "monthly", at(what.replace(day=1), 0), NOBODY))
                continue
            positions[kind] += 1
            parse = parse_identity if kind == "identity" else parse_points
            events = [event for raw in what if (event := parse(raw)) is not None]
            commands.append(FeedBatch(kind, partition, [FollowedRecord(positions[kind], events)]))
        for outcome in await suite.lanes("tiers").submit(commands):
            if isinstance(outcome, BaseException):
                raise outcome
            assert outcome.code == 0


async def outcome_of(suite: Suite, partition: int, members: Sequence[UUID]) -> dict[str, list[Any]]:
    """Everything that a partition holds and told, with members by number and places in the journal by order."""
    number = {member: index for index, member in enumerate(members)}
    pool = suite.running["tiers"].platform.pool
    tables = {}
    for table, order in (
        ("members", "member_id"),
        ("scores", "member_id, unit, day"),
        ("standings", "member_id, ladder, position, ordinal"),
        ("evaluations", "ladder"),
    ):
        rows = await pool.fetch(f"SELECT * FROM {table} WHERE partition = $1 ORDER BY {order}", partition)
        hidden = ("partition", "position", "ordinal")
        tables[table] = sorted(
            [tuple(str(number.get(v, v)) for k, v in row.items() if k not in hidden) for row in rows]
        )
    request = event_feed_pb2.ReadRequest(cursors=[event_feed_pb2.Cursor(partition=partition)], max_records=1000)
    records = (await suite.feed("tiers").Read(request)).records
    told = []
    for record in records:
        for raw in journal_pb2.Journal.FromString(record.payload).events:
            event = event_pb2.Event.FromString(raw)
            member = number[ids.from_bytes(event.standing_changed.member_id)]
            event.standing_changed.ClearField("member_id")
            told.append((member, event.SerializeToString()))
    return {**tables, "events": told}


@pytest.mark.parametrize("rises_from", ["activity", "recording"])
@pytest.mark.parametrize("falling", ["keep-until-evaluation", "at-once"])
@pytest.mark.parametrize("seed", [0, 1, 2, 30, 31, 39])
async def test_any_split_into_batches_gives_the_same(seed: int, falling: str, rises_from: str) -> None:
    async with start_suite("tiers", partitions=PARTITIONS, clock_start=NOW) as suite:
        await suite.publish(
            "tiers",
            programme(),
            ladder_document(window={"days": 20}, falling=falling, rises_from=rises_from),
            ladder_document("monthly", window={"months": 1}, evaluation="monthly", rises_from=rises_from),
        )
        outcomes = []
        for partition, size in ((0, 1), (1, 7)):
            chance = random.Random(seed)
            members = sorted(ids.new_id(partition) for _ in range(MEMBERS))
            sizes = iter(lambda n=size, c=chance: 1 if n == 1 else c.randint(1, n), 0)
            await carry_out(suite, partition, list(work_of(seed, members)), sizes)
            outcomes.append(await outcome_of(suite, partition, members))
        one_by_one, in_batches = outcomes
        assert len(one_by_one["standings"]) > (MEMBERS if rises_from == "activity" else 0)
        for what in one_by_one:
            assert in_batches[what] == one_by_one[what], what


async def test_a_record_is_applied_once_however_often_it_is_handed_over() -> None:
    async with start_suite("tiers", clock_start=NOW) as suite:
        await suite.publish("tiers", programme(), ladder_document())
        member = ids.new_id(0)
        score = parse_points(activity(member, NOW, 60))
        batch = FeedBatch("points", 0, [FollowedRecord(1, [score])])
        await suite.lanes("tiers").submit([batch, batch])
        await suite.lanes("tiers").submit([batch])
        (row,) = await suite.running["tiers"].platform.pool.fetch("SELECT day, amount FROM scores")
        assert tuple(row) == (NOW.astimezone(UTC).date(), 60)
