"""E15: "end of the next year" counts in the programme's years, not in UTC's."""

from datetime import UTC, timedelta

from tests.points.builders import local, open_shop, rule, unit

END_OF_NEXT_YEAR = {"policy": "end-of-year", "years": 1}


async def test_one_second_around_new_year_in_shanghai_is_a_year_of_validity() -> None:
    async with open_shop(unit(expiry=END_OF_NEXT_YEAR), rule(), at="2025-01-01 00:00") as shop:
        member = await shop.enrol()
        last_second = local("2024-12-31 23:59:59")
        old_year = await shop.earn(member, 100, at=last_second)
        new_year = await shop.earn(member, 200, at=last_second + timedelta(seconds=1))
        assert old_year.earnings[0].expires_at.ToDatetime(UTC) == local("2026-01-01")
        assert new_year.earnings[0].expires_at.ToDatetime(UTC) == local("2027-01-01")
        await shop.jump_to(local("2026-01-01") - timedelta(microseconds=1))
        assert await shop.available(member) == 300
        await shop.jump_to("2026-01-01")
        assert await shop.available(member) == 200
        await shop.jump_to("2027-01-01")
        assert await shop.available(member) == 0
