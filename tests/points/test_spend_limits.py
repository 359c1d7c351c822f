"""How much a unit lets be spent: at once, in steps, and in a civil day."""

from typing import Any

from tessera.points.v1 import points_service_pb2 as pb
from tests.points.builders import (
    capture,
    hold,
    local,
    open_shop,
    refund,
    refusal_in,
    refusal_of,
    release,
    rule,
    spend,
    unit,
)

STEPS = {"minimum": 100, "multiple_of": 30, "max_per_transaction": 200}


async def test_an_amount_keeps_to_minimum_multiple_and_maximum() -> None:
    refused = [
        (90, "SPEND_BELOW_MINIMUM", {"minimum": "100", "requested": "90"}),
        (121, "SPEND_NOT_A_MULTIPLE", {"multiple_of": "30", "requested": "121"}),
        (210, "SPEND_LIMIT_EXCEEDED", {"limit": "max_per_transaction", "allowed": "180", "requested": "210"}),
    ]
    async with open_shop(unit(spend=STEPS), rule()) as shop:
        member = await shop.enrol()
        await shop.earn(member, 1_000)
        for amount, reason, metadata in refused:
            for call in (
                shop.points.Spend(spend(member, amount)),
                shop.points.Hold(hold(member, amount, local("2026-01-02"))),
            ):
                refusal = await refusal_of(call)
                assert (refusal.reason, refusal.metadata) == (reason, metadata)
        assert (await shop.points.Spend(spend(member, 180))).amount == 180


async def test_up_to_takes_the_largest_amount_allowed_that_is_there() -> None:
    async with open_shop(unit(spend=STEPS), rule()) as shop:
        for there, offered, taken in (
            (1_000, 1_000, 180),
            (1_000, 150, 150),
            (1_000, 149, 120),
            (170, 1_000, 150),
        ):
            member = await shop.enrol()
            await shop.earn(member, there)
            spent = await shop.points.Spend(spend(member, offered, up_to=True))
            assert (spent.amount, spent.balance_after) == (taken, there - taken)


async def test_up_to_is_refused_when_nothing_can_be_taken() -> None:
    async with open_shop(unit(spend=STEPS), rule(), unit("miles"), rule("fly", "miles")) as shop:
        member = await shop.enrol()
        refusal = await refusal_of(shop.points.Spend(spend(member, 5, unit="miles", up_to=True)))
        assert (refusal.reason, refusal.metadata["needed"]) == ("INSUFFICIENT_POINTS", "1")
        await shop.earn(member, 119)
        refusal = await refusal_of(shop.points.Spend(spend(member, 500, up_to=True)))
        assert (refusal.reason, refusal.metadata["needed"]) == ("INSUFFICIENT_POINTS", "120")
        refusal = await refusal_of(shop.points.Spend(spend(member, 119, up_to=True)))
        assert (refusal.reason, refusal.metadata["minimum"]) == ("SPEND_BELOW_MINIMUM", "120")
        assert (await shop.points.Spend(spend(member, 500, unit="miles", up_to=True))).amount == 119


async def left_today(shop: Any, member: Any) -> int:
    """What can still be spent today."""
    amount: int = (await shop.points.Spend(spend(member, 1_000, up_to=True, validate_only=True))).amount
    return amount


async def test_a_civil_day_counts_what_is_spent_and_held_and_gets_back_what_comes_back() -> None:
    async with open_shop(unit(spend={"max_per_day": 100}), rule(), at="2026-01-01 09:00") as shop:
        member = await shop.enrol()
        await shop.earn(member, 10_000)
        spent = await shop.points.Spend(spend(member, 40))
        first = await shop.points.Hold(hold(member, 30, local("2026-01-05")))
        second = await shop.points.Hold(hold(member, 20, local("2026-01-05")))
        assert await left_today(shop, member) == 10
        refusal = await refusal_of(shop.points.Spend(spend(member, 11)))
        assert refusal.metadata == {"limit": "max_per_day", "allowed": "10", "requested": "11"}
        await shop.points.ReleaseHold(release(second.hold_id))
        assert await left_today(shop, member) == 30
        await shop.points.CaptureHold(capture(first.hold_id, 25))
        assert await left_today(shop, member) == 35
        await shop.points.RefundSpend(refund(spent.spend_id, 15))
        assert await left_today(shop, member) == 50
        await shop.jump_to("2026-01-01 23:59")
        assert await left_today(shop, member) == 50
        await shop.jump_to("2026-01-02")
        assert await left_today(shop, member) == 100
        await shop.points.RefundSpend(refund(spent.spend_id))
        assert await left_today(shop, member) == 100


async def test_items_of_one_call_share_the_day() -> None:
    async with open_shop(unit(spend={"max_per_day": 100}), rule()) as shop:
        member = await shop.enrol()
        await shop.earn(member, 1_000)
        request = pb.BulkSpendRequest(requests=[spend(member, amount) for amount in (60, 50, 40, 1)])
        results = (await shop.points.BulkSpend(request)).results
        assert [result.response.amount for result in results] == [60, 0, 40, 0]
        assert refusal_in(results[3].error).metadata["allowed"] == "0"


async def test_a_hold_that_is_captured_on_another_day_counts_there() -> None:
    async with open_shop(unit(spend={"max_per_day": 100}), rule()) as shop:
        member = await shop.enrol()
        await shop.earn(member, 1_000)
        held = await shop.points.Hold(hold(member, 70, local("2026-01-05")))
        await shop.jump_to("2026-01-02")
        await shop.points.CaptureHold(capture(held.hold_id))
        assert await left_today(shop, member) == 30
