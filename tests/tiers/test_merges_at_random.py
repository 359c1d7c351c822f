"""Whatever is scored, merged and unmerged: everybody has what came through the accounts and members that are theirs."""

import itertools
import random
from collections import Counter
from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any
from uuid import UUID

import pytest

from services.chassis import ids
from tests.support.lives import Lives
from tests.support.suite import Suite, start_suite
from tests.tiers.builders import LEVELS, Feeds, activity, at, enrolled, ladder_document, programme, standing

START = date(2026, 1, 1)
MEMBERS = 4
STEPS = 40
WINDOW = {"days": 3650}
"""So long that everything counts."""


def fixed_members(seed: int, partitions: int) -> list[UUID]:
    """The same members whenever they are asked for."""
    chance = random.Random(seed)
    return [
        ids.from_int((chance.getrandbits(64) << 64) + (chance.getrandbits(40) << 16) + n % partitions)
        for n in range(MEMBERS)
    ]


class Book:
    """What was scored through each source."""

    def __init__(self, seed: int, members: Sequence[UUID]) -> None:
        self.chance = random.Random(seed)
        self.lives = Lives(self.chance, members)
        self.scores: Counter[UUID] = Counter()
        self.day = START

    def step(self, number: int) -> tuple[str, Any]:
        """Something happens: what, and how it is told."""
        self.day += timedelta(days=self.chance.choice([0, 0, 1]))
        now = at(self.day, 12)
        chance = self.chance.random()
        halves = self.lives.merge(now) if chance < 0.2 else self.lives.unmerge(now) if chance < 0.35 else None
        if halves is not None:
            return "identity", halves
        member_id, account_id = self.lives.someone()
        amount = self.chance.choice([5, 40, 60, 120])
        self.scores[self.lives.source_of(member_id, account_id)] += amount
        happened = at(self.day - timedelta(days=self.chance.choice([0, 0, 3])), 10)
        activity_id = ids.derived(member_id, 100 + number)
        return "points", (
            member_id,
            activity(member_id, happened, amount, activity_id=activity_id, account_id=account_id),
        )

    def score_of(self, member_id: UUID) -> int:
        """What an ID is to have scored."""
        meant = self.lives.leads_to[member_id]
        return sum(self.scores[source] for source, by in self.lives.holder.items() if by == meant)


def enough_for(score: int) -> int:
    """Where the level begins that a score is enough for."""
    return max(level for level in LEVELS.values() if level <= score)


async def tell(feeds: Feeds, kind: str, what: Any) -> None:
    if kind == "identity":
        await feeds.identity_group(what)
    else:
        await feeds.points(ids.routing_of(what[0]), [what[1]])


@pytest.mark.parametrize("rises_from", ["activity", "recording"])
@pytest.mark.parametrize(
    "seed", [*range(2), *(pytest.param(seed, marks=pytest.mark.reliability) for seed in range(2, 12))]
)
async def test_everybody_has_what_is_theirs(seed: int, rises_from: str) -> None:
    async with start_suite("tiers", clock_start=at(START, 0)) as suite:
        await suite.publish("tiers", programme(), ladder_document(window=WINDOW, rises_from=rises_from))
        members = fixed_members(seed, 3)
        feeds, book = Feeds(suite), Book(seed, members)
        for member_id in members:
            await feeds.identity(ids.routing_of(member_id), [enrolled(member_id, at(START, 0))])
        for number in range(STEPS):
            kind, what = book.step(number)
            await suite.advance(at(book.day, 13))
            await tell(feeds, kind, what)
            for member_id in members:
                found = await standing(suite, member_id)
                assert found.score == book.score_of(member_id), (number, kind)
                assert LEVELS[found.level] >= enough_for(found.score)
        await suite.advance(at(book.day + timedelta(days=1), 13))
        for member_id in members:
            found = await standing(suite, member_id)
            assert LEVELS[found.level] == enough_for(book.score_of(member_id))


async def rows_after(suite: Suite, seed: int, sizes: Sequence[int]) -> dict[str, list[tuple[Any, ...]]]:
    """Everything that is recorded after a life, told so many pieces at a time."""
    members = fixed_members(seed, 1)
    feeds, book = Feeds(suite, partitions=1), Book(seed, members)
    await feeds.identity(0, [enrolled(member_id, at(START, 0)) for member_id in members])
    work = [book.step(number) for number in range(STEPS)]
    positions = {"identity": 1, "points": 0}
    batches = []
    for kind, what in work:
        positions[kind] += 1
        events = [raw for raws in what.values() for raw in raws] if kind == "identity" else [what[1]]
        batches.append(feeds.batch(kind, 0, positions[kind], events))
    for size in itertools.cycle(sizes):
        now, batches = batches[:size], batches[size:]
        for outcome in await suite.lanes("tiers").submit(now):
            assert not isinstance(outcome, BaseException), outcome
            assert outcome.code == 0
        if not batches:
            break
    hidden = ("partition", "position", "ordinal")
    pool = suite.running["tiers"].platform.pool
    found = {}
    for table in ("links", "scores", "standings"):
        rows = await pool.fetch(f"SELECT * FROM {table}")
        found[table] = sorted([tuple(str(v) for k, v in row.items() if k not in hidden) for row in rows])
    return found


@pytest.mark.parametrize(
    "seed", [*range(2), *(pytest.param(seed, marks=pytest.mark.reliability) for seed in range(2, 12))]
)
async def test_any_split_into_batches_gives_the_same(seed: int) -> None:
    found = []
    for sizes in ([1], [1, 3, 7], [STEPS]):
        async with start_suite("tiers", partitions=1, clock_start=at(date(2027, 1, 1), 0)) as suite:
            await suite.publish("tiers", programme(), ladder_document(window=WINDOW))
            found.append(await rows_after(suite, seed, sizes))
    assert found[0]["links"]
    assert found[0] == found[1] == found[2]
