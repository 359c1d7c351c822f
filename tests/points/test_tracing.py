"""Every lot knows its spends and every spend its lots, and the amounts add up."""

from datetime import date, timedelta
from random import Random
from typing import Any

import pytest
from grpc import StatusCode

from tessera.points.v1 import points_service_pb2 as pb
from tests.points.builders import (
    Member,
    Shop,
    capture,
    hold,
    local,
    open_shop,
    outcome,
    refund,
    refusal_of,
    release,
    reverse,
    rule,
    someone,
    spend,
    unit,
)


async def trace(shop: Shop, member: Member, lot_id: str, page_size: int = 0) -> Any:
    """A lot with all its uses, page by page; what it received is accounted for on each."""
    uses: list[Any] = []
    token = ""
    while True:
        answer = await shop.points.TraceLot(
            pb.TraceLotRequest(member_id=member.member_id, lot_id=lot_id, page_size=page_size, page_token=token)
        )
        went = answer.spent + answer.clawed_back + answer.expired + answer.restored
        assert answer.lot.amount == answer.lot.remaining + answer.lot.held + went
        uses += answer.uses
        token = answer.next_page_token
        if not token:
            del answer.uses[:]
            answer.uses.extend(uses)
            return answer


async def trace_spend(shop: Shop, **traced: str) -> Any:
    answer = await shop.points.TraceSpend(pb.TraceSpendRequest(**traced))
    assert sum(lot.amount for lot in answer.lots) == answer.amount == sum(f.amount for f in answer.fundings)
    assert sum(lot.refunded for lot in answer.lots) == answer.refunded == sum(r.amount for r in answer.refunds)
    return answer


async def test_a_lot_tells_where_it_came_from_and_everything_that_used_it() -> None:
    async with open_shop(unit(refund="min-validity"), rule(funder="dairy"), at="2026-05-01 10:00") as shop:
        member = await shop.enrol()
        await shop.publish(unit(expiry={"policy": "duration", "days": 30}, refund="min-validity"))
        earned = await shop.earn(member, 1000)
        lot_id = earned.earnings[0].lot_id
        await shop.jump_to("2026-05-02")
        spent = await shop.points.Spend(spend(member, 200))
        await shop.jump_to("2026-05-03")
        held = [await shop.points.Hold(hold(member, 100, local("2026-05-20"))) for _ in range(3)]
        await shop.jump_to("2026-05-04")
        captured = await shop.points.CaptureHold(capture(held[0].hold_id, 60))
        await shop.points.ReleaseHold(release(held[1].hold_id))
        await shop.points.RefundSpend(refund(spent.spend_id, 50))
        await shop.points.ReverseActivity(reverse(earned.activity_id))
        found = await trace(shop, member, lot_id)
        assert (found.lot.activity_id, found.lot.funder, found.account_id) == (
            earned.activity_id,
            "dairy",
            member.account_id,
        )
        assert (found.lot.remaining, found.lot.held, found.spent, found.expired) == (0, 100, 210, 0)
        restored = found.restored
        assert (restored, found.clawed_back) == (50, 1000 - 100 - 210 - 50)
        (child,) = [lot for lot in await shop.lots(member) if lot.lot_id != lot_id]
        by_source = {use.source_id: (use.amount, use.refunded, use.is_open) for use in found.uses}
        assert by_source == {
            spent.spend_id: (200, 50, False),
            captured.spend_id: (60, 0, False),
            held[0].hold_id: (100, 0, False),
            held[1].hold_id: (100, 0, False),
            held[2].hold_id: (100, 0, True),
            earned.activity_id: (640, 0, False),
            child.lot_id: (50, 0, False),
        }
        times = [use.used_at.ToDatetime() for use in found.uses]
        assert times == sorted(times)
        assert [use.source_id for use in (await trace(shop, member, lot_id, 2)).uses] == [
            use.source_id for use in found.uses
        ]
        assert (await trace(shop, member, child.lot_id)).origin_lot_id == lot_id


async def test_what_expired_is_told_when_it_is_booked() -> None:
    async with open_shop(at="2026-05-01") as shop:
        member = await shop.enrol()
        lot_id = await shop.lot(member, 100, date(2026, 5, 10))
        await shop.jump_to("2026-05-11")
        assert ((await trace(shop, member, lot_id)).expired, (await trace(shop, member, lot_id)).lot.remaining) == (
            0,
            100,
        )
        await shop.go_to("2026-05-13")
        assert ((await trace(shop, member, lot_id)).expired, (await trace(shop, member, lot_id)).lot.remaining) == (
            100,
            0,
        )


async def test_a_spend_tells_its_lots_who_funds_them_and_each_refund() -> None:
    async with open_shop(rule(funder="dairy"), unit(), at="2026-05-01 10:00") as shop:
        member = await shop.enrol()
        first = await shop.lot(member, 100, date(2026, 5, 10))
        await shop.publish(rule(funder="bakery"))
        second = await shop.lot(member, 100, date(2026, 6, 10))
        spent = await shop.points.Spend(spend(member, 150, reference="order 7"))
        await shop.jump_to("2026-05-02")
        await shop.points.RefundSpend(refund(spent.spend_id, 20))
        await shop.jump_to("2026-05-20")
        await shop.points.RefundSpend(refund(spent.spend_id, 90))
        found = await trace_spend(shop, spend_id=spent.spend_id)
        assert (found.member_id, found.account_id, found.domain) == (member.member_id, member.account_id, "fuel")
        assert (found.amount, found.refunded, found.state, found.reference) == (150, 110, "spent", "order 7")
        assert [(lot.lot_id, lot.amount, lot.refunded, lot.funder) for lot in found.lots] == [
            (first, 100, 60, "dairy"),
            (second, 50, 50, "bakery"),
        ]
        assert [(f.funder, f.amount, f.refunded) for f in found.fundings] == [("bakery", 50, 50), ("dairy", 100, 60)]
        assert [(r.amount, r.expired) for r in found.refunds] == [(20, 0), (90, 60)]
        assert all(r.position.position > spent.position.position for r in found.refunds)


async def test_a_hold_tells_the_lots_it_holds_and_what_became_of_it() -> None:
    async with open_shop(at="2026-05-01") as shop:
        member = await shop.enrol()
        await shop.earn(member, 100)
        held = await shop.points.Hold(hold(member, 70, local("2026-05-20")))
        found = await trace_spend(shop, hold_id=held.hold_id)
        assert (found.state, found.amount, found.captured, len(found.lots)) == ("open", 70, 0, 1)
        await shop.points.CaptureHold(capture(held.hold_id, 50))
        found = await trace_spend(shop, hold_id=held.hold_id)
        assert (found.state, found.amount, found.captured, list(found.refunds)) == ("captured", 70, 50, [])


async def test_what_there_is_not_cannot_be_traced() -> None:
    async with open_shop() as shop:
        member, other = await shop.enrol(), await shop.enrol()
        lot_id = (await shop.earn(member, 100)).earnings[0].lot_id
        asked = pb.TraceLotRequest(member_id=other.member_id, lot_id=lot_id)
        assert (await refusal_of(shop.points.TraceLot(asked))).reason == "LOT_UNKNOWN"
        asked.member_id = someone().member_id
        refusal = await refusal_of(shop.points.TraceLot(asked))
        assert (refusal.reason, refusal.code, refusal.metadata) == (
            "LOT_UNKNOWN",
            StatusCode.NOT_FOUND,
            {"lot_id": lot_id},
        )
        spend_id, hold_id = lot_id.replace("lot_", "spend_"), lot_id.replace("lot_", "hold_")
        for traced, reason in (({"spend_id": spend_id}, "SPEND_UNKNOWN"), ({"hold_id": hold_id}, "HOLD_UNKNOWN")):
            assert (await refusal_of(shop.points.TraceSpend(pb.TraceSpendRequest(**traced)))).reason == reason
        assert (await refusal_of(shop.points.TraceSpend(pb.TraceSpendRequest()))).code == StatusCode.INVALID_ARGUMENT
        forged = pb.TraceLotRequest(member_id=member.member_id, lot_id=lot_id, page_token="bm90IGEgdG9rZW4")
        assert (await refusal_of(shop.points.TraceLot(forged))).reason == "PAGE_TOKEN_INVALID"


@pytest.mark.parametrize("seed", range(2))
async def test_whatever_happens_every_lot_and_spend_adds_up(seed: int) -> None:
    random = Random(seed)
    async with open_shop(unit(refund="min-validity"), rule(), at="2026-05-01") as shop:
        member = await shop.enrol()
        earned, spent, held = [], [], []
        for step in range(25):
            if step % 4 == 0:
                days = random.choice([3, 10, 40])
                await shop.publish(unit(expiry={"policy": "duration", "days": days}, refund="min-validity"))
            earned.append((await shop.earn(member, random.randint(1, 60))).activity_id)
            call = shop.points.Spend(spend(member, random.randint(1, 60)))
            if not await outcome(call):
                spent.append((await call).spend_id)
            call = shop.points.Hold(hold(member, random.randint(1, 20), await shop.now() + timedelta(days=4)))
            if not await outcome(call):
                held.append((await call).hold_id)
            if spent and step % 2:
                await outcome(shop.points.RefundSpend(refund(random.choice(spent), random.randint(1, 20))))
            if held and step % 3 == 0:
                await outcome(shop.points.CaptureHold(capture(random.choice(held))))
            if step % 6 == 5:
                await outcome(shop.points.ReverseActivity(reverse(random.choice(earned))))
            await shop.jump_to(await shop.now() + timedelta(hours=random.randint(1, 20)))
        for lot in await shop.lots(member):
            await trace(shop, member, lot.lot_id, random.choice([1, 3, 0]))
        for spend_id in spent:
            await trace_spend(shop, spend_id=spend_id)
        for hold_id in held:
            await trace_spend(shop, hold_id=hold_id)
