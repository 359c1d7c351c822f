"""A batch asks its questions together, however many tables they are about."""

from collections.abc import AsyncIterator, Sequence
from typing import Any

import asyncpg
import pytest

from services.benefits import operations
from services.benefits.commands import ExpireEntitlements, ReverseRedemption
from services.benefits.events import parse_tiers_event
from services.benefits.state import State
from services.benefits.states import States
from services.chassis.access import ALL, Caller
from services.chassis.feed_batch import FeedBatch, FollowedRecord
from services.chassis.idempotency import Request
from services.chassis.ids import routing_of
from tests.benefits.builders import NOON, Benefits, coupon, raw, standing, start_benefits

CALLER = Caller("test", frozenset(), ALL)


async def statements_of(benefits: Benefits, partition: int, commands: Sequence[Any]) -> tuple[int, State]:
    """How many statements load a batch, and what they find."""
    asked: list[str] = []
    async with benefits.platform.pool.acquire() as connection:
        version = await connection.fetchval("SELECT max(config_version) FROM head")
        states = States(await benefits.platform.configurations.at(connection, version))

        def note(record: asyncpg.connection.LoggedQuery) -> None:
            asked.append(record.query)

        with connection.query_logger(note):
            await operations.load(connection, partition, commands, states)
    return len(asked), states.at(partition)


@pytest.fixture
async def benefits() -> AsyncIterator[Benefits]:
    async with start_benefits(coupon(issue=[{"when": "level-up", "ladder": "shopper"}])) as started:
        yield started


async def test_what_commands_name_is_read_in_one_statement(benefits: Benefits) -> None:
    (member,) = await benefits.enrol()
    await benefits.stand(member, "gold")
    partition = routing_of(raw(member)) & (benefits.platform.settings.partitions - 1)
    told = parse_tiers_event(standing(member, "gold", NOON))
    batch = FeedBatch("tiers", partition, [FollowedRecord(1, [told])])
    count, state = await statements_of(benefits, partition, [batch])
    assert count == 1
    assert [m.standing for m in state.members.values()] == ['[["shopper","gold",2]]']
    assert len(state.intervals[raw(member)]) == 1
    assert len(state.held(raw(member), "coffee")) == 1
    assert state.counts["coffee"].issued == 1


async def test_what_that_concerns_is_read_in_a_second_one(benefits: Benefits) -> None:
    (member,) = await benefits.enrol()
    await benefits.stand(member, "gold")
    redeemed = await benefits.redeem(member)
    partition = routing_of(raw(member)) & (benefits.platform.settings.partitions - 1)
    redemption_id = raw(redeemed.redemption_id)
    reverse = ReverseRedemption(Request(redemption_id, b""), redemption_id, CALLER, False)
    count, state = await statements_of(benefits, partition, [reverse])
    assert count == 2
    (entitlement,) = state.entitlements.values()
    assert entitlement.entitlement_id == state.redemptions[redemption_id].entitlement_id
    assert state.counts["coffee"].redeemed == 1
    expire = ExpireEntitlements(partition, [entitlement.entitlement_id])
    count, state = await statements_of(benefits, partition, [expire])
    assert (count, state.counts["coffee"].issued) == (2, 1)
