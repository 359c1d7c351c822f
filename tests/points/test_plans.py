"""Rows are looked up one by one, by an index of just that, also while a table is too young to have statistics."""

import re

import pytest

from services.points import jobs, queries
from services.points.activities import loading
from services.points.activities import reads as activity_reads
from services.points.budgets import loading as budgets
from services.points.budgets import reads as budget_reads
from services.points.groups import loading as groups
from services.points.partners import loading as partners
from services.points.reports import queries as reports
from services.points.traces import queries as traces
from services.points.values import ParkedState
from services.points.wallets import history, reads
from tests.support.plans import BEFORE, check_looks_up, plan_of

OF_A_BATCH = [
    "_MEMBERS",
    "_ACCOUNTS",
    "_STANDINGS",
    "_ACTIVITIES",
    "_ACTIVITIES_OF_PARKED",
    "_BALANCES",
    "_OPEN_LOTS",
    "_LOTS",
    "_LOTS_OF_ACTIVITIES",
    "_HOLDS",
    "_OPEN_HOLDS",
    "_CLAWBACKS",
    "_SPENDS",
    "_CAP_USES",
]
OF_ACTIVITIES = ["_REFUNDS", "_COMPLETIONS", "_PARKED", "_PARKED_FOR"]
OF_WALLETS = [
    "_MEMBERS",
    "_BALANCES",
    "_OPEN_LOTS",
    "_OPEN_HOLDS",
    "_OPEN_CLAWBACKS",
    "_USES_OF_OPEN_HOLDS",
    "POOLED_LOTS",
    "_OPENERS",
]


@pytest.mark.parametrize("before", BEFORE.values(), ids=BEFORE)
@pytest.mark.parametrize("name", OF_A_BATCH)
async def test_no_query_of_a_batch_reads_a_whole_partition(name: str, before: str) -> None:
    check_looks_up(await plan_of("points", getattr(queries, name), before))


@pytest.mark.parametrize("before", BEFORE.values(), ids=BEFORE)
@pytest.mark.parametrize("name", OF_ACTIVITIES)
async def test_nothing_that_came_back_is_looked_for_in_a_whole_partition(name: str, before: str) -> None:
    check_looks_up(await plan_of("points", getattr(loading, name), before))


@pytest.mark.parametrize("before", BEFORE.values(), ids=BEFORE)
@pytest.mark.parametrize("query", [budgets._PORTIONS, budgets._POOLS, budget_reads._PORTIONS])
async def test_what_a_partition_has_of_a_budget_is_looked_up_by_its_period(query: str, before: str) -> None:
    check_looks_up(await plan_of("points", query, before))


@pytest.mark.parametrize("name", OF_WALLETS)
async def test_no_query_of_wallets_reads_a_whole_partition(name: str) -> None:
    check_looks_up(await plan_of("points", getattr(reads, name)))


@pytest.mark.parametrize(
    ("query", "index"),
    [
        (queries._OPEN_HOLDS, "holds_of_member"),
        (queries._HOLDS, "holds_pkey"),
        (queries._OPEN_LOTS, "lots_open"),
        (reads._OPEN_HOLDS, "holds_of_member"),
        (reads._OPEN_LOTS, "lots_open"),
        (reads.POOLED_LOTS, "lots_open"),
    ],
    ids=["open holds", "holds", "open lots", "open holds read", "open lots read", "lots pooled"],
)
async def test_nobody_looks_at_what_others_have_open(query: str, index: str) -> None:
    plan = await plan_of("points", query)
    assert f"using {index} on" in plan or f"Scan on {index} " in plan, plan
    assert "_due" not in plan, plan


async def test_the_past_is_read_by_member() -> None:
    plan = await plan_of("points", reads._PAST)
    assert re.findall(r"Index Scan using (\w+)", plan) == [
        "entries_pkey",
        "lots_pkey",
        "activities_pkey",
        "clawbacks_pkey",
        "lot_uses_pkey",
        "holds_of_member",
    ], plan
    assert all(" AND " in condition for condition in re.findall(r"Index Cond: (.*)", plan)), plan


async def test_what_was_forfeited_is_read_by_member() -> None:
    plan = await plan_of("points", reads._FORFEITED)
    assert re.findall(r"Index Scan using (\w+)", plan) == [
        "movements_pkey",
        "lot_uses_pkey",
        "lots_pkey",
        "completions_pkey",
        "activities_pkey",
    ], plan


async def test_what_is_due_is_found_without_looking_at_what_is_not() -> None:
    plan = await plan_of("points", jobs._DUE)
    indexes = re.findall(r"Scan (?:using|on) (\w+_\w+)", plan)
    assert indexes == ["lots_due", "holds_due", "balances_due", "lots_open"], plan


async def test_what_was_known_is_read_by_member_and_compared_by_hashes() -> None:
    plan = await plan_of("points", history.AS_RECORDED)
    assert set(re.findall(r"Index Scan using (\w+)", plan)) == {
        "completions_pkey",
        "entries_pkey",
        "lots_pkey",
        "activities_pkey",
        "clawbacks_pkey",
        "lot_uses_pkey",
        "balances_pkey",
        "holds_of_member",
    }, plan
    assert all(" AND " in condition for condition in re.findall(r"Index Cond: (.*)", plan)), plan
    assert "Join Filter" not in plan, plan
    assert "hashed SubPlan" in plan, plan


@pytest.mark.parametrize("name", ["_LOT", "_USES", "_SUMS", "_SPEND", "_HOLD", "_USED_LOTS", "_REFUNDS"])
async def test_no_trace_reads_a_whole_partition(name: str) -> None:
    check_looks_up(await plan_of("points", getattr(traces, name)))


async def test_an_export_reads_the_journal_from_its_place_on() -> None:
    plan = await plan_of("points", reports._JOURNAL)
    assert "Index Scan using journal_pkey" in plan, plan
    assert "Sort" not in plan, plan
    check_looks_up(plan)


@pytest.mark.parametrize("before", BEFORE.values(), ids=BEFORE)
@pytest.mark.parametrize("name", ["_SEATS", "_SEATS_SINCE", "_POOLED_SPENDS", "_SERVED"])
async def test_no_group_is_looked_for_in_a_whole_partition(name: str, before: str) -> None:
    check_looks_up(await plan_of("points", getattr(groups, name), before))


async def test_nobody_looks_at_seats_that_were_left() -> None:
    assert "using group_seats_taken on" in await plan_of("points", groups._SEATS)


@pytest.mark.parametrize("name", ["_CONVERSIONS", "_ONE", "_IN_STATE", "_WAITING"])
async def test_no_conversion_with_a_partner_is_looked_for_in_a_whole_partition(name: str) -> None:
    check_looks_up(await plan_of("points", getattr(partners, name)))


@pytest.mark.parametrize("state", list(ParkedState))
async def test_parked_refunds_are_listed_by_where_they_stand(state: ParkedState) -> None:
    plan = await plan_of("points", activity_reads._PARKED[state])
    index = "waiting" if state == ParkedState.PARKED else "closed"
    assert f"using parked_refunds_{index} on" in plan, plan


async def test_refunds_that_waited_too_long_are_found_among_those_that_wait() -> None:
    assert "using parked_refunds_waiting on" in await plan_of("points", activity_reads._OVERDUE)


async def test_nothing_is_looked_up_for_an_activity_while_nothing_waits() -> None:
    plan = await plan_of("points", loading._WAITING_FOR)
    assert "One-Time Filter: (InitPlan" in plan, plan
    indexes = re.findall(r"Scan (?:using|on) (\w+_\w+)", plan)
    assert indexes == ["parked_refunds_waiting", "parked_refunds_natural_key"], plan
