"""A process that is killed while groups spend leaves each spend whole or not made at all."""

from grpc import aio

from tessera.points.v1 import points_service_pb2 as pb
from tests.points.builders import in_group, open_shop, rule, spend, unit
from tests.points.killing import until_killed

SPENDS = 60


async def test_what_was_asked_of_a_killed_process_is_done_once_when_it_is_asked_again() -> None:
    async with open_shop(unit(pooling={"order": "by-expiry"}), rule()) as shop:
        members = [await shop.enrol(routing=number) for number in range(4)]
        for member in members:
            await shop.earn(member, 100)
        group = await shop.found(*members)
        asked = [spend(members[n % 4], 5, group_id=in_group(group)) for n in range(SPENDS)]
        ended = await until_killed(shop, "Spend", asked)
        answers = [await shop.points.Spend(request) for request in asked]
        for first, again in zip(ended, answers, strict=True):
            assert isinstance(first, aio.AioRpcError) or first == again
        left = [await shop.available(member) for member in members]
        assert sum(left) == 400 - 5 * SPENDS
        assert len({answer.spend_id for answer in answers}) == SPENDS
        traced = [await shop.points.TraceSpend(pb.TraceSpendRequest(spend_id=one.spend_id)) for one in answers]
        assert sum(one.amount for one in traced) == 5 * SPENDS
        assert await shop.findings() == []
