"""E7: points of an order that is refunded before they are released are void. And what pending is otherwise."""

from datetime import UTC

from tests.points.builders import SCORE, local, open_shop, refusal_of, reverse, rule, spend, unit


async def test_an_order_refunded_before_release_leaves_nothing() -> None:
    async with open_shop(unit(pending_days=14), rule(), *SCORE, at="2026-03-01 12:00") as shop:
        member = await shop.enrol()
        earned = await shop.earn(member, 50)
        assert ((await shop.balance(member)).available, (await shop.balance(member)).pending) == (0, 50)
        reversal = await shop.points.ReverseActivity(reverse(earned.activity_id))
        assert {c.unit: (c.taken, c.balance_after) for c in reversal.clawbacks} == {"points": (50, 0), "score": (50, 0)}
        balance = await shop.balance(member)
        assert (balance.available, balance.pending, await shop.available(member, "score")) == (0, 0, 0)
        await shop.go_to("2026-03-20")
        balance = await shop.balance(member)
        assert (balance.available, balance.pending) == (0, 0)
        assert await shop.lots(member, closed=False) == []
        assert await shop.findings() == []


async def test_reversing_a_pending_activity_takes_its_own_points_and_no_others() -> None:
    async with open_shop(unit(pending_days=14), rule(), at="2026-03-01 12:00") as shop:
        member = await shop.enrol()
        await shop.earn(member, 70)
        await shop.go_to("2026-03-20")
        pending = await shop.earn(member, 50)
        await shop.points.ReverseActivity(reverse(pending.activity_id))
        assert await shop.available(member) == 70


async def test_points_are_released_at_the_start_of_a_civil_day_without_any_job() -> None:
    async with open_shop(
        unit(pending_days=14, expiry={"policy": "duration", "days": 30}), rule(), at="2026-03-01 23:30"
    ) as shop:
        member = await shop.enrol()
        (earning,) = (await shop.earn(member, 50)).earnings
        assert earning.available_at.ToDatetime(UTC) == local("2026-03-15")
        assert earning.expires_at.ToDatetime(UTC) == local("2026-04-14"), "counted from when they can be spent"
        await shop.jump_to("2026-03-14 23:59")
        refusal = await refusal_of(shop.points.Spend(spend(member, 50)))
        assert refusal.metadata == {"available": "0", "needed": "50", "held": "0", "pending": "50"}
        await shop.jump_to("2026-03-15")
        assert (await shop.points.Spend(spend(member, 50))).balance_after == 0
        assert await shop.findings() == []


async def test_a_late_report_of_points_that_could_be_spent_by_now_is_not_pending() -> None:
    async with open_shop(unit(pending_days=7), rule(), at="2026-03-20") as shop:
        member = await shop.enrol()
        await shop.earn(member, 50, at=local("2026-03-10 08:00"))
        balance = await shop.balance(member)
        assert (balance.available, balance.pending) == (50, 0)
        balance = await shop.balance(member, at=local("2026-03-16"))
        assert (balance.available, balance.pending) == (0, 50), "on the 16th it was"
