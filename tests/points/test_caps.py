"""A rule's cap: at most so much for a member in each civil period, and given back by what was recorded."""

from typing import Any

import pytest

from tessera.points.v1 import points_service_pb2 as pb
from tests.points.builders import (
    Member,
    Shop,
    activity,
    line,
    local,
    open_shop,
    programme,
    record,
    reverse,
    rule,
    unit,
)


def capped(amount: int = 100, period: str = "month", **spec: Any) -> dict[str, Any]:
    return rule(cap={"amount": amount, "period": period}, **spec)


async def amounts(shop: Shop, member: Member, *paid: int, **fields: Any) -> list[int]:
    return [(await shop.earn(member, amount, **fields)).earnings[0].amount for amount in paid]


async def test_no_more_than_the_cap_is_earned_and_the_answer_says_what_it_took() -> None:
    async with open_shop(unit(), capped(), at="2026-03-10") as shop:
        member = await shop.enrol()
        assert await amounts(shop, member, 70) == [70]
        (earning,) = (await shop.earn(member, 50)).earnings
        (outcome,) = earning.rules
        assert (earning.amount, outcome.amount, outcome.capped, outcome.base_minor) == (30, 30, 20, 50)
        assert outcome.Verdict.Name(outcome.verdict) == "VERDICT_CAPPED"
        assert outcome.cap_period == "2026-03-01"
        assert await amounts(shop, member, 50) == [0]


@pytest.mark.parametrize(
    ("period", "last", "first"),
    [
        ("day", "2026-03-10 23:59:59", "2026-03-11 00:00"),
        ("week", "2026-03-15 23:59:59", "2026-03-16 00:00"),
        ("month", "2026-03-31 23:59:59", "2026-04-01 00:00"),
        ("quarter", "2026-03-31 23:59:59", "2026-04-01 00:00"),
        ("year", "2026-12-31 23:59:59", "2027-01-01 00:00"),
    ],
)
async def test_periods_are_civil_in_the_programmes_zone(period: str, last: str, first: str) -> None:
    async with open_shop(unit(), capped(period=period), at="2026-03-10") as shop:
        member = await shop.enrol()
        assert await amounts(shop, member, 100) == [100]
        await shop.jump_to(last)
        assert await amounts(shop, member, 1) == [0]
        await shop.jump_to(first)
        assert await amounts(shop, member, 99, 99) == [99, 1]


async def test_once_and_for_all_is_a_period_too() -> None:
    async with open_shop(unit(), capped(period="ever"), at="2026-03-10") as shop:
        member = await shop.enrol()
        assert await amounts(shop, member, 60) == [60]
        await shop.jump_to("2036-03-10")
        assert await amounts(shop, member, 60) == [40]


async def test_a_late_report_draws_on_the_period_in_which_it_happened() -> None:
    async with open_shop(unit(), capped(), at="2026-03-10") as shop:
        member = await shop.enrol()
        assert await amounts(shop, member, 100) == [100]
        february = local("2026-02-20")
        assert await amounts(shop, member, 70, 70, at=february) == [70, 30]
        assert await amounts(shop, member, 1) == [0]


async def test_one_from_the_future_draws_on_the_period_of_its_receipt() -> None:
    async with open_shop(unit(), capped(), at="2026-03-10") as shop:
        member = await shop.enrol()
        assert await amounts(shop, member, 80, at=local("2026-04-20")) == [80]
        assert await amounts(shop, member, 80) == [20]


async def test_the_items_of_one_batch_share_the_cap() -> None:
    async with open_shop(unit(), capped(), at="2026-03-10") as shop:
        member, other = await shop.enrol(), await shop.enrol()
        now = await shop.now()
        requests = [record(activity(someone, 60, now)) for someone in (member, other, member, member)]
        results = (await shop.points.BulkRecordActivities(pb.BulkRecordActivitiesRequest(requests=requests))).results
        assert [result.response.earnings[0].amount for result in results] == [60, 60, 40, 0]


async def test_each_rule_has_a_cap_of_its_own_and_others_none() -> None:
    milk = capped(50, "month", code="milk", line_condition='line.category == "MILK"')
    async with open_shop(unit(), rule(), milk, at="2026-03-10") as shop:
        member = await shop.enrol()
        for expected in (40 + 40, 40 + 10, 40):
            (earning,) = (await shop.earn(member, [line(40, category="MILK")])).earnings
            assert earning.amount == expected


async def test_a_reversal_gives_the_cap_back() -> None:
    async with open_shop(unit(), capped(), at="2026-03-10") as shop:
        member = await shop.enrol()
        first = await shop.earn(member, 80)
        second = await shop.earn(member, 80)
        await shop.points.ReverseActivity(reverse(first.activity_id))
        assert await amounts(shop, member, 200) == [80], "20 are in use by the second"
        await shop.points.ReverseActivity(reverse(second.activity_id))
        assert await amounts(shop, member, 200) == [20]


@pytest.mark.parametrize("change", ["other period", "other amount", "no cap", "no rule"])
async def test_it_gives_back_what_was_recorded_whatever_the_rule_says_meanwhile(change: str) -> None:
    async with open_shop(unit(), rule("plain", rate="0"), capped(), at="2026-03-10") as shop:
        member = await shop.enrol()
        earned = await shop.earn(member, 100)
        if change == "no rule":
            await shop.publish_only(programme(), unit(), rule("plain", rate="0"))
        else:
            other = {"other period": capped(100, "day"), "other amount": capped(5), "no cap": rule()}[change]
            await shop.publish(other)
        await shop.jump_to("2026-03-20")
        await shop.points.ReverseActivity(reverse(earned.activity_id))
        await shop.publish(capped())
        earnings = (await shop.earn(member, 200)).earnings
        assert sum(earning.amount for earning in earnings) == 100
        assert await shop.findings() == []
