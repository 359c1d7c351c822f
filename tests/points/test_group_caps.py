"""A cap on which the members of a group draw together, and that gets back what each of them drew."""

import asyncio
from typing import Any
from uuid import UUID

import pytest

from services.chassis import ids
from services.chassis.documents import Document, DocumentErrors
from services.points.documents import compile_documents
from tessera.points.v1 import points_service_pb2 as pb
from tests.points.builders import (
    Member,
    Shop,
    activity,
    connections,
    conversion,
    in_group,
    local,
    open_shop,
    programme,
    record,
    reverse,
    rule,
    unit,
)
from tests.points.returns import key_of, returning

FAMILY = rule("for-families", cap={"amount": 100, "period": "month", "per": "group"})


async def earned(shop: Shop, member: Member, *paid: int, **fields: Any) -> list[int]:
    return [(await shop.earn(member, amount, **fields)).earnings[0].amount for amount in paid]


async def family(shop: Shop, count: int = 3, **fields: Any) -> tuple[UUID, list[Member]]:
    """Members in partitions of their own, and their group."""
    members = [await shop.enrol(routing=1 + 2 * number) for number in range(count)]
    return await shop.found(*members, **fields), members


async def used(shop: Shop, owner: UUID) -> list[tuple[int, int]]:
    """The partition and the use of each cap of a member or a group."""
    query = "SELECT partition, used FROM cap_uses WHERE member_id = $1 ORDER BY period_start"
    return [tuple(row) for row in await shop.suite.running["points"].platform.pool.fetch(query, owner)]


@pytest.mark.parametrize("routing", [None, 6], ids=["with a member", "in a partition of its own"])
async def test_members_of_a_group_draw_on_one_cap(routing: int | None) -> None:
    async with open_shop(unit(), FAMILY, at="2026-03-10") as shop:
        group, (first, second, third) = await family(shop, routing=routing)
        assert await earned(shop, first, 60) == [60]
        (outcome,) = (await shop.earn(second, 60)).earnings[0].rules
        assert (outcome.amount, outcome.capped, outcome.cap_group_id) == (40, 20, in_group(group))
        assert await earned(shop, third, 1) == [0]
        assert await used(shop, group) == [(ids.routing_of(group) % 8, 100)]
        await shop.jump_to("2026-04-01")
        assert await earned(shop, third, 70) == [70]
        assert await shop.findings() == []


async def test_who_is_in_no_group_or_in_one_that_shares_no_points_counts_alone() -> None:
    async with open_shop(unit(), FAMILY) as shop:
        _, members = await family(shop, shares=False)
        assert [await earned(shop, member, 120) for member in members] == [[100]] * 3
        (outcome,) = (await shop.earn(members[0], 1)).earnings[0].rules
        assert (outcome.amount, outcome.cap_group_id) == (0, "")


async def test_refunds_give_back_to_the_very_cap_that_was_drawn() -> None:
    async with open_shop(unit(), FAMILY, at="2026-03-10") as shop:
        group, (first, second, _) = await family(shop)
        bought = await shop.earn(first, 80)
        await shop.earn(second, 50)
        await shop.seat(group, first, left=True)
        await shop.publish(rule("for-families", cap={"amount": 100, "period": "month"}))
        await shop.points.RefundActivity(returning(bought.activity_id, amount_minor=30))
        assert await used(shop, group) == [(1, 70)]
        await shop.points.ReverseActivity(reverse(bought.activity_id))
        assert await used(shop, group) == [(1, 20)]
        assert await used(shop, first.uuid) == []
        await shop.publish(FAMILY)
        assert await earned(shop, second, 100) == [80]
        assert await shop.findings() == []


async def test_what_happened_counts_with_the_group_of_then() -> None:
    async with open_shop(unit(), FAMILY, at="2026-03-10") as shop:
        group, (first, second, _) = await family(shop)
        await shop.jump_to("2026-03-12")
        await shop.seat(group, second, left=True)
        other = await shop.found(second, routing=4)
        assert await earned(shop, second, 30, 500, at=local("2026-03-11")) == [30, 70]
        assert await earned(shop, first, 1) == [0]
        assert await earned(shop, second, 500) == [100]
        assert (await used(shop, group), await used(shop, other)) == ([(1, 100)], [(4, 100)])
        assert await earned(shop, second, 500, at=local("2026-03-09")) == [100]
        assert await used(shop, second.uuid) == [(3, 100)]


async def test_who_is_in_several_groups_counts_with_the_one_it_has_been_in_longest() -> None:
    async with open_shop(unit(), FAMILY, at="2026-03-10") as shop:
        group, (first, *_) = await family(shop)
        await shop.jump_to("2026-03-11")
        other = await shop.found(first, routing=4)
        await earned(shop, first, 10)
        assert (await used(shop, group), await used(shop, other)) == ([(1, 10)], [])


async def test_a_refund_that_waited_for_its_activity_gives_back_at_once() -> None:
    async with open_shop(unit(), FAMILY) as shop:
        group, (first, *_) = await family(shop)
        bought = activity(first, 90, await shop.now())
        await shop.points.RefundActivity(returning(key=key_of(bought), amount_minor=40))
        await shop.points.RecordActivity(record(bought))
        assert await used(shop, group) == [(1, 50)]
        assert await shop.findings() == []


async def test_a_dry_run_and_a_simulation_draw_nothing() -> None:
    async with open_shop(unit(), FAMILY) as shop:
        group, (first, second, _) = await family(shop, routing=6)
        await shop.earn(first, 70)
        bought = activity(second, 50, await shop.now())
        dry = await shop.points.RecordActivity(record(bought, validate_only=True))
        simulated = await shop.points.SimulateActivity(pb.SimulateActivityRequest(activity=bought))
        for answer in (dry, simulated):
            (outcome,) = answer.earnings[0].rules
            assert (outcome.amount, outcome.capped, outcome.cap_group_id) == (30, 20, in_group(group))
        assert await used(shop, group) == [(6, 70)]


async def test_all_at_once_members_of_many_groups_draw_no_more_than_there_is() -> None:
    async with open_shop(unit(), FAMILY) as shop, connections(shop) as stubs:
        families = [await family(shop, routing=number) for number in range(6)]
        members = [member for _, members in families for member in members]
        now = await shop.now()
        bulks = [
            pb.BulkRecordActivitiesRequest(requests=[record(activity(member, 9, now)) for member in members])
            for _ in range(8)
        ]
        answers = await asyncio.gather(*(stubs[n % 2].BulkRecordActivities(bulk) for n, bulk in enumerate(bulks)))
        given = [result.response.earnings[0].amount for answer in answers for result in answer.results]
        assert sum(given) == 6 * 100
        assert [await used(shop, group) for group, _ in families] == [[(n, 100)] for n in range(6)]
        assert await shop.findings() == []


def test_only_earn_rules_have_caps_of_groups() -> None:
    documents = [programme(), unit(), unit("miles"), conversion(cap={"amount": 1, "period": "day", "per": "group"})]
    parsed = [Document(d["kind"], d["code"], d["programme"], d["spec"]) for d in documents]
    with pytest.raises(DocumentErrors):
        compile_documents(parsed)
