"""E4: earn 100 on A, spend 100 on B, refund A. What the member does not have any more is met by the unit's policy."""

from typing import Any

from tests.points.builders import Member, Shop, open_shop, refund, reverse, rule, spend, unit


async def earn_spend_reverse(shop: Shop) -> tuple[Member, Any]:
    member = await shop.enrol()
    earned = await shop.earn(member, 100)
    await shop.points.Spend(spend(member, 100))
    (clawback,) = (await shop.points.ReverseActivity(reverse(earned.activity_id))).clawbacks
    assert (clawback.unit, clawback.earned, clawback.taken) == ("points", 100, 100)
    assert [kind for kind, _ in await shop.entries(member)].count("clawback") == 1
    return member, clawback


async def test_allow_negative_leaves_a_debt_that_the_next_points_pay() -> None:
    async with open_shop(unit(negative_balance="allow-negative"), rule()) as shop:
        member, clawback = await earn_spend_reverse(shop)
        assert (clawback.balance_after, clawback.forgiven, clawback.deducted) == (-100, 0, 0)
        assert await shop.available(member) == -100
        (earning,) = (await shop.earn(member, 130)).earnings
        assert (earning.amount, earning.balance_after) == (130, 30)
        assert await shop.available(member) == 30
        assert (await shop.remaining(member))[earning.lot_id] == 30
        assert await shop.findings() == []


async def test_deduct_from_cash_says_what_the_cash_refund_is_less() -> None:
    async with open_shop(unit(negative_balance="deduct-from-cash"), rule()) as shop:
        member, clawback = await earn_spend_reverse(shop)
        assert (clawback.balance_after, clawback.forgiven, clawback.deducted) == (0, 0, 100)
        assert (await shop.entries(member))[-2:] == [("clawback", -100), ("cash_deduction", 100)]
        assert await shop.available(member) == 0
        assert await shop.findings() == []


async def test_forgive_books_the_cost_of_forgiving() -> None:
    async with open_shop(unit(negative_balance="forgive"), rule()) as shop:
        member, clawback = await earn_spend_reverse(shop)
        assert (clawback.balance_after, clawback.forgiven, clawback.deducted) == (0, 100, 0)
        assert (await shop.entries(member))[-2:] == [("clawback", -100), ("forgive", 100)]
        assert await shop.available(member) == 0
        assert await shop.findings() == []


async def test_only_what_is_missing_is_owed() -> None:
    async with open_shop(unit(), rule()) as shop:
        member = await shop.enrol()
        earned = await shop.earn(member, 100)
        other = await shop.earn(member, 40)
        await shop.points.Spend(spend(member, 90))
        (clawback,) = (await shop.points.ReverseActivity(reverse(earned.activity_id))).clawbacks
        assert (clawback.taken, clawback.balance_after) == (100, -50)
        assert await shop.remaining(member) == {earned.earnings[0].lot_id: 0, other.earnings[0].lot_id: 0}
        assert await shop.findings() == []


async def test_a_refund_of_the_spend_pays_the_debt() -> None:
    async with open_shop(unit(), rule()) as shop:
        member = await shop.enrol()
        earned = await shop.earn(member, 100)
        spent = await shop.points.Spend(spend(member, 100))
        await shop.points.ReverseActivity(reverse(earned.activity_id))
        refunded = await shop.points.RefundSpend(refund(spent.spend_id, 30))
        assert refunded.balance_after == -70
        await shop.points.RefundSpend(refund(spent.spend_id))
        assert await shop.available(member) == 0
        assert await shop.remaining(member) == {earned.earnings[0].lot_id: 0}
        assert await shop.findings() == []


async def test_pending_points_pay_a_debt_when_they_can_be_spent_and_not_before() -> None:
    async with open_shop(unit(pending_days=7), rule(), at="2026-03-01") as shop:
        member = await shop.enrol()
        earned = await shop.earn(member, 100)
        await shop.go_to("2026-03-08")
        await shop.points.Spend(spend(member, 100))
        await shop.points.ReverseActivity(reverse(earned.activity_id))
        await shop.earn(member, 130)
        balance = await shop.balance(member)
        assert (balance.available, balance.pending) == (-100, 130)
        await shop.jump_to("2026-03-15")
        balance = await shop.balance(member)
        assert (balance.available, balance.pending) == (30, 0)
        await shop.points.Spend(spend(member, 30))
        assert await shop.available(member) == 0
        assert await shop.findings() == []


async def test_debts_are_paid_oldest_first() -> None:
    async with open_shop(unit(), rule(), at="2026-03-01") as shop:
        member = await shop.enrol()
        first, second = [(await shop.earn(member, paid)).activity_id for paid in (100, 50)]
        await shop.points.Spend(spend(member, 150))
        await shop.points.ReverseActivity(reverse(first))
        await shop.go_to("2026-03-02")
        await shop.points.ReverseActivity(reverse(second))
        await shop.earn(member, 120)
        rows = await shop.suite.running["points"].platform.pool.fetch(
            "SELECT amount, owed FROM clawbacks ORDER BY amount DESC"
        )
        assert [tuple(row) for row in rows] == [(100, 0), (50, 30)]
        assert await shop.available(member) == -30
        assert await shop.findings() == []
