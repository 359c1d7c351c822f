"""With time fixed, any split of commands, merges and unmerges into batches gives the same as one by one.

Replay: the seed is the test's parameter.
"""

import itertools
import random
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from services.chassis import ids
from services.chassis.feed_batch import FeedBatch, FollowedRecord
from services.points import requests
from services.points.heard import ACTIVE, AccountHeard, MemberHeard, parse_identity
from tests.points import builders
from tests.points.builders import SCORE, Member, Shop, open_shop, someone, unit
from tests.points.test_batches import CALLER, TABLES, verdict
from tests.support.lives import Lives
from tests.support.merging import Halves

MEMBERS = 4
STEPS = 50
DOMAIN = "fuel"
DOCUMENTS = (
    unit(max_balance=400, pooling={"order": "by-expiry"}, spend={"max_per_day": 90}),
    unit("earned"),
    builders.rule("for-all", "earned", cap={"amount": 200, "period": "month"}),
    *SCORE,
)
TABLES_AND_LINKS = {**TABLES, "links": "SELECT * FROM links WHERE member_id = ANY($1) ORDER BY member_id"}


class Life:
    """What happens to some members of one partition, as commands."""

    def __init__(self, seed: int, now: datetime) -> None:
        self.dice = random.Random(seed)
        self.members = [someone(DOMAIN, 8 * number, 10 * seed + number).uuid for number in range(MEMBERS)]
        self._lives = Lives(self.dice, self.members, DOMAIN)
        self._now = now
        self._heard = 0
        self._made: dict[str, list[str]] = {"activity": [], "spend": [], "hold": []}
        self._seed = seed
        self._number = 0

    def begin(self) -> FeedBatch:
        """All members and their accounts are heard of."""
        members = (MemberHeard(member_id, ACTIVE) for member_id in self.members)
        accounts = (
            AccountHeard(account_id, member_id, DOMAIN, True)
            for member_id, account_ids in self._lives.accounts.items()
            for account_id in account_ids
        )
        return self._heard_of(*members, *accounts)

    def command(self) -> Any:
        """What comes next."""
        self._number += 1
        acts = [self._merge, self._unmerge, self._grant, self._record, self._record, self._spend, self._spend]
        if self.dice.random() < 0.3:
            acts = acts[:2]
        else:
            acts += [self._hold, self._capture, self._release, self._refund, self._reverse]
        act = self.dice.choice(acts)
        return act({"request_id": f"{self._seed} {self._number}"}) or self._grant({"request_id": f"{self._number}"})

    def _merge(self, _fields: dict[str, Any]) -> FeedBatch | None:
        return self._told(self._lives.merge(self._now))

    def _unmerge(self, _fields: dict[str, Any]) -> FeedBatch | None:
        return self._told(self._lives.unmerge(self._now))

    def _told(self, halves: Halves | None) -> FeedBatch | None:
        if halves is None:
            return None
        heard = (parse_identity(raw) for raws in halves.values() for raw in raws)
        return self._heard_of(*(event for event in heard if event is not None))

    def _heard_of(self, *events: Any) -> FeedBatch:
        self._heard += 1
        return FeedBatch("identity", 0, [FollowedRecord(self._heard, events)])

    def _someone(self) -> Member:
        """With any of its accounts. By its own ID: what is sent to another one is handed on, behind what waits."""
        member_id = self.dice.choice([each for each, to in self._lives.leads_to.items() if to == each])
        accounts = self._lives.accounts_of(member_id)
        account_id = self.dice.choice(accounts or self._lives.accounts[member_id])
        return Member(member_id, account_id, DOMAIN)

    def _amount(self) -> int:
        return self.dice.randint(1, 60)

    def _grant(self, fields: dict[str, Any]) -> Any:
        until = self._now + timedelta(days=self.dice.randint(1, 60))
        return requests.grant(builders.grant(self._someone(), self._amount(), until, **fields), CALLER)

    def _record(self, fields: dict[str, Any]) -> Any:
        bought = builders.activity(self._someone(), self._amount(), self._now, reference=f"order {self._number}")
        command = requests.record_activity(builders.record(bought, **fields), CALLER, self._now)
        self._made["activity"].append(ids.encode("activity", command.activity_id))
        return command

    def _spend(self, fields: dict[str, Any]) -> Any:
        request = builders.spend(self._someone(), self._amount(), up_to=self.dice.random() < 0.5, **fields)
        command = requests.spend(request, CALLER, self._now)
        self._made["spend"].append(ids.encode("spend", command.spend_id))
        return command

    def _hold(self, fields: dict[str, Any]) -> Any:
        until = self._now + timedelta(days=100)
        request = builders.hold(self._someone(), self._amount(), until, up_to=True, **fields)
        command = requests.place_hold(request, CALLER, self._now)
        self._made["hold"].append(ids.encode("hold", command.hold_id))
        return command

    def _capture(self, fields: dict[str, Any]) -> Any:
        if not self._made["hold"]:
            return None
        command = requests.capture_hold(builders.capture(self._one("hold"), self._amount(), **fields), CALLER)
        self._made["spend"].append(ids.encode("spend", command.spend_id))
        return command

    def _release(self, fields: dict[str, Any]) -> Any:
        return self._made["hold"] and requests.release_hold(builders.release(self._one("hold"), **fields), CALLER)

    def _refund(self, fields: dict[str, Any]) -> Any:
        if not self._made["spend"]:
            return None
        return requests.refund_spend(builders.refund(self._one("spend"), self.dice.randint(1, 20), **fields), CALLER)

    def _reverse(self, fields: dict[str, Any]) -> Any:
        if not self._made["activity"]:
            return None
        return requests.reverse_activity(builders.reverse(self._one("activity"), **fields), CALLER)

    def _one(self, what: str) -> str:
        return self.dice.choice(self._made[what])


def in_stretches(commands: Sequence[Any]) -> list[Any]:
    """What is heard one after the other is told at once, as a follower that was away is told it."""
    found: list[Any] = []
    for is_heard, group in itertools.groupby(commands, lambda command: isinstance(command, FeedBatch)):
        if is_heard:
            found.append(FeedBatch("identity", 0, [record for batch in group for record in batch.records]))
        else:
            found += group
    return found


async def answers(shop: Shop, commands: Sequence[Any]) -> list[Any]:
    """What one batch of commands is answered."""
    outcomes = await shop.suite.lanes("points").submit(commands)
    return [
        (outcome.code, "") if isinstance(command, FeedBatch) else verdict(command, outcome)
        for command, outcome in zip(commands, outcomes, strict=True)
    ]


async def rows(shop: Shop, members: Sequence[UUID]) -> dict[str, list[Any]]:
    """Everything that is recorded, without what depends on positions."""
    pool = shop.suite.running["points"].platform.pool
    return {
        name: [tuple(row) for row in await pool.fetch(sql, list(members))] for name, sql in TABLES_AND_LINKS.items()
    }


@pytest.mark.parametrize(
    "seed", [2, 3, *(pytest.param(seed, marks=pytest.mark.reliability) for seed in (0, 1, *range(4, 40)))]
)
async def test_any_split_into_batches_gives_the_same(seed: int) -> None:
    """One by one, all at once, and as chance wills."""
    async with (
        open_shop(*DOCUMENTS) as alone,
        open_shop(*DOCUMENTS) as together,
        open_shop(*DOCUMENTS) as by_chance,
        open_shop(*DOCUMENTS) as in_a_stretch,
    ):
        shops = (alone, together, by_chance, in_a_stretch)
        life = Life(seed, await alone.now())
        begin = life.begin()
        for shop in shops:
            assert await answers(shop, [begin]) == [(0, "")]
        commands = [life.command() for _ in range(STEPS)]
        told = [await answers(alone, [command]) for command in commands]
        expected = [one for (one,) in told]
        assert await answers(together, commands) == expected
        found, left = [], commands
        while left:
            size = life.dice.randint(1, 8)
            found += await answers(by_chance, left[:size])
            left = left[size:]
        assert found == expected
        for command in in_stretches(commands):
            await answers(in_a_stretch, [command])
        as_recorded = await rows(alone, life.members)
        assert as_recorded["links"]
        for shop in shops[1:]:
            assert await rows(shop, life.members) == as_recorded
            assert await shop.findings() == []
