"""What is limited per member is limited per person after a merge: caps, maximum balances, days, orders, conversions."""

from datetime import datetime, timedelta
from uuid import UUID

import pytest

from tessera.points.v1 import group_pb2
from tessera.points.v1 import points_service_pb2 as pb
from tests.points.builders import (
    SCORE,
    Member,
    Shop,
    accept,
    activity,
    conversion,
    convert,
    give,
    grant,
    hold,
    in_group,
    open_shop,
    record,
    refund,
    refusal_of,
    reverse,
    rule,
    spend,
    unit,
)
from tests.points.merging import merge, unmerge
from tests.points.returns import complete, returning

CAPPED = rule(cap={"amount": 100, "period": "month"})


async def two(shop: Shop, *, apart: bool = True) -> tuple[Member, Member]:
    return await shop.enrol(routing=1), await shop.enrol(routing=2 if apart else 1)


async def earned(shop: Shop, member: Member, *paid: int) -> list[int]:
    return [(await shop.earn(member, amount)).earnings[0].amount for amount in paid]


@pytest.mark.parametrize("apart", [True, False])
async def test_what_both_had_used_of_a_cap_adds_up(apart: bool) -> None:
    async with open_shop(unit(), CAPPED, at="2026-03-10") as shop:
        survivor, merged = await two(shop, apart=apart)
        assert await earned(shop, survivor, 30) == [30]
        assert await earned(shop, merged, 50) == [50]
        await merge(shop, survivor, merged)
        told = await shop.points.SimulateActivity(simulated(merged, 40, await shop.now()))
        assert told.earnings[0].amount == 20
        assert await earned(shop, merged, 15, 15) == [15, 5]
        assert await earned(shop, survivor, 15) == [0]
        await shop.jump_to("2026-04-01")
        assert await earned(shop, survivor, 70, 70) == [70, 30]
        assert await shop.findings() == []


def simulated(member: Member, paid: int, at: datetime) -> pb.SimulateActivityRequest:
    return pb.SimulateActivityRequest(activity=activity(member, paid, at))


async def test_what_comes_back_of_either_gives_back_to_the_cap_of_the_person() -> None:
    async with open_shop(unit(), CAPPED, at="2026-03-10") as shop:
        survivor, merged = await two(shop)
        before = await shop.earn(merged, 60)
        await earned(shop, survivor, 40)
        await merge(shop, survivor, merged)
        assert await earned(shop, survivor, 10) == [0]
        await shop.points.ReverseActivity(reverse(before.activity_id))
        assert await earned(shop, survivor, 100) == [60]
        assert await shop.findings() == []


async def test_a_bulk_call_on_persons_is_interrupted_once() -> None:
    """What each item needs of other members is loaded for all of them at once."""
    async with open_shop(unit(), CAPPED, at="2026-03-10") as shop:
        pairs = [await two(shop) for _ in range(20)]
        for survivor, merged in pairs:
            await earned(shop, merged, 50)
            await merge(shop, survivor, merged)
        now = await shop.now()
        request = pb.BulkRecordActivitiesRequest(
            requests=[record(activity(merged, 40, now)) for _ in range(2) for _, merged in pairs]
        )
        answer = await shop.points.BulkRecordActivities(request)
        amounts = [result.response.earnings[0].amount for result in answer.results]
        assert amounts == [40] * 20 + [10] * 20
        positions = {result.response.position.position for result in answer.results}
        assert len(positions) <= 2
        assert await shop.findings() == []


@pytest.mark.parametrize("apart", [True, False])
async def test_no_more_than_the_maximum_is_in_all_wallets_together(apart: bool) -> None:
    documents = (unit(max_balance=100, max_balance_on_earning="cut", gift={"minimum": 1}), rule())
    async with open_shop(*documents) as shop:
        survivor, merged = await two(shop, apart=apart)
        friend = await shop.enrol(routing=3)
        assert await earned(shop, survivor, 40) == [40]
        assert await earned(shop, merged, 50) == [50]
        assert await earned(shop, friend, 50) == [50]
        await merge(shop, survivor, merged)
        assert await earned(shop, survivor, 8) == [8]
        assert await earned(shop, merged, 8) == [2]
        for asked in (
            shop.points.Grant(grant(survivor, 1)),
            shop.points.Gift(give(friend, merged, 1)),
        ):
            refused = await refusal_of(asked)
            assert (refused.reason, refused.metadata["balance"]) == ("BALANCE_LIMIT_EXCEEDED", "100")
        await shop.points.Spend(spend(survivor, 30))
        await shop.points.Gift(give(friend, merged, 25))
        assert await shop.available(survivor) == 95
        assert await shop.findings() == []


async def test_a_gift_offered_before_is_accepted_as_far_as_the_person_may_have_it() -> None:
    gift = {"minimum": 1, "acceptance": "required", "acceptance_days": 7}
    async with open_shop(unit(max_balance=100, gift=gift), rule()) as shop:
        survivor, merged = await two(shop)
        friend = await shop.enrol(routing=3)
        await earned(shop, friend, 80)
        await earned(shop, survivor, 50)
        offered = await shop.points.Gift(give(friend, merged, 80))
        await merge(shop, survivor, merged)
        refused = await refusal_of(shop.points.AcceptGift(accept(offered.gift_id, survivor)))
        assert refused.reason == "BALANCE_LIMIT_EXCEEDED"
        assert await shop.findings() == []


async def test_a_day_and_an_order_count_what_all_of_a_person_spent_and_hold() -> None:
    limits = {"max_per_day": 100, "max_order_share": "1/2", "minor_per_point": "1"}
    async with open_shop(unit(spend=limits), rule(), at="2026-03-10") as shop:
        survivor, merged = await two(shop)
        await earned(shop, survivor, 500)
        await earned(shop, merged, 500)
        of_order = {"order_minor": 100, "reference": "order-1"}
        await shop.points.Spend(spend(survivor, 20, **of_order))
        until = await shop.now() + timedelta(days=1)
        await shop.points.Hold(hold(merged, 20, until, **of_order))
        await merge(shop, survivor, merged)
        refused = await refusal_of(shop.points.Spend(spend(survivor, 11, **of_order)))
        assert (refused.reason, refused.metadata["limit"]) == ("SPEND_LIMIT_EXCEEDED", "max_order_share")
        await shop.points.Spend(spend(merged, 10, **of_order))
        refused = await refusal_of(shop.points.Spend(spend(merged, 51, order_minor=1000)))
        assert (refused.reason, refused.metadata["limit"]) == ("SPEND_LIMIT_EXCEEDED", "max_per_day")
        await shop.points.Spend(spend(merged, 50, order_minor=1000))
        assert await shop.findings() == []


async def test_conversions_and_gifts_of_a_person_draw_on_one_cap() -> None:
    documents = (
        unit(gift={"minimum": 1, "max_per_day": 100}),
        unit("miles"),
        rule(),
        conversion(rate="1", cap={"amount": 100, "period": "month"}),
    )
    async with open_shop(*documents, at="2026-03-10") as shop:
        survivor, merged = await two(shop)
        friend = await shop.enrol(routing=3)
        for member in (survivor, merged):
            await earned(shop, member, 500)
            await shop.points.Convert(convert(member, 40))
            await shop.points.Gift(give(member, friend, 40))
        await merge(shop, survivor, merged)
        refused = await refusal_of(shop.points.Convert(convert(merged, 21)))
        assert (refused.reason, refused.metadata["left"]) == ("CONVERSION_CAP_EXCEEDED", "20")
        await shop.points.Convert(convert(merged, 20))
        refused = await refusal_of(shop.points.Gift(give(merged, friend, 21)))
        assert refused.reason == "GIFT_LIMIT_EXCEEDED"
        await shop.points.Gift(give(survivor, friend, 20))
        assert await shop.findings() == []


@pytest.mark.parametrize("order", ["own-first", "by-expiry"])
async def test_a_seat_gives_all_wallets_of_its_person_to_the_group(order: str) -> None:
    async with open_shop(unit(pooling={"order": order}), rule(), at="2026-06-01") as shop:
        survivor, merged = await two(shop)
        friend = await shop.enrol(routing=3)
        for member, points in ((survivor, 10), (merged, 50), (friend, 40)):
            await earned(shop, member, points)
        group = await shop.found(survivor, friend)
        await merge(shop, survivor, merged)
        pool = await shop.points.GetPoolBalance(pool_of(group))
        assert (pool.available, sorted(one.available for one in pool.members)) == (100, [40, 60])
        own = await shop.points.Spend(spend(merged, 55, group_id=in_group(group)))
        if order == "own-first":
            assert (await shop.available(survivor), await shop.available(friend)) == (5, 40)
        spent = await shop.points.Spend(spend(friend, 45, group_id=in_group(group)))
        assert (await shop.available(survivor), await shop.available(friend)) == (0, 0)
        await unmerge(shop, survivor, merged)
        await shop.points.RefundSpend(refund(spent.spend_id))
        await shop.points.RefundSpend(refund(own.spend_id))
        each = [await shop.available(member) for member in (survivor, merged, friend)]
        assert each == [10, 50, 40]
        assert await shop.findings() == []


async def test_what_a_person_owes_is_paid_before_it_gives_to_a_group() -> None:
    async with open_shop(unit(pooling={"order": "own-first"}), rule(), at="2026-06-01") as shop:
        survivor, merged = await two(shop)
        friend = await shop.enrol(routing=3)
        bought = await shop.earn(survivor, 30)
        await shop.points.Spend(spend(survivor, 30))
        await shop.points.ReverseActivity(reverse(bought.activity_id))
        await earned(shop, merged, 50)
        group = await shop.found(survivor, friend)
        await merge(shop, survivor, merged)
        assert (await shop.points.GetPoolBalance(pool_of(group))).available == 20
        refused = await refusal_of(shop.points.Spend(spend(friend, 21, group_id=in_group(group))))
        assert refused.reason == "INSUFFICIENT_POINTS"
        await shop.points.Spend(spend(friend, 20, group_id=in_group(group)))
        assert await shop.available(survivor) == 0
        assert await shop.findings() == []


def pool_of(group: UUID) -> group_pb2.GetPoolBalanceRequest:
    return group_pb2.GetPoolBalanceRequest(group_id=in_group(group), unit="points")


async def test_an_account_takes_along_what_it_drew_on_caps() -> None:
    """Whoever recorded it, and again after another merge."""
    async with open_shop(unit(), CAPPED, at="2026-03-10") as shop:
        survivor, merged = await two(shop)
        assert await earned(shop, survivor, 10) == [10]
        assert await earned(shop, merged, 20) == [20]
        for _ in range(2):
            await merge(shop, survivor, merged)
            as_merged = Member(survivor.uuid, merged.account_uuid, merged.domain)
            assert await earned(shop, as_merged, 20) == [20]
            await unmerge(shop, survivor, merged)
        assert (await earned(shop, survivor, 100), await earned(shop, merged, 100)) == ([90], [40])
        assert await shop.findings() == []


async def test_a_partial_unmerge_parts_what_was_drawn_by_account() -> None:
    documents = (unit(), unit("miles"), CAPPED, conversion(rate="1", cap={"amount": 100, "period": "month"}))
    async with open_shop(*documents, at="2026-03-10") as shop:
        survivor, merged = await two(shop)
        second = await shop.second_account(merged)
        assert await earned(shop, survivor, 20) == [20]
        assert await earned(shop, merged, 30) == [30]
        bought = await shop.earn(second, 10)
        await shop.points.Convert(convert(second, 5))
        await merge(shop, survivor, merged, accounts=(merged, second))
        by_second = Member(survivor.uuid, second.account_uuid, second.domain)
        later = await shop.earn(by_second, 15)
        await shop.points.Convert(convert(by_second, 10))
        await unmerge(shop, survivor, merged, accounts=(second,), staying=(merged,), whole=False)
        await shop.points.Grant(grant(second, 100))
        # 20 and 30 stay with the survivor; 10 and 15 went.
        assert await earned(shop, survivor, 60) == [50]
        refused = await refusal_of(shop.points.Convert(convert(second, 86)))
        assert refused.metadata["left"] == "85"
        assert await earned(shop, second, 70) == [70]
        await shop.points.ReverseActivity(reverse(later.activity_id))
        await shop.points.ReverseActivity(reverse(bought.activity_id))
        assert await earned(shop, second, 50) == [30]
        assert await shop.findings() == []
        await unmerge(shop, survivor, merged)
        assert await earned(shop, survivor, 90) == [30]
        assert await earned(shop, merged, 10) == [0]
        assert await shop.findings() == []


async def test_what_comes_back_after_an_unmerge_lowers_what_the_account_has_now() -> None:
    """Points, score and the use of caps of an activity that the survivor recorded."""
    async with open_shop(*SCORE, unit(), CAPPED, at="2026-03-10") as shop:
        survivor, merged = await two(shop)
        assert await earned(shop, survivor, 20) == [20]
        await merge(shop, survivor, merged)
        as_merged = Member(survivor.uuid, merged.account_uuid, merged.domain)
        bought = await shop.earn(as_merged, 60)
        await unmerge(shop, survivor, merged)
        assert await counts(shop, survivor, merged) == [20, 20, 60, 60]
        await shop.points.RefundActivity(returning(bought.activity_id, amount_minor=30))
        assert await counts(shop, survivor, merged) == [20, 20, 30, 30]
        await shop.points.ReverseActivity(reverse(bought.activity_id))
        assert await counts(shop, survivor, merged) == [20, 20, 0, 0]
        assert (await earned(shop, merged, 110), await earned(shop, survivor, 100)) == ([100], [80])
        await merge(shop, survivor, merged)
        await unmerge(shop, survivor, merged)
        assert (await earned(shop, merged, 10), await earned(shop, survivor, 10)) == ([0], [0])
        assert await shop.findings() == []


async def test_what_comes_back_after_accounts_came_again_gives_back_to_the_cap_once() -> None:
    """One of the person's members counts what was drawn, another has recorded it."""
    async with open_shop(unit(), CAPPED, at="2026-03-10") as shop:
        survivor, merged = await two(shop)
        await merge(shop, survivor, merged)
        bought = await shop.earn(Member(survivor.uuid, merged.account_uuid, merged.domain), 50)
        await unmerge(shop, survivor, merged)
        await merge(shop, survivor, merged)
        await shop.points.ReverseActivity(reverse(bought.activity_id))
        assert await earned(shop, survivor, 100) == [100]
        await unmerge(shop, survivor, merged)
        assert await earned(shop, survivor, 10) == [0]
        assert await earned(shop, merged, 100) == [100]
        assert await shop.findings() == []


async def test_an_unmerge_knows_what_accounts_drew_that_came_before_their_survivor() -> None:
    """What came through an account of the holder was recorded by the member that leaves, when that was the holder."""
    async with open_shop(unit(), CAPPED, at="2026-03-10") as shop:
        first, second = await two(shop)
        await merge(shop, first, second)
        await shop.earn(Member(first.uuid, second.account_uuid, second.domain), 20)
        await unmerge(shop, first, second)
        await merge(shop, second, first)
        await unmerge(shop, second, first)
        assert await earned(shop, first, 100) == [100]
        assert await earned(shop, second, 100) == [80]
        assert await shop.findings() == []


async def counts(shop: Shop, *members: Member) -> list[int]:
    return [await shop.available(member, of) for member in members for of in ("points", "score")]


async def test_what_waits_for_its_activity_goes_home_when_that_is_completed() -> None:
    documents = (
        *(SCORE[0], rule("nights", of="score", pending="until-completed")),
        *(unit(), rule(pending="until-completed")),
    )
    async with open_shop(*documents, at="2026-03-10") as shop:
        survivor, merged = await two(shop)
        await merge(shop, survivor, merged)
        as_merged = Member(survivor.uuid, merged.account_uuid, merged.domain)
        stay = await shop.earn(as_merged, 60)
        await unmerge(shop, survivor, merged)
        assert await counts(shop, survivor, merged) == [0, 0, 0, 0]
        await shop.points.CompleteActivity(complete(stay.activity_id))
        assert await counts(shop, survivor, merged) == [0, 0, 60, 60]
        await shop.points.ReverseActivity(reverse(stay.activity_id))
        assert await counts(shop, survivor, merged) == [0, 0, 0, 0]
        assert await shop.findings() == []
