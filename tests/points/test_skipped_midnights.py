"""Default 9: where a civil day has no midnight, points expire at the first instant after the gap, and not before."""

from datetime import UTC, datetime, timedelta

import pytest

from tests.points.builders import open_shop, outcome, rule, spend, unit


@pytest.mark.parametrize(
    ("zone", "at", "expiry", "gone_at"),
    [
        ("America/Sao_Paulo", "2018-10-31 12:00", {"policy": "sliding", "days": 4}, datetime(2018, 11, 4, 3)),
        ("Pacific/Apia", "2011-12-28 12:00", {"policy": "duration", "days": 2}, datetime(2011, 12, 30, 10)),
        ("Europe/London", "2026-10-24 12:00", {"policy": "duration", "days": 2}, datetime(2026, 10, 26)),
    ],
)
async def test_points_live_until_the_day_begins(
    zone: str, at: str, expiry: dict[str, object], gone_at: datetime
) -> None:
    gone_at, last = gone_at.replace(tzinfo=UTC), gone_at.replace(tzinfo=UTC) - timedelta(microseconds=1)
    async with open_shop(unit(expiry=expiry), rule(), at=at, zone=zone) as shop:
        member = await shop.enrol()
        await shop.earn(member, 100)
        (told,) = (await shop.balance(member)).expiries
        assert (told.expires_at.ToDatetime(UTC), told.amount) == (gone_at, 100)
        await shop.jump_to(last)
        await shop.points.Spend(spend(member, 1))
        await shop.jump_to(gone_at)
        assert await outcome(shop.points.Spend(spend(member, 1))) == "INSUFFICIENT_POINTS"
        await shop.go_to(gone_at + timedelta(days=1))
        assert await shop.entries(member) == [("earn", 100), ("spend", -1), ("expire", -99)]
        assert (await shop.available(member, at=last), await shop.available(member, at=gone_at)) == (99, 0)
        assert await shop.findings() == []
