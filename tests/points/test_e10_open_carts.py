"""E10: two open carts cannot both hold the same points."""

import asyncio
from datetime import timedelta

from tests.points.builders import capture, connections, hold, open_shop, outcome, refusal_of, release


async def test_the_second_cart_is_refused_what_the_first_one_holds() -> None:
    async with open_shop() as shop:
        member = await shop.enrol()
        await shop.earn(member, 100)
        until = await shop.now() + timedelta(hours=1)
        first = await shop.points.Hold(hold(member, 80, until))
        assert first.available_after == 20
        refusal = await refusal_of(shop.points.Hold(hold(member, 80, until)))
        assert refusal.reason == "INSUFFICIENT_POINTS"
        assert refusal.metadata == {"available": "20", "needed": "80", "held": "80", "pending": "0"}
        await shop.points.ReleaseHold(release(first.hold_id))
        second = await shop.points.Hold(hold(member, 80, until))
        assert (await shop.points.CaptureHold(capture(second.hold_id))).captured == 80
        assert await shop.available(member) == 20
        assert await shop.findings() == []


async def test_of_two_parallel_holds_one_is_placed() -> None:
    async with open_shop() as shop, connections(shop) as (left, right):
        member = await shop.enrol()
        await shop.earn(member, 100)
        until = await shop.now() + timedelta(hours=1)
        for _ in range(20):
            outcomes = await asyncio.gather(
                outcome(left.Hold(hold(member, 80, until))), outcome(right.Hold(hold(member, 80, until)))
            )
            assert sorted(outcomes) == ["", "INSUFFICIENT_POINTS"]
            until += timedelta(hours=1)
            await shop.jump_to(until - timedelta(minutes=30))
        assert (await shop.balance(member)).held == 0


async def test_capture_and_release_of_one_hold_do_not_both_win() -> None:
    async with open_shop() as shop, connections(shop) as (left, right):
        member = await shop.enrol()
        await shop.earn(member, 100)
        until = await shop.now() + timedelta(hours=1)
        for _ in range(10):
            held = await shop.points.Hold(hold(member, 1, until))
            outcomes = await asyncio.gather(
                outcome(left.CaptureHold(capture(held.hold_id))), outcome(right.ReleaseHold(release(held.hold_id)))
            )
            assert sorted(outcomes) == ["", "HOLD_NOT_OPEN"]
        assert await shop.findings() == []
