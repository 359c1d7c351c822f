"""Entries and lots in pages: each once, in order, whatever the size of a page and whatever happens between pages."""

from datetime import date
from typing import Any

import pytest
from grpc import StatusCode

from tessera.points.v1 import points_service_pb2 as pb
from tests.points.builders import SCORE, Member, Shop, hold, local, open_shop, refusal_of, rule, spend, unit


async def all_lots(shop: Shop, member: Member, page_size: int, *, closed: bool) -> list[Any]:
    lots, token = [], ""
    while True:
        page = await shop.points.ListLots(
            pb.ListLotsRequest(
                member_id=member.member_id, unit="points", include_closed=closed, page_size=page_size, page_token=token
            )
        )
        assert len(page.lots) <= page_size
        lots += page.lots
        token = page.next_page_token
        if not token:
            return lots


async def all_entries(shop: Shop, member: Member, page_size: int, of: str = "") -> list[Any]:
    entries, token = [], ""
    while True:
        page = await shop.points.ListEntries(
            pb.ListEntriesRequest(member_id=member.member_id, unit=of, page_size=page_size, page_token=token)
        )
        entries += page.entries
        token = page.next_page_token
        if not token:
            return entries


@pytest.mark.parametrize("page_size", [1, 3, 7, 1000])
async def test_lots_come_in_burn_order_those_without_expiry_last(page_size: int) -> None:
    async with open_shop(unit(), rule(), at="2026-05-01") as shop:
        member = await shop.enrol()
        never = [(await shop.earn(member, 1)).earnings[0].lot_id for _ in range(4)]
        dated = [await shop.lot(member, 10, date(2026, 6, day)) for day in (20, 10, 10, 30)]
        expected = [dated[1], dated[2], dated[0], dated[3]]
        found = [lot.lot_id for lot in await all_lots(shop, member, page_size, closed=False)]
        assert (found[2:4], set(found[:2])) == (expected[2:4], set(expected[:2]))
        assert sorted(found[4:]) == sorted(never)
        assert found == [lot.lot_id for lot in await all_lots(shop, member, page_size, closed=True)]
        burnt = (await shop.points.Spend(spend(member, 44))).lots
        assert [part.lot_id for part in burnt] == found


@pytest.mark.parametrize("page_size", [1, 2, 100])
async def test_open_lots_are_those_with_something_in_them_now(page_size: int) -> None:
    async with open_shop(unit(), rule(), at="2026-05-01") as shop:
        member = await shop.enrol()
        expired = await shop.lot(member, 10, date(2026, 5, 10))
        spent = await shop.lot(member, 10, date(2026, 5, 20))
        held = await shop.lot(member, 10, date(2026, 5, 30))
        left = await shop.lot(member, 10, date(2026, 6, 20))
        await shop.jump_to("2026-05-15")
        await shop.points.Spend(spend(member, 10))
        await shop.points.Hold(hold(member, 10, local("2026-06-10")))
        await shop.jump_to("2026-06-05")
        found = await all_lots(shop, member, page_size, closed=False)
        assert [(lot.lot_id, lot.remaining, lot.held) for lot in found] == [(held, 0, 10), (left, 10, 0)]
        every = await all_lots(shop, member, page_size, closed=True)
        assert [lot.lot_id for lot in every] == [expired, spent, held, left]
        await shop.jump_to("2026-06-10")
        found = await all_lots(shop, member, page_size, closed=False)
        assert [(lot.lot_id, lot.remaining, lot.held) for lot in found] == [(left, 10, 0)], "the hold let go too late"


@pytest.mark.parametrize("page_size", [1, 4, 1000])
async def test_entries_come_newest_first_also_when_new_ones_arrive(page_size: int) -> None:
    async with open_shop(unit(), rule(), *SCORE) as shop:
        member, other = await shop.enrol(), await shop.enrol()
        for paid in range(1, 6):
            await shop.earn(member, paid)
            await shop.earn(other, 1000)
        entries = await all_entries(shop, member, page_size)
        assert [(e.unit, e.amount) for e in entries] == [
            (of_unit, paid) for paid in range(5, 0, -1) for of_unit in ("score", "points")
        ]
        assert [e.amount for e in await all_entries(shop, member, page_size, "points")] == [5, 4, 3, 2, 1]
        first = await shop.points.ListEntries(pb.ListEntriesRequest(member_id=member.member_id, page_size=4))
        await shop.earn(member, 6)
        second = await shop.points.ListEntries(
            pb.ListEntriesRequest(member_id=member.member_id, page_size=4, page_token=first.next_page_token)
        )
        assert [e.amount for e in second.entries] == [3, 3, 2, 2]


async def test_an_entry_tells_what_moved_why_and_through_which_account() -> None:
    async with open_shop(at="2026-05-01 10:00") as shop:
        member = await shop.enrol()
        earned = await shop.earn(member, 100, at=local("2026-04-30"))
        spent = await shop.points.Spend(spend(member, 30))
        spending, earning = await all_entries(shop, member, 10)
        assert (earning.source_id, earning.counterparty, earning.balance_after) == (
            earned.activity_id,
            "funder:platform",
            100,
        )
        assert (spending.source_id, spending.counterparty, spending.balance_after) == (spent.spend_id, "redemption", 70)
        assert earning.account_id == spending.account_id == member.account_id
        assert earning.effective_at.ToDatetime(local("2026-04-30").tzinfo) == local("2026-04-30")
        assert earning.recorded_at == spending.effective_at
        assert earning.position == earned.position


async def test_a_token_belongs_to_its_request() -> None:
    async with open_shop() as shop:
        member, other = await shop.enrol(), await shop.enrol()
        for _ in range(3):
            await shop.earn(member, 1)
        token = (
            await shop.points.ListEntries(pb.ListEntriesRequest(member_id=member.member_id, page_size=1))
        ).next_page_token
        for request in (
            pb.ListEntriesRequest(member_id=other.member_id, page_token=token),
            pb.ListEntriesRequest(member_id=member.member_id, page_token=token + "x"),
            pb.ListEntriesRequest(member_id=member.member_id, unit="points", page_token=token),
        ):
            refusal = await refusal_of(shop.points.ListEntries(request))
            assert (refusal.reason, refusal.code) == ("PAGE_TOKEN_INVALID", StatusCode.INVALID_ARGUMENT)


async def test_a_member_with_nothing_has_empty_lists_and_zero_balances() -> None:
    async with open_shop(unit(), rule(), *SCORE) as shop:
        member = await shop.enrol()
        assert await all_entries(shop, member, 10) == []
        for closed in (False, True):
            assert await all_lots(shop, member, 10, closed=closed) == []
        balances = (await shop.points.GetBalance(pb.GetBalanceRequest(member_id=member.member_id))).balances
        assert [(b.unit, b.available, b.pending, b.held) for b in balances] == [("points", 0, 0, 0), ("score", 0, 0, 0)]
        past = pb.GetBalanceRequest(member_id=member.member_id)
        past.effective_at.FromDatetime(local("2025-06-01"))
        assert [b.available for b in (await shop.points.GetBalance(past)).balances] == [0, 0]
        unknown = pb.ListLotsRequest(member_id=member.member_id, unit="miles")
        assert (await refusal_of(shop.points.ListLots(unknown))).reason == "UNIT_UNKNOWN"
