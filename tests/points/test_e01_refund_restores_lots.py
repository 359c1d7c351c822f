"""E1: a spend is refunded after one of its lots has expired."""

from datetime import date

import pytest

from tests.points.builders import Member, Shop, local, open_shop, refund, rule, spend, unit


async def two_lots_and_a_spend(shop: Shop, **spec: str) -> tuple[Member, str, str, str]:
    """L1=100 exp 06-30, L2=200 exp 12-31; 150 are spent on 06-01: 100+50."""
    member = await shop.enrol()
    first = await shop.lot(member, 100, date(2026, 6, 30), **spec)
    second = await shop.lot(member, 200, date(2026, 12, 31), **spec)
    await shop.go_to("2026-06-01 12:00")
    spent = await shop.points.Spend(spend(member, 150))
    assert [(part.lot_id, part.amount) for part in spent.lots] == [(first, 100), (second, 50)]
    return member, first, second, spent.spend_id


async def test_keep_original_expiry_gives_back_what_still_lives_and_records_the_rest_as_expired() -> None:
    async with open_shop(unit(), rule(), at="2026-05-01") as shop:
        member, first, second, spend_id = await two_lots_and_a_spend(shop)
        await shop.go_to("2026-07-10 12:00")
        refunded = await shop.points.RefundSpend(refund(spend_id))
        assert (refunded.refunded, refunded.expired, refunded.balance_after) == (150, 100, 200)
        assert [(part.lot_id, part.amount) for part in refunded.lots] == [(second, 50), (first, 100)]
        assert await shop.available(member) == 200
        assert await shop.remaining(member) == {first: 0, second: 200}
        assert (await shop.entries(member))[-2:] == [("refund", 150), ("refund_expired", -100)]
        assert await shop.findings() == []


async def test_min_validity_gives_back_everything_with_at_least_thirty_days() -> None:
    async with open_shop(unit(), rule(), at="2026-05-01") as shop:
        member, first, second, spend_id = await two_lots_and_a_spend(shop, refund="min-validity")
        await shop.go_to("2026-07-10 12:00")
        refunded = await shop.points.RefundSpend(refund(spend_id))
        assert (refunded.refunded, refunded.expired, refunded.balance_after) == (150, 0, 300)
        balance = await shop.balance(member)
        assert balance.available == 300
        expiries = [(expiry.expires_at.ToDatetime(), expiry.amount) for expiry in balance.expiries]
        assert expiries == [
            (local("2026-08-09").replace(tzinfo=None), 100),
            (local("2026-12-31").replace(tzinfo=None), 200),
        ]
        restored = refunded.lots[1].lot_id
        assert restored not in (first, second)
        await shop.go_to("2026-08-09")
        assert await shop.available(member) == 200
        assert await shop.findings() == []


async def test_min_validity_leaves_a_lot_that_lives_longer_as_it_is() -> None:
    async with open_shop(unit(), rule(), at="2026-05-01") as shop:
        member, _, second, spend_id = await two_lots_and_a_spend(shop, refund="min-validity")
        refunded = await shop.points.RefundSpend(refund(spend_id, 50))
        assert [(part.lot_id, part.amount) for part in refunded.lots] == [(second, 50)]
        assert (await shop.remaining(member))[second] == 200


async def test_large_partial_refunds_of_one_use_open_a_lot_each() -> None:
    async with open_shop(unit(), rule(), at="2026-05-01") as shop:
        member = await shop.enrol()
        part = 1 << 20
        await shop.lot(member, 3 * part, date(2026, 6, 30), refund="min-validity")
        spent = await shop.points.Spend(spend(member, 3 * part))
        await shop.go_to("2026-07-10")
        lots = [(await shop.points.RefundSpend(refund(spent.spend_id, part))).lots[0].lot_id for _ in range(3)]
        assert len(set(lots)) == 3
        assert await shop.available(member) == 3 * part
        assert await shop.findings() == []


@pytest.mark.parametrize("rule_of_refunds", ["keep-original-expiry", "min-validity"])
async def test_points_that_never_expire_come_back_to_their_lot(rule_of_refunds: str) -> None:
    async with open_shop(unit(refund=rule_of_refunds), rule()) as shop:
        member = await shop.enrol()
        (earning,) = (await shop.earn(member, 100)).earnings
        spent = await shop.points.Spend(spend(member, 100))
        await shop.go_to("2027-07-10")
        refunded = await shop.points.RefundSpend(refund(spent.spend_id))
        assert [(part.lot_id, part.amount) for part in refunded.lots] == [(earning.lot_id, 100)]
        assert await shop.available(member) == 100
