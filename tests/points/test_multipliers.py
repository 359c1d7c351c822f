"""The level held when an activity took effect multiplies what it earns: recorded with the entry, never revised."""

from tests.points.builders import SCORE, Member, Shop, local, open_shop, rule, unit

BY_LEVEL = {"ladder": "shopper", "by_level": {"silver": "5/4", "gold": "3/2"}}


async def earned(shop: Shop, member: Member, at: str, paid: int = 100) -> tuple[int, str, str]:
    (earning,) = (await shop.earn(member, paid, at=local(at))).earnings
    (outcome,) = earning.rules
    return earning.amount, outcome.level, outcome.multiplier


async def test_the_level_at_the_time_counts_not_the_one_at_receipt() -> None:
    async with open_shop(unit(), rule(multiplier=BY_LEVEL), at="2026-06-01") as shop:
        member = await shop.enrol()
        await shop.raise_to(member, "bronze", local("2026-01-01"))
        await shop.raise_to(member, "silver", local("2026-03-01"))
        await shop.raise_to(member, "gold", local("2026-05-01"))
        assert await earned(shop, member, "2025-12-31") == (100, "", "1")
        assert await earned(shop, member, "2026-02-28 23:59:59") == (100, "bronze", "1")
        assert await earned(shop, member, "2026-03-01") == (125, "silver", "5/4")
        assert await earned(shop, member, "2026-05-01") == (150, "gold", "3/2")


async def test_the_entry_keeps_the_level_when_the_past_is_told_anew() -> None:
    async with open_shop(unit(), rule(multiplier=BY_LEVEL), *SCORE, at="2026-06-01") as shop:
        member = await shop.enrol()
        await shop.raise_to(member, "gold", local("2026-05-01"))
        assert await earned_points(shop, member) == (150, "gold")
        await shop.raise_to(member, "silver", local("2026-04-01"))
        assert await earned_points(shop, member) == (125, "silver")
        pool = shop.suite.running["points"].platform.pool
        rows = await pool.fetch("SELECT unit, amount, level FROM entries ORDER BY position, ordinal")
        assert [tuple(row) for row in rows] == [
            ("points", 150, "gold"),
            ("score", 100, ""),
            ("points", 125, "silver"),
            ("score", 100, ""),
        ]
        assert await shop.findings() == []


async def test_a_later_decision_takes_back_what_was_known_of_the_time_after_it() -> None:
    async with open_shop(unit(), rule(multiplier=BY_LEVEL), at="2026-06-01") as shop:
        member = await shop.enrol()
        await shop.raise_to(member, "silver", local("2026-03-01"))
        await shop.raise_to(member, "gold", local("2026-05-01"))
        await shop.raise_to(member, "silver", local("2026-04-01"))
        assert await earned(shop, member, "2026-05-15") == (125, "silver", "5/4")
        await shop.raise_to(member, "gold", local("2026-04-01"))
        assert await earned(shop, member, "2026-04-01") == (150, "gold", "3/2")
        assert await earned(shop, member, "2026-03-31") == (125, "silver", "5/4")


async def test_other_ladders_and_members_do_not_count() -> None:
    async with open_shop(unit(), rule(multiplier=BY_LEVEL), at="2026-06-01") as shop:
        member, other = await shop.enrol(), await shop.enrol()
        await shop.raise_to(member, "gold", local("2026-01-01"), ladder="traveller")
        await shop.raise_to(other, "gold", local("2026-01-01"))
        assert await earned(shop, member, "2026-05-15") == (100, "", "1")
        assert await earned(shop, other, "2026-05-15") == (150, "gold", "3/2")


async def test_a_condition_may_ask_for_a_level() -> None:
    gold_only = rule("gold-bonus", condition='level["shopper"] == "gold"', rate="10")
    async with open_shop(unit(), rule(multiplier=BY_LEVEL), gold_only, at="2026-06-01") as shop:
        member = await shop.enrol()
        await shop.raise_to(member, "gold", local("2026-05-01"))
        assert (await shop.earn(member, 10, at=local("2026-04-30"))).earnings[0].amount == 10
        assert (await shop.earn(member, 10, at=local("2026-05-01"))).earnings[0].amount == 115


async def earned_points(shop: Shop, member: Member) -> tuple[int, str]:
    earning = next(e for e in (await shop.earn(member, 100)).earnings if e.unit == "points")
    return earning.amount, earning.rules[0].level
