"""Earn budgets: what rules may give together is never exceeded, whoever draws on it, and none of it is lost."""

import asyncio
import contextlib
from collections.abc import Sequence
from typing import Any

import pytest
from grpc import StatusCode, aio

from services.chassis.documents import Document, DocumentErrors
from services.chassis.instants import timestamp
from services.points.documents import compile_documents
from tessera.points.v1 import activity_pb2, budget_pb2
from tessera.points.v1 import points_service_pb2 as pb
from tests.points.builders import (
    Member,
    Shop,
    activity,
    budget,
    connections,
    local,
    open_shop,
    programme,
    record,
    refusal_of,
    reverse,
    rule,
    unit,
)
from tests.points.returns import key_of, returning

EXHAUSTED = activity_pb2.RuleOutcome.VERDICT_BUDGET_EXHAUSTED
FIRED = activity_pb2.RuleOutcome.VERDICT_FIRED
SPRING = rule("spring-rule", budget="spring")


async def left_of(shop: Shop, code: str = "spring", **fields: Any) -> int:
    found: int = (await shop.points.GetBudget(budget_pb2.GetBudgetRequest(budget=code, **fields))).budget.left
    return found


def given(answers: Sequence[Any]) -> int:
    return sum(earning.amount for answer in answers for earning in answer.earnings)


async def members_of_all_partitions(shop: Shop) -> list[Member]:
    return [await shop.enrol(routing=partition) for partition in range(8)]


async def test_the_rule_gives_what_is_left_and_says_so() -> None:
    async with open_shop(unit(), SPRING, budget("spring", 100)) as shop:
        first, other = await shop.enrol(), await shop.enrol(routing=5)
        (outcome,) = (await shop.earn(first, 70)).earnings[0].rules
        assert (outcome.amount, outcome.verdict, outcome.budget, outcome.cut_by_budget) == (70, FIRED, "spring", 0)
        assert outcome.budget_period == "0001-01-01"
        (outcome,) = (await shop.earn(other, 70)).earnings[0].rules
        assert (outcome.amount, outcome.verdict, outcome.cut_by_budget) == (30, EXHAUSTED, 40)
        (outcome,) = (await shop.earn(first, 70)).earnings[0].rules
        assert (outcome.amount, outcome.verdict, outcome.cut_by_budget) == (0, EXHAUSTED, 70)
        assert await left_of(shop) == 0
        assert (await shop.available(first), await shop.available(other)) == (70, 30)
        assert await shop.findings() == []


async def test_several_rules_share_a_budget_also_for_one_activity() -> None:
    rules = [rule("one", budget="spring"), rule("two", budget="spring", rate="2"), rule("free", rate="1/10")]
    async with open_shop(unit(), *rules, budget("spring", 100)) as shop:
        member = await shop.enrol()
        answer = await shop.earn(member, 40)
        assert {o.rule: (o.amount, o.cut_by_budget) for o in answer.earnings[0].rules} == {
            "free": (4, 0),
            "one": (40, 0),
            "two": (60, 20),
        }
        assert (await shop.available(member), await left_of(shop)) == (104, 0)
        assert await shop.findings() == []


async def test_a_budget_begins_anew_with_each_civil_period_and_late_activities_draw_on_their_own() -> None:
    async with open_shop(unit(), SPRING, budget("spring", 50, period="day"), at="2026-03-01 23:00") as shop:
        member = await shop.enrol()
        assert given([await shop.earn(member, 80)]) == 50
        await shop.go_to("2026-03-02 01:00")
        assert given([await shop.earn(member, 30)]) == 30
        assert given([await shop.earn(member, 30, local("2026-03-01 12:00"))]) == 0
        assert given([await shop.earn(member, 30, local("2026-02-28 12:00"))]) == 30
        answer = await shop.points.GetBudget(budget_pb2.GetBudgetRequest(budget="spring"))
        found = answer.budget
        assert (found.period, found.period_start, found.amount, found.drawn, found.left) == (
            *("day", "2026-03-02"),
            *(50, 30, 20),
        )
        assert found.period_end == timestamp(local("2026-03-03"))
        assert await left_of(shop, at=timestamp(local("2026-03-01 10:00"))) == 0
        assert await shop.findings() == []


async def test_outside_its_validity_a_budget_gives_nothing() -> None:
    may = {"valid_from": "2026-05-01T00:00:00+08:00", "valid_until": "2026-06-01T00:00:00+08:00"}
    async with open_shop(unit(), SPRING, budget("spring", 50, **may), at="2026-04-30 12:00") as shop:
        member = await shop.enrol()
        assert given([await shop.earn(member, 10)]) == 0
        await shop.go_to("2026-05-01")
        assert given([await shop.earn(member, 10)]) == 10
        await shop.go_to("2026-06-01")
        assert given([await shop.earn(member, 10)]) == 0


async def test_refunds_give_back_to_the_period_and_it_can_be_drawn_again_by_anybody() -> None:
    async with open_shop(unit(), SPRING, budget("spring", 100)) as shop:
        members = await members_of_all_partitions(shop)
        purchases = [await shop.earn(member, 20) for member in members]
        assert given(purchases) == 100
        await shop.points.RefundActivity(returning(purchases[1].activity_id, amount_minor=5))
        assert await left_of(shop) == 5
        assert given([await shop.earn(members[6], 20)]) == 5
        await shop.points.ReverseActivity(reverse(purchases[0].activity_id))
        await shop.points.ReverseActivity(reverse(purchases[7].activity_id))
        assert await left_of(shop) == 20
        assert given([await shop.earn(member, 9) for member in members]) == 20
        assert await left_of(shop) == 0
        assert await shop.findings() == []


async def test_what_is_void_before_its_activity_is_completed_goes_back() -> None:
    pending = rule("stays", budget="spring", pending="until-completed")
    async with open_shop(unit(), pending, budget("spring", 100)) as shop:
        member = await shop.enrol()
        stay = await shop.earn(member, 100)
        assert await left_of(shop) == 0
        await shop.points.ReverseActivity(reverse(stay.activity_id))
        assert await left_of(shop) == 100
        assert await shop.findings() == []


async def test_a_refund_that_waited_gives_back_at_once() -> None:
    async with open_shop(unit(), SPRING, budget("spring", 60)) as shop:
        member = await shop.enrol(routing=3)
        purchase = activity(member, 100, await shop.now())
        await shop.points.RefundActivity(returning(key=key_of(purchase), amount_minor=90))
        assert given([await shop.points.RecordActivity(record(purchase))]) == 60
        assert await shop.available(member) == 10
        assert await left_of(shop) == 50
        assert await shop.findings() == []


async def test_a_dry_run_draws_nothing_and_says_the_same() -> None:
    async with open_shop(unit(), SPRING, budget("spring", 100)) as shop:
        member, other = await shop.enrol(), await shop.enrol(routing=2)
        await shop.earn(other, 60)
        purchase = activity(member, 70, await shop.now())
        simulated = await shop.points.SimulateActivity(pb.SimulateActivityRequest(activity=purchase))
        dry = await shop.points.RecordActivity(record(purchase, validate_only=True))
        assert await left_of(shop) == 40
        real = await shop.points.RecordActivity(record(purchase))
        assert dry.earnings[0].rules == real.earnings[0].rules
        (outcome,) = real.earnings[0].rules
        assert simulated.rules[0].outcome == outcome
        assert (outcome.amount, outcome.verdict) == (40, EXHAUSTED)


async def test_simulating_tells_when_an_exhausted_budget_begins_anew() -> None:
    async with open_shop(unit(), SPRING, budget("spring", 10, period="month"), at="2026-02-03") as shop:
        member = await shop.enrol()
        await shop.earn(member, 10)
        purchase = activity(member, 1, await shop.now())
        (report,) = (await shop.points.SimulateActivity(pb.SimulateActivityRequest(activity=purchase))).rules
        assert (report.outcome.verdict, report.eligible_at) == (EXHAUSTED, timestamp(local("2026-03-01")))


@pytest.mark.parametrize("portion", [None, 1, 100_000])
async def test_raising_and_lowering_the_amount(portion: int | None) -> None:
    more = {} if portion is None else {"portion": portion}
    async with open_shop(unit(), SPRING, budget("spring", 1000, **more)) as shop:
        members = await members_of_all_partitions(shop)
        assert given([await shop.earn(member, 10) for member in members]) == 80
        await shop.publish(budget("spring", 100, **more))
        assert await left_of(shop) == 20
        assert given([await shop.earn(member, 10) for member in members]) == 20
        await shop.publish(budget("spring", 50, **more))
        drawn = await shop.earn(members[0], 10)
        assert (given([drawn]), await left_of(shop)) == (0, 0)
        await shop.publish(budget("spring", 130, **more))
        assert given([await shop.earn(member, 10) for member in members]) == 30
        assert await shop.findings() == []


async def test_a_budget_that_was_lowered_below_what_is_drawn_gives_nothing_until_enough_came_back() -> None:
    async with open_shop(unit(), SPRING, budget("spring", 100)) as shop:
        first, other = await shop.enrol(), await shop.enrol(routing=4)
        purchase = await shop.earn(first, 80)
        await shop.publish(budget("spring", 50))
        assert given([await shop.earn(other, 1)]) == 0
        await shop.points.RefundActivity(returning(purchase.activity_id, amount_minor=30))
        assert given([await shop.earn(first, 1), await shop.earn(other, 1)]) == 0
        await shop.points.RefundActivity(returning(purchase.activity_id, amount_minor=3))
        assert given([await shop.earn(first, 2), await shop.earn(other, 2)]) == 3
        assert await shop.findings() == []


async def test_what_was_drawn_goes_back_to_a_budget_that_is_configured_no_more() -> None:
    async with open_shop(unit(), SPRING, budget("spring", 10)) as shop:
        member, other = await shop.enrol(), await shop.enrol(routing=6)
        purchase = await shop.earn(member, 30)
        await shop.publish_only(programme(), unit())
        await shop.points.ReverseActivity(reverse(purchase.activity_id))
        refusal = await refusal_of(shop.points.GetBudget(budget_pb2.GetBudgetRequest(budget="spring")))
        assert (refusal.reason, refusal.code) == ("BUDGET_UNKNOWN", StatusCode.NOT_FOUND)
        await shop.publish(SPRING, budget("spring", 10))
        assert given([await shop.earn(other, 30)]) == 10
        assert await shop.findings() == []


async def test_several_clients_draw_a_budget_dry_and_get_exactly_that() -> None:
    async with open_shop(unit(), SPRING, budget("spring", 1000, portion=37)) as shop, connections(shop, 20) as clients:
        members = await members_of_all_partitions(shop)
        now = await shop.now()

        async def draw(number: int, points: Any) -> int:
            purchases = [activity(members[(number + n) % 8], 1 + (number + n) % 7, now) for n in range(20)]
            return given([await points.RecordActivity(record(purchase)) for purchase in purchases])

        drawn = await asyncio.gather(*(draw(number, points) for number, points in enumerate(clients)))
        assert sum(drawn) == 1000
        assert await left_of(shop) == 0
        assert sum([await shop.available(member) for member in members]) == 1000
        assert await shop.findings() == []


async def test_a_restart_in_the_middle_loses_nothing_and_gives_nothing_twice() -> None:
    async with open_shop(unit(), SPRING, budget("spring", 1000, portion=90)) as shop, connections(shop, 8) as clients:
        members = await members_of_all_partitions(shop)
        now = await shop.now()
        restarted = asyncio.Event()

        async def draw(member: Member, points: Any) -> int:
            drawn = 0
            for _ in range(20):
                drawn += given([await insisted(points, record(activity(member, 9, now)))])
            return drawn

        async def restart() -> None:
            await shop.suite.stop("points")
            await shop.suite.start("points", virtual_clock_start=None)
            restarted.set()

        *drawn, _ = await asyncio.gather(*map(draw, members, clients), restart())
        assert restarted.is_set()
        assert (sum(drawn), await left_of(shop)) == (1000, 0)
        assert sum([await shop.available(member) for member in members]) == 1000
        assert await shop.findings() == []


async def insisted(points: Any, request: Any) -> Any:
    """The answer to a request that is repeated until there is one."""
    while True:
        with contextlib.suppress(aio.AioRpcError):
            return await points.RecordActivity(request, wait_for_ready=True, timeout=5)


@pytest.mark.parametrize(
    ("documents", "field"),
    [
        ([rule(budget="autumn")], "earn-rule/per-fen.budget"),
        ([unit("miles"), budget("miles-only", 5, of="miles"), rule(budget="miles-only")], "earn-rule/per-fen.budget"),
        ([budget("lost", 5, of="stars")], "budget/lost.unit"),
        ([budget("less", -1)], "budget/less.amount"),
        ([budget("weekly", 1, period="week")], "budget/weekly.period"),
    ],
)
def test_mistakes_in_documents_are_found(documents: Sequence[dict[str, Any]], field: str) -> None:
    everything = [Document(**document) for document in (programme(), unit(), *documents)]
    with pytest.raises(DocumentErrors) as found:
        compile_documents(everything)
    assert [violation.field for violation in found.value.violations] == [field]


async def test_budgets_are_listed_page_by_page_and_by_unit() -> None:
    budgets = [budget(f"b{number}", 10 * number) for number in range(1, 4)]
    of_miles = budget("of-miles", 5, of="miles")
    async with open_shop(unit(), unit("miles"), *budgets, of_miles) as shop:
        request = budget_pb2.ListBudgetsRequest(page_size=2, unit="points")
        first = await shop.points.ListBudgets(request)
        request.page_token = first.next_page_token
        rest = await shop.points.ListBudgets(request)
        assert [(b.budget, b.left) for b in (*first.budgets, *rest.budgets)] == [("b1", 10), ("b2", 20), ("b3", 30)]
        assert rest.next_page_token == ""
        assert len((await shop.points.ListBudgets(budget_pb2.ListBudgetsRequest())).budgets) == 4
        refusal = await refusal_of(shop.points.ListBudgets(budget_pb2.ListBudgetsRequest(unit="stars")))
        assert refusal.reason == "UNIT_UNKNOWN"
