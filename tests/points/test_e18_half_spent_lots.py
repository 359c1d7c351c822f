"""E18: what was spent counts against the lots it came from, not against the balance of another day."""

from datetime import date

from tests.points.builders import open_shop, rule, spend, unit


async def test_the_lot_that_expires_first_was_spent_first() -> None:
    async with open_shop(unit(), rule(), at="2026-05-01") as shop:
        member = await shop.enrol()
        june = await shop.lot(member, 100, date(2026, 7, 1))
        december = await shop.lot(member, 100, date(2027, 1, 1))
        await shop.points.Spend(spend(member, 80))
        assert await shop.remaining(member) == {june: 20, december: 100}
        await shop.jump_to("2026-07-01")
        assert await shop.available(member) == 100


async def test_lots_burn_by_expiry_then_by_age_and_those_that_never_expire_last() -> None:
    async with open_shop(unit(), rule(), at="2026-05-01") as shop:
        member = await shop.enrol()
        never = (await shop.earn(member, 10)).earnings[0].lot_id
        late = await shop.lot(member, 10, date(2026, 12, 1))
        await shop.go_to("2026-05-02")
        soon = await shop.lot(member, 10, date(2026, 6, 1))
        later = await shop.lot(member, 10, date(2026, 12, 1))
        assert [lot.lot_id for lot in await shop.lots(member)] == [soon, late, later, never]
        burnt = (await shop.points.Spend(spend(member, 35))).lots
        assert [(part.lot_id, part.amount) for part in burnt] == [(soon, 10), (late, 10), (later, 10), (never, 5)]
