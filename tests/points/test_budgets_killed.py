"""A process that is killed while partitions lease and draw on a budget overspends nothing, and loses nothing."""

import pytest
from grpc import aio

from tessera.points.v1 import budget_pb2
from tests.points.builders import activity, budget, open_shop, record, rule, unit
from tests.points.killing import until_killed

AMOUNT, PORTION, PAID = 1_000, 30, 9
TIMES = (16, 160)
"""Purchases of each process: of the first the budget has enough for all, of the second not."""


@pytest.mark.reliability
async def test_a_budget_is_drawn_to_its_end_and_no_further_though_processes_are_killed() -> None:
    async with open_shop(unit(), rule("of-spring", budget="spring"), budget("spring", AMOUNT, portion=PORTION)) as shop:
        members = [await shop.enrol(routing=partition) for partition in range(8)]
        now = await shop.now()
        asked, told = [], []
        for times in TIMES:
            coming = [record(activity(members[number % 8], PAID, now)) for number in range(times)]
            told += await until_killed(shop, "RecordActivity", coming)
            asked += coming
        answers = [await shop.points.RecordActivity(request) for request in asked]
        for first, again in zip(told, answers, strict=True):
            assert isinstance(first, aio.AioRpcError) or first == again
        left = (await shop.points.GetBudget(budget_pb2.GetBudgetRequest(budget="spring"))).budget.left
        assert (sum(earning.amount for answer in answers for earning in answer.earnings), left) == (AMOUNT, 0)
        assert sum([await shop.available(member) for member in members]) == AMOUNT
        assert await shop.findings() == []
