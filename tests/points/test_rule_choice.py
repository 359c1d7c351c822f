"""Which rules give, and for which lines: priority, exclusive groups, excluded lines."""

from itertools import permutations
from typing import Any

import pytest

from tests.points.builders import Shop, line, open_shop, reverse, rule, unit
from tests.points.test_earning import config, earned

GROUP = {"exclusive_group": "bonus"}


def given(*documents: dict[str, Any], paid: Any = 100, **fields: Any) -> list[tuple[str, int]]:
    found = earned(config(unit(), *documents), [line(paid)] if isinstance(paid, int) else paid, **fields)
    return [(outcome.rule.code, outcome.amount) for of_unit in found for outcome in of_unit.rules]


def test_rules_are_asked_by_priority_then_by_code_whatever_order_they_are_written_in() -> None:
    documents = [rule("a"), rule("b", priority=5), rule("c", priority=-1), rule("d", priority=5)]
    assert [code for code, _ in given(*documents)] == ["b", "d", "a", "c"]


def test_of_a_group_only_the_first_by_priority_gives() -> None:
    documents = [rule("plain"), rule("small", rate="2", **GROUP), rule("large", rate="3", priority=1, **GROUP)]
    for order in permutations(documents):
        assert sorted(given(*order)) == [("large", 300), ("plain", 100)]


def test_one_that_gives_nothing_leaves_it_to_the_next() -> None:
    tea = rule("tea", rate="3", priority=2, line_condition='line.category == "TEA"', **GROUP)
    little = rule("little", rate="0.001", priority=1, **GROUP)
    assert given(tea, little, rule("rest", **GROUP)) == [("little", 0), ("rest", 100)]


def test_groups_do_not_touch_each_other() -> None:
    assert given(rule("a", exclusive_group="one"), rule("b", exclusive_group="other")) == [("a", 100), ("b", 100)]


def test_a_group_may_reach_over_units() -> None:
    miles = rule("for-miles", "miles", priority=1, **GROUP)
    assert given(unit("miles"), miles, rule("for-points", **GROUP)) == [("for-miles", 100)]


async def test_one_whose_cap_is_reached_leaves_it_to_the_next_and_gets_its_cap_back() -> None:
    capped = rule("first", rate="2", priority=1, cap={"amount": 200, "period": "month"}, **GROUP)
    async with open_shop(unit(), capped, rule("second", **GROUP), at="2026-03-10") as shop:
        member = await shop.enrol()
        first = await shop.earn(member, 100)
        assert rules_of(first) == [("first", 200)]
        assert rules_of(await shop.earn(member, 100)) == [("first", 0), ("second", 100)]
        await shop.points.ReverseActivity(reverse(first.activity_id))
        assert rules_of(await shop.earn(member, 100)) == [("first", 200)]
        assert await shop.findings() == []


def rules_of(answer: Any) -> list[tuple[str, int]]:
    return [(outcome.rule, outcome.amount) for earning in answer.earnings for outcome in earning.rules]


LINES = [line(100, category="FUEL"), line(50, category="TEA"), line(25, category="TEA", sku="gift")]


@pytest.mark.parametrize(
    ("spec", "amounts"),
    [
        ({"exclude_line_condition": 'line.category == "FUEL"'}, [75]),
        ({"exclude_line_condition": 'line.category == "FUEL"', "line_condition": 'line.sku == "gift"'}, [25]),
        ({"exclude_line_condition": 'line.category == "TEA"', "line_condition": 'line.category == "TEA"'}, []),
        ({"exclude_line_condition": "true"}, []),
        ({"exclude_line_condition": "false"}, [175]),
        ({"exclude_line_condition": 'activity.attributes["gone"] == "x"'}, [175]),
        ({"exclude_line_condition": "line.cash_minor < 50 || activity.type == 'review'"}, [150]),
    ],
)
def test_excluded_lines_never_count(spec: dict[str, Any], amounts: list[int]) -> None:
    assert [amount for _, amount in given(rule(**spec), paid=LINES)] == amounts


def test_excluded_lines_do_not_keep_an_activity_without_lines_from_a_fixed_amount() -> None:
    check_in = rule(exclude_line_condition='line.category == "FUEL"')
    check_in["spec"] = {**check_in["spec"], "amount": 5}
    del check_in["spec"]["rate"]
    assert given(check_in, paid=[]) == [("per-fen", 5)]
    assert given(check_in, paid=LINES[:1]) == []


async def test_another_set_of_rules_takes_over_at_once() -> None:
    async with open_shop(unit(), rule("a", **GROUP), rule("b", rate="2", **GROUP), at="2026-03-10") as shop:
        member = await shop.enrol()
        assert rules_of(await shop.earn(member, 100)) == [("a", 100)]
        await raise_priority(shop)
        assert rules_of(await shop.earn(member, 100)) == [("b", 200)]


async def raise_priority(shop: Shop) -> None:
    await shop.publish(rule("b", rate="2", priority=1, **GROUP))
