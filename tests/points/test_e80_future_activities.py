"""E80: an event from the future is booked when it is received; what it said is kept, and flagged."""

from datetime import UTC, timedelta

from services.points.heard import StandingHeard
from tessera.points.v1 import activity_pb2
from tests.points.builders import SCORE, activity, local, open_shop, record, rule, unit


async def test_an_activity_from_the_future_is_booked_at_receipt_and_flagged() -> None:
    async with open_shop(unit(expiry={"policy": "end-of-month", "months": 0}), rule(), *SCORE, at="2026-03-10") as shop:
        member = await shop.enrol()
        claimed = local("2026-05-20")
        answer = await shop.points.RecordActivity(record(activity(member, 100, claimed)))
        assert answer.booked_at_receipt
        assert answer.earnings[0].expires_at.ToDatetime(UTC) == local("2026-04-01")
        pool = shop.suite.running["points"].platform.pool
        row = await pool.fetchrow("SELECT effective_at, body FROM activities")
        assert row["effective_at"] == local("2026-03-10")
        assert activity_pb2.Activity.FromString(row["body"]).occurred_at.ToDatetime(UTC) == claimed
        assert {r["effective_at"] for r in await pool.fetch("SELECT effective_at FROM entries")} == {
            local("2026-03-10")
        }
        assert await shop.findings() == []


async def test_one_of_the_past_takes_effect_when_it_happened() -> None:
    async with open_shop(unit(expiry={"policy": "end-of-month", "months": 0}), rule(), at="2026-03-10") as shop:
        member = await shop.enrol()
        answer = await shop.earn(member, 100, at=local("2026-02-27"))
        assert not answer.booked_at_receipt
        assert await shop.available(member) == 0, "it had expired on the first of March"
        assert await shop.available(member, at=local("2026-02-28")) == 100


async def test_the_level_is_that_of_the_time_of_receipt() -> None:
    by_level = {"ladder": "shopper", "by_level": {"gold": "3"}}
    async with open_shop(unit(), rule(multiplier=by_level), at="2026-03-10") as shop:
        member = await shop.enrol()
        await shop.hear("tiers", member.partition, StandingHeard(member.uuid, "shopper", "gold", local("2026-03-11")))
        answer = await shop.points.RecordActivity(record(activity(member, 100, local("2026-03-12"))))
        assert answer.earnings[0].amount == 100
        await shop.go_to(local("2026-03-11") + timedelta(hours=1))
        assert (await shop.earn(member, 100)).earnings[0].amount == 300
