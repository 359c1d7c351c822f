"""Members that were merged: one person draws on all its wallets, and takes them apart again. E64, E71, E72."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import date, timedelta

import pytest

from tessera.points.v1 import points_service_pb2 as pb
from tests.points.builders import (
    SCORE,
    Member,
    Shop,
    accept,
    activity,
    adjust,
    approve,
    capture,
    conversion,
    convert,
    forfeit,
    give,
    grant,
    hold,
    local,
    open_shop,
    record,
    refund,
    refusal_of,
    release,
    reverse,
    rule,
    spend,
    unit,
)
from tests.points.merging import merge, merge_heard, together, unmerge, unmerge_heard


async def two(shop: Shop, one: int = 0, other: int = 0, *, apart: bool = True) -> tuple[Member, Member]:
    """Two members with points, in one partition or in two."""
    first, second = await shop.enrol(routing=1), await shop.enrol(routing=2 if apart else 1)
    for member, points in ((first, one), (second, other)):
        if points:
            await shop.earn(member, points)
    return first, second


async def balances(shop: Shop, *members: Member, of: str = "points") -> list[int]:
    return [await shop.available(member, of) for member in members]


@pytest.mark.parametrize("apart", [True, False])
async def test_both_ids_have_what_both_had_and_spend_it(apart: bool) -> None:
    async with open_shop() as shop:
        survivor, merged = await two(shop, 100, 50, apart=apart)
        await merge(shop, survivor, merged)
        assert await balances(shop, survivor, merged) == [150, 150]
        request = spend(merged, 120)
        spent = await shop.points.Spend(request)
        assert await shop.points.Spend(request) == spent, "a retry gets the first answer"
        assert await balances(shop, survivor, merged) == [30, 30]
        refused = await refusal_of(shop.points.Spend(spend(survivor, 31)))
        assert (refused.reason, refused.metadata["available"]) == ("INSUFFICIENT_POINTS", "30")
        await shop.points.RefundSpend(refund(spent.spend_id))
        assert await balances(shop, survivor, merged) == [150, 150]
        assert await shop.findings() == []


async def test_lots_burn_in_the_order_in_which_they_expire_whosever_they_are() -> None:
    async with open_shop(at="2026-01-01") as shop:
        survivor, merged = await two(shop)
        await shop.lot(survivor, 100, date(2026, 6, 1))
        await shop.lot(merged, 100, date(2026, 3, 1))
        await shop.lot(survivor, 100, date(2026, 9, 1))
        await merge(shop, survivor, merged)
        await shop.points.Spend(spend(survivor, 150))
        found = await shop.balance(survivor)
        assert [(e.amount, e.expires_at.ToDatetime().month) for e in found.expiries] == [(50, 5), (100, 8)]
        assert await shop.findings() == []


async def test_a_hold_of_either_is_captured_and_released_by_its_id() -> None:
    """E64: merge A->B while A has hold 50: capture with the old ID works; lots keep expiry; balance = sum."""
    async with open_shop() as shop:
        survivor, merged = await two(shop, 100, 80)
        until = await shop.now() + timedelta(days=1)
        first = await shop.points.Hold(hold(merged, 50, until))
        second = await shop.points.Hold(hold(merged, 20, until))
        await merge(shop, survivor, merged)
        found = await shop.balance(survivor)
        assert (found.available, found.held) == (110, 70)
        await shop.points.CaptureHold(capture(first.hold_id))
        await shop.points.ReleaseHold(release(second.hold_id))
        assert (await balances(shop, survivor, merged)) == [130, 130]
        assert (await shop.balance(survivor)).held == 0
        await shop.points.Spend(spend(survivor, 130))
        assert await balances(shop, survivor) == [0]
        assert await shop.findings() == []


async def test_all_that_takes_points_takes_them_from_the_person() -> None:
    documents = (
        unit(gift={"minimum": 1}),
        rule(),
        unit("miles"),
        conversion(rate="1"),
    )
    async with open_shop(*documents) as shop:
        survivor, merged = await two(shop, 10, 1000)
        friend = await shop.enrol(routing=3)
        await merge(shop, survivor, merged)
        until = await shop.now() + timedelta(days=1)
        held = await shop.points.Hold(hold(survivor, 100, until))
        await shop.points.CaptureHold(capture(held.hold_id, 60))
        await shop.points.Convert(convert(survivor, 200))
        await shop.points.Gift(give(survivor, friend, 100))
        proposed = await shop.points.Adjust(adjust(merged, -50))
        await shop.as_caller("fuel").ResolveAdjustment(approve(proposed.adjustment_id))
        assert await balances(shop, survivor, friend) == [1010 - 60 - 200 - 100 - 50, 100]
        await shop.points.Forfeit(forfeit(merged))
        assert await balances(shop, survivor, merged) == [0, 0]
        assert await balances(shop, survivor, of="miles") == [200]
        assert await shop.findings() == []


async def test_what_is_given_to_either_reaches_the_person() -> None:
    async with open_shop(unit(gift={"minimum": 1, "acceptance": "required", "acceptance_days": 7}), rule()) as shop:
        survivor, merged = await two(shop)
        friend = await shop.enrol(routing=3)
        await shop.earn(friend, 100)
        before = await shop.points.Gift(give(friend, merged, 30))
        await merge(shop, survivor, merged)
        after = await shop.points.Gift(give(friend, merged, 20))
        await shop.points.AcceptGift(accept(before.gift_id, merged))
        await shop.points.AcceptGift(accept(after.gift_id, survivor))
        await shop.points.Grant(grant(merged, 7))
        assert await balances(shop, survivor, merged, friend) == [57, 57, 50]
        assert await shop.findings() == []


async def test_an_activity_of_before_is_taken_back_from_the_person() -> None:
    """Whoever has the points: nothing is forgiven while there is something."""
    async with open_shop(unit(negative_balance="forgive"), rule()) as shop:
        survivor, merged = await two(shop, 100)
        bought = await shop.earn(merged, 80)
        await merge(shop, survivor, merged)
        await shop.points.Spend(spend(survivor, 80))
        assert await balances(shop, survivor) == [100]
        await shop.points.ReverseActivity(reverse(bought.activity_id))
        assert await balances(shop, survivor, merged) == [20, 20]
        assert ("forgive", 80) not in await shop.entries(survivor)
        assert await shop.findings() == []


async def test_an_order_that_both_report_counts_once() -> None:
    """E68, from the merge on."""
    async with open_shop() as shop:
        survivor, merged = await two(shop)
        now = await shop.now()
        first = await shop.points.RecordActivity(record(activity(merged, 100, now, reference="order-1")))
        await merge(shop, survivor, merged)
        for member in (survivor, merged):
            refused = await refusal_of(
                shop.points.RecordActivity(record(activity(member, 100, now, reference="order-1")))
            )
            assert refused.reason == "ACTIVITY_ALREADY_RECORDED"
            assert refused.metadata["activity_id"] == first.activity_id
        new = record(activity(merged, 50, now, reference="order-2"), request_id="once")
        answers = [await shop.points.RecordActivity(new) for _ in range(2)]
        assert answers[0].activity_id == answers[1].activity_id
        assert await balances(shop, survivor) == [150]
        assert await shop.findings() == []


async def test_what_comes_back_after_its_account_left_is_taken_from_what_came_through_it() -> None:
    """And not from what came through other accounts of whoever has it now, though that would burn first."""
    async with open_shop() as shop:
        survivor, merged = await two(shop)
        third = await shop.enrol(routing=3)
        await merge(shop, survivor, merged)
        bought = await shop.earn(Member(survivor.uuid, merged.account_uuid, merged.domain), 44)
        await unmerge(shop, survivor, merged)
        await merge(shop, merged, third)
        soon = await shop.now() + timedelta(days=1)
        await shop.points.Grant(grant(Member(merged.uuid, third.account_uuid, third.domain), 54, soon))
        await shop.points.ReverseActivity(reverse(bought.activity_id))
        await unmerge(shop, merged, third)
        assert await balances(shop, survivor, merged, third) == [0, 0, 54]
        assert await shop.findings() == []


async def test_chains_are_one_person() -> None:
    async with open_shop() as shop:
        first, second = await two(shop, 10, 20)
        third = await shop.enrol(routing=5)
        await shop.earn(third, 40)
        await merge(shop, second, first)
        await merge(shop, third, second, first)
        assert await balances(shop, first, second, third) == [70, 70, 70]
        await shop.points.Spend(spend(first, 70))
        assert await balances(shop, first, second, third) == [0, 0, 0]
        assert await shop.findings() == []


@pytest.mark.parametrize("apart", [True, False])
async def test_an_unmerge_gives_back_what_is_left_of_what_came_along(apart: bool) -> None:
    """What was spent since is apportioned by the lots that burnt."""
    async with open_shop(*SCORE, unit(), rule()) as shop:
        survivor, merged = await two(shop, apart=apart)
        await shop.lot(merged, 50, date(2026, 3, 1))
        await shop.lot(survivor, 100, date(2026, 6, 1))
        await shop.lot(merged, 30, date(2026, 9, 1))
        await merge(shop, survivor, merged)
        spent = await shop.points.Spend(spend(survivor, 70))
        as_merged = Member(survivor.uuid, merged.account_uuid, merged.domain)
        await shop.earn(as_merged, 7)
        await unmerge(shop, survivor, merged)
        assert await balances(shop, survivor, merged) == [80, 37]
        assert await balances(shop, survivor, merged, of="score") == [100, 87]
        await shop.points.Spend(spend(merged, 37))
        assert await balances(shop, survivor, merged) == [80, 0]
        refused = await refusal_of(shop.points.Spend(spend(as_merged, 1)))
        assert refused.reason == "ACCOUNT_OF_ANOTHER_MEMBER"
        await shop.points.RefundSpend(refund(spent.spend_id))
        assert sum(await balances(shop, survivor, merged)) == 150
        assert await shop.findings() == []


async def test_an_account_goes_back_alone_with_what_came_through_it() -> None:
    """E71."""
    async with open_shop(*SCORE, unit(), rule()) as shop:
        survivor, merged = await two(shop)
        second = await shop.second_account(merged)
        await shop.earn(survivor, 100)
        await shop.earn(merged, 20)
        await shop.earn(second, 5)
        await merge(shop, survivor, merged, accounts=(merged, second))
        await unmerge(shop, survivor, merged, accounts=(second,), staying=(merged,), whole=False)
        assert await balances(shop, survivor, merged) == [120, 5]
        assert await balances(shop, survivor, merged, of="score") == [120, 5]
        await unmerge(shop, survivor, merged)
        assert await balances(shop, survivor, merged) == [100, 25]
        assert await balances(shop, survivor, merged, of="score") == [100, 25]
        await merge(shop, survivor, merged, accounts=(merged, second))
        assert await balances(shop, survivor, merged) == [125, 125]
        assert await shop.findings() == []


async def test_entries_and_lots_of_both_are_listed() -> None:
    async with open_shop() as shop:
        survivor, merged = await two(shop, 100, 50)
        await merge(shop, survivor, merged)
        assert await shop.entries(merged) == await shop.entries(survivor)
        assert sorted(await shop.entries(merged)) == [("earn", 50), ("earn", 100)]
        assert sorted(lot.remaining for lot in await shop.lots(survivor)) == [50, 100]
        assert sorted(lot.remaining for lot in await shop.lots(merged, closed=False)) == [50, 100]


async def test_each_line_of_a_statement_says_whose_wallet_it_is_in() -> None:
    """The balances after them sum to the person's, and pages of a statement are whole."""
    async with open_shop() as shop:
        survivor, merged = await two(shop, 100, 50)
        await merge(shop, survivor, merged)
        await shop.points.Spend(spend(merged, 120))
        await shop.earn(survivor, 7)
        whole = await statement(shop, merged, 100)
        last = {entry.member_id: entry.balance_after for entry in reversed(whole)}
        assert last.keys() == {survivor.member_id, merged.member_id}
        assert sum(last.values()) == await shop.available(survivor) == 37
        running = dict.fromkeys(last, 0)
        for entry in reversed(whole):
            running[entry.member_id] += entry.amount
            assert entry.balance_after == running[entry.member_id]
        for size in (1, 2):
            assert await statement(shop, survivor, size) == whole


async def statement(shop: Shop, member: Member, size: int) -> list[pb.Entry]:
    """All pages of it, the newest entry first."""
    entries: list[pb.Entry] = []
    token = None
    while token != "":
        request = pb.ListEntriesRequest(member_id=member.member_id, page_size=size, page_token=token or "")
        page = await shop.points.ListEntries(request)
        assert len(page.entries) <= size
        entries += page.entries
        token = page.next_page_token
    return entries


async def test_parallel_spends_of_a_person_never_take_more_than_there_is() -> None:
    async with open_shop() as shop:
        survivor, merged = await two(shop, 100, 100)
        await merge(shop, survivor, merged)
        answers = await asyncio.gather(
            *(shop.points.Spend(spend(member, 30)) for member in (survivor, merged) for _ in range(10)),
            return_exceptions=True,
        )
        assert sum(not isinstance(answer, BaseException) for answer in answers) == 6
        assert await balances(shop, survivor) == [20]
        assert await shop.findings() == []


async def test_balances_of_before_a_merge_stay_what_they_were() -> None:
    async with open_shop(at="2026-01-01") as shop:
        survivor, merged = await two(shop, 100, 50)
        await shop.go_to("2026-01-02 12:00")
        await merge(shop, survivor, merged)
        await shop.points.Spend(spend(survivor, 120))
        assert await shop.available(survivor, at=local("2026-01-02")) == 150
        assert await shop.available(survivor) == 30


async def test_orders_that_both_had_reported_before_count_once() -> None:
    """E68: of what both had booked, the later one is taken back, points and score."""
    async with open_shop(*SCORE, unit(), rule()) as shop:
        survivor, merged = await two(shop)
        now = await shop.now()
        for member, names in ((merged, ("order-1", "order-2")), (survivor, ("order-1", "order-3"))):
            for name in names:
                await shop.points.RecordActivity(record(activity(member, 100, now, reference=name)))
            await shop.go_to("2026-01-02")
        await merge(shop, survivor, merged)
        await until_async(lambda: balances(shop, survivor, merged), [300, 300])
        assert await balances(shop, survivor, merged, of="score") == [300, 300]
        assert ("clawback", -100) in await shop.entries(survivor)
        await shop.go_to("2026-01-03")
        assert await balances(shop, survivor) == [300], "once"
        assert await shop.findings() == []


async def until_async(look: Callable[[], Awaitable[object]], wanted: object) -> None:
    """Until it looks as wanted, for ten seconds at most."""
    async with asyncio.timeout(10):
        while await look() != wanted:  # noqa: ASYNC110  # another process would not set an event either
            await asyncio.sleep(0.05)


async def test_merges_and_an_unmerge_in_one_stretch_of_the_feed_are_followed() -> None:
    """As after an outage: what an unmerge needs follows from merges that are not applied yet."""
    async with open_shop() as shop:
        survivor, merged = await two(shop, 100, 50)
        absorbed = await shop.enrol(routing=3)
        await shop.earn(absorbed, 25)
        await together(
            shop,
            merge_heard(merged, absorbed),
            merge_heard(survivor, merged, absorbed),
            unmerge_heard(survivor, merged, absorbed),
        )
        assert await balances(shop, survivor, merged, absorbed) == [100, 75, 75]
        assert await shop.findings() == []
