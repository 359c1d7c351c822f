"""A unit's maximum balance cuts what activities earn where it is told to, and only there."""

from typing import Any

from tessera.points.v1 import activity_pb2
from tessera.points.v1 import points_service_pb2 as pb
from tests.points.builders import activity, budget, open_shop, outcome, reverse, rule, spend, unit
from tests.points.returns import returning

REACHED = activity_pb2.RuleOutcome.VERDICT_MAX_BALANCE_REACHED
CUT: dict[str, Any] = {"max_balance": 100, "max_balance_on_earning": "cut"}


async def test_what_does_not_fit_is_not_given_and_the_rule_says_so() -> None:
    async with open_shop(unit(**CUT), rule("one"), rule("two", rate="1/2")) as shop:
        member = await shop.enrol()
        await shop.earn(member, 20)
        purchase = activity(member, 60, await shop.now())
        simulated = await shop.points.SimulateActivity(pb.SimulateActivityRequest(activity=purchase))
        one, two = (await shop.earn(member, 60)).earnings[0].rules
        assert (one.amount, one.cut_by_max_balance) == (60, 0)
        assert (two.amount, two.cut_by_max_balance, two.verdict) == (10, 20, REACHED)
        assert [report.outcome for report in simulated.rules] == [one, two]
        assert await shop.available(member) == 100
        assert (await shop.earn(member, 60)).earnings[0].amount == 0
        await shop.points.Spend(spend(member, 30))
        assert (await shop.earn(member, 60)).earnings[0].amount == 30
        assert await shop.findings() == []


async def test_what_has_expired_leaves_room_before_a_job_has_booked_it() -> None:
    async with open_shop(unit(expiry={"policy": "duration", "days": 3}, **CUT), rule()) as shop:
        member = await shop.enrol()
        await shop.earn(member, 90)
        await shop.jump_to("2026-01-05")
        assert (await shop.earn(member, 95)).earnings[0].amount == 95
        assert await shop.available(member) == 95
        assert await shop.findings() == []


async def test_what_does_not_fit_draws_on_neither_cap_nor_budget_and_comes_back_once() -> None:
    capped = rule("capped", cap={"amount": 150, "period": "month"}, budget="spring")
    async with open_shop(unit(**CUT), capped, budget("spring", 120)) as shop:
        member = await shop.enrol()
        first = await shop.earn(member, 400)
        (told,) = first.earnings[0].rules
        assert (told.amount, told.capped, told.cut_by_max_balance, told.cut_by_budget) == (100, 250, 50, 0)
        await shop.points.Spend(spend(member, 100))
        assert (await shop.earn(member, 400)).earnings[0].amount == 20, "of the budget"
        await shop.points.RefundActivity(returning(first.activity_id, amount_minor=350))
        assert await shop.available(member) == 20 - 50
        await shop.points.ReverseActivity(reverse(first.activity_id))
        assert await shop.available(member) == 20 - 100
        assert (await shop.earn(member, 400)).earnings[0].amount == 100
        assert await shop.findings() == []


async def test_it_is_ignored_unless_it_is_asked_for_and_nothing_to_cut_to_is_refused() -> None:
    async with open_shop(unit(max_balance=100), rule()) as shop:
        member = await shop.enrol()
        assert (await shop.earn(member, 300)).earnings[0].amount == 300
        assert await outcome(shop.publish(unit(max_balance_on_earning="cut"))) == "DOCUMENT_INVALID"
