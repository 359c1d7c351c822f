"""E6: points pay a share of an order at most, and come back with the part of it that is returned."""

from datetime import datetime, timedelta

from tests.points.builders import Shop, capture, hold, local, open_shop, refund, refusal_of, release, rule, spend, unit

BEANS = unit(spend={"max_order_share": "1/2", "minor_per_point": "1"})


async def in_an_hour(shop: Shop) -> datetime:
    return await shop.now() + timedelta(hours=1)


async def test_e06_half_of_an_order_of_40_takes_2000_of_3000_beans_and_half_of_it_returned_gives_1000_back() -> None:
    async with open_shop(BEANS, rule()) as shop:
        member = await shop.enrol()
        await shop.earn(member, 5_000)
        refusal = await refusal_of(shop.points.Spend(spend(member, 3_000, order_minor=4_000)))
        assert refusal.reason == "SPEND_LIMIT_EXCEEDED"
        assert refusal.metadata == {"limit": "max_order_share", "allowed": "2000", "requested": "3000"}
        spent = await shop.points.Spend(spend(member, 3_000, order_minor=4_000, up_to=True))
        assert (spent.amount, spent.balance_after) == (2_000, 3_000)
        returned = await shop.points.RefundSpend(refund(spent.spend_id, order_returned_minor=2_000))
        assert (returned.refunded, returned.balance_after) == (1_000, 4_000)
        assert await shop.findings() == []


async def test_parts_of_an_order_come_to_the_whole_whatever_they_are() -> None:
    async with open_shop(BEANS, rule()) as shop:
        member = await shop.enrol()
        await shop.earn(member, 5)
        spent = await shop.points.Spend(spend(member, 5, order_minor=12))
        parts = [
            (await shop.points.RefundSpend(refund(spent.spend_id, order_returned_minor=part))).refunded
            for part in (1, 1, 1, 4, 5)
        ]
        assert parts == [0, 0, 1, 1, 3]
        refusal = await refusal_of(shop.points.RefundSpend(refund(spent.spend_id, order_returned_minor=1)))
        assert (refusal.reason, refusal.metadata) == ("ORDER_RETURN_EXCEEDED", {"returnable": "0", "requested": "1"})
        assert await shop.available(member) == 5
        assert await shop.findings() == []


async def test_what_was_refunded_otherwise_does_not_come_back_twice() -> None:
    async with open_shop(BEANS, rule()) as shop:
        member = await shop.enrol()
        await shop.earn(member, 100)
        spent = await shop.points.Spend(spend(member, 100, order_minor=200))
        await shop.points.RefundSpend(refund(spent.spend_id, 30))
        refunded = [
            (await shop.points.RefundSpend(refund(spent.spend_id, order_returned_minor=part))).refunded
            for part in (40, 60, 100)
        ]
        assert refunded == [0, 20, 50]


async def test_a_captured_hold_keeps_its_order() -> None:
    async with open_shop(BEANS, rule()) as shop:
        member = await shop.enrol()
        await shop.earn(member, 100)
        held = await shop.points.Hold(hold(member, 100, local("2026-01-02"), order_minor=60, up_to=True))
        assert (held.amount, held.available_after) == (30, 70)
        captured = await shop.points.CaptureHold(capture(held.hold_id))
        returned = await shop.points.RefundSpend(refund(captured.spend_id, order_returned_minor=20))
        assert returned.refunded == 10


async def test_an_order_must_be_named_where_a_share_of_it_is_the_limit_and_where_it_is_returned() -> None:
    async with open_shop(BEANS, rule(), unit("miles"), rule("fly", "miles")) as shop:
        member = await shop.enrol()
        await shop.earn(member, 100)
        for up_to in (False, True):
            refusal = await refusal_of(shop.points.Spend(spend(member, 10, up_to=up_to)))
            assert (refusal.reason, refusal.metadata) == ("ORDER_AMOUNT_REQUIRED", {"unit": "points"})
        spent = await shop.points.Spend(spend(member, 10, unit="miles"))
        refusal = await refusal_of(shop.points.RefundSpend(refund(spent.spend_id, order_returned_minor=1)))
        assert refusal.reason == "SPEND_WITHOUT_ORDER"


async def test_a_refund_names_an_amount_or_a_part_of_the_order() -> None:
    async with open_shop() as shop:
        member = await shop.enrol()
        await shop.earn(member, 10)
        spent = await shop.points.Spend(spend(member, 10, order_minor=20))
        for amount, returned in ((1, 1), (0, -1)):
            request = refund(spent.spend_id, amount, order_returned_minor=returned)
            assert (await refusal_of(shop.points.RefundSpend(request))).reason == "INVALID_REQUEST"


async def test_all_that_is_spent_and_held_for_an_order_shares_its_share() -> None:
    async with open_shop(BEANS, rule()) as shop:
        member = await shop.enrol()
        await shop.earn(member, 10_000)
        order = {"reference": "order 7", "order_minor": 4_000}
        spent = await shop.points.Spend(spend(member, 500, **order))
        kept = await shop.points.Hold(hold(member, 1_200, await in_an_hour(shop), **order))
        refusal = await refusal_of(shop.points.Spend(spend(member, 301, **order)))
        assert refusal.metadata == {"limit": "max_order_share", "allowed": "300", "requested": "301"}
        assert (await shop.points.Spend(spend(member, 900, up_to=True, **order))).amount == 300
        assert (await refusal_of(shop.points.Hold(hold(member, 1, await in_an_hour(shop), **order)))).metadata[
            "allowed"
        ] == "0"
        await shop.points.CaptureHold(capture(kept.hold_id, 1_000))
        await shop.points.RefundSpend(refund(spent.spend_id, 100))
        assert (await shop.points.Spend(spend(member, 900, up_to=True, **order))).amount == 300
        # Other orders, other domains' orders of that name, and orders without a name have their own.
        for other in ({"reference": "order 8"}, {"reference": ""}):
            assert (await shop.points.Spend(spend(member, 2_000, order_minor=4_000, **other))).amount == 2_000
        assert await shop.findings() == []


async def test_a_checkout_whose_hold_expired_or_was_released_begins_anew() -> None:
    async with open_shop(BEANS, rule()) as shop:
        member = await shop.enrol()
        await shop.earn(member, 10_000)
        order = {"reference": "order 7", "order_minor": 4_000}
        until = await in_an_hour(shop)
        await shop.points.Hold(hold(member, 2_000, until, **order))
        await shop.jump_to(until)
        second = await shop.points.Hold(hold(member, 2_000, await in_an_hour(shop), **order))
        await shop.points.ReleaseHold(release(second.hold_id))
        assert (await shop.points.Spend(spend(member, 2_000, **order))).amount == 2_000
        assert await shop.findings() == []
