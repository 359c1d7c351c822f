"""E9: two parallel spends of everything. One success, one refusal, whatever the timing."""

import asyncio
from collections import Counter

from tessera.points.v1 import points_service_pb2 as pb
from tests.points.builders import connections, open_shop, outcome, request_id, reverse, spend

ROUNDS = 25


async def test_of_two_parallel_spends_of_the_whole_balance_one_succeeds() -> None:
    async with open_shop() as shop, connections(shop) as (left, right):
        member = await shop.enrol()
        for _ in range(ROUNDS):
            await shop.earn(member, 100)
            outcomes = await asyncio.gather(
                outcome(left.Spend(spend(member, 100))), outcome(right.Spend(spend(member, 100)))
            )
            assert sorted(outcomes) == ["", "INSUFFICIENT_POINTS"]
            assert await shop.available(member) == 0
        assert await shop.findings() == []


async def test_the_same_spend_a_hundred_times_at_once_spends_once() -> None:
    async with open_shop() as shop, connections(shop) as stubs:
        member = await shop.enrol()
        await shop.earn(member, 1000)
        same = spend(member, 7, request_id=request_id())
        answers = await asyncio.gather(*(stubs[number % 2].Spend(same) for number in range(100)))
        assert len({answer.SerializeToString(deterministic=True) for answer in answers}) == 1
        assert await shop.available(member) == 993


async def test_a_hundred_parallel_spends_take_what_there_is_and_no_more() -> None:
    async with open_shop() as shop, connections(shop) as stubs:
        member = await shop.enrol()
        await shop.earn(member, 250)
        outcomes = await asyncio.gather(*(outcome(stubs[number % 2].Spend(spend(member, 10))) for number in range(100)))
        assert Counter(outcomes) == {"": 25, "INSUFFICIENT_POINTS": 75}
        assert await shop.available(member) == 0
        assert await shop.findings() == []


async def test_an_activity_reversed_twenty_times_at_once_is_reversed_once() -> None:
    async with open_shop() as shop, connections(shop) as stubs:
        member = await shop.enrol()
        earned = await shop.earn(member, 100)
        outcomes = await asyncio.gather(
            *(outcome(stubs[number % 2].ReverseActivity(reverse(earned.activity_id))) for number in range(20))
        )
        assert Counter(outcomes) == {"": 1, "ACTIVITY_ALREADY_REVERSED": 19}
        assert await shop.available(member) == 0


async def test_items_of_one_bulk_call_compete_like_calls() -> None:
    async with open_shop() as shop:
        member = await shop.enrol()
        await shop.earn(member, 100)
        requests = [spend(member, 100) for _ in range(3)]
        results = (await shop.points.BulkSpend(pb.BulkSpendRequest(requests=requests))).results
        assert [result.HasField("response") for result in results] == [True, False, False]
