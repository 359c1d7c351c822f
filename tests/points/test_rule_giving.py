"""What a rule gives: by rate, a fixed amount, for each full part, by steps, by a formula; per line or not."""

from fractions import Fraction
from math import floor
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.points.activities.rules import FORMULA_FAILED, FORMULA_NEGATIVE, OutOfRange
from services.points.documents import PointsConfig
from tests.points.builders import line, open_shop, unit
from tests.points.test_documents import mistakes_in
from tests.points.test_earning import config, earned

STEPS = [{"from": 0, "rate": "0.01"}, {"from": 10_000, "rate": "0.02"}, {"from": 50_000, "rate": "0.05"}]


def giving(**spec: Any) -> dict[str, Any]:
    """A rule's document without the usual rate."""
    return {"kind": "earn-rule", "code": "gives", "programme": "shop", "spec": {"unit": "points", **spec}}


def rules(**spec: Any) -> PointsConfig:
    return config(unit(), giving(**spec))


def amount(found: PointsConfig, *paid: int, level: str = "", **fields: Any) -> int:
    return sum(of_unit.amount for of_unit in earned(found, [line(one) for one in paid], level, **fields))


def test_a_fixed_amount_is_given_for_each_activity_that_matches_also_without_lines() -> None:
    check_in = rules(amount=5, condition='activity.type == "check-in"')
    assert amount(check_in, type="check-in") == 5
    assert amount(check_in, 100, 200, type="check-in") == 5
    assert amount(check_in, 100) == 0


def test_a_fixed_amount_for_lines_needs_one_that_matches_even_if_it_is_free() -> None:
    milk = rules(amount=5, line_condition='line.category == "MILK"')
    assert earned(milk, [line(0, category="MILK")])[0].amount == 5
    assert earned(milk, [line(100, category="TEA")]) == []


@pytest.mark.parametrize(("paid", "beans"), [(1_999, 0), (2_000, 1), (3_999, 1), (4_000, 2), (0, 0)])
def test_one_bean_for_each_full_20_yuan(paid: int, beans: int) -> None:
    assert amount(rules(amount=1, per=2_000), paid) == beans


def test_full_parts_are_of_the_whole_activity_or_of_each_line() -> None:
    assert amount(rules(amount=3, per=2_000), 1_000, 3_000, 1_999) == 6
    assert amount(rules(amount=3, per=2_000, rounded_per="line"), 1_000, 3_000, 1_999) == 3


@pytest.mark.parametrize(
    ("paid", "whole", "marginal"),
    [
        (0, 0, 0),
        (9_999, 99, 99),
        (10_000, 200, 100),
        (10_001, 200, 100),
        (49_999, 999, 899),
        (50_000, 2_500, 900),
        (60_000, 3_000, 1_400),
    ],
)
def test_a_table_gives_by_the_step_reached_or_by_each_step(paid: int, whole: int, marginal: int) -> None:
    assert amount(rules(table=STEPS), paid) == whole
    assert amount(rules(table=STEPS, table_mode="marginal"), paid) == marginal


def test_below_the_first_step_nothing_is_given() -> None:
    steps = [{"from": 5_000, "rate": "0.1"}]
    assert [amount(rules(table=steps), paid) for paid in (4_999, 5_000)] == [0, 500]
    assert [amount(rules(table=steps, table_mode="marginal"), paid) for paid in (4_999, 5_000, 5_010)] == [0, 0, 1]


tables = st.dictionaries(
    st.integers(0, 10**6), st.builds(Fraction, st.integers(0, 50), st.integers(1, 999)), min_size=1
)


@settings(deadline=None, max_examples=60)
@given(tables, st.integers(0, 2 * 10**6))
def test_marginal_steps_sum_to_what_each_unit_of_money_earns_by_its_own_step(
    table: dict[int, Fraction], paid: int
) -> None:
    starts = sorted(table)
    ends = [*starts[1:], 10**9]
    exact = sum(
        ((min(paid, end) - start) * table[start] for start, end in zip(starts, ends, strict=True) if paid > start),
        Fraction(0),
    )
    steps = [{"from": start, "rate": str(table[start])} for start in starts]
    assert amount(rules(table=steps, table_mode="marginal"), paid) == floor(exact)
    reached = max((start for start in starts if start <= paid), default=None)
    assert amount(rules(table=steps), paid) == (0 if reached is None else floor(paid * table[reached]))


def test_rounding_is_for_the_order_or_for_each_line() -> None:
    assert amount(rules(rate="0.01"), 50, 50, 99) == 1
    assert amount(rules(rate="0.01", rounded_per="line"), 50, 50, 99) == 0
    assert amount(rules(rate="0.01", rounded_per="line", rounding="half-up"), 50, 50, 99) == 3
    assert amount(rules(rate="0.01", rounded_per="line", rounding="ceil"), 1, 1, 101) == 4


@settings(deadline=None, max_examples=60)
@given(st.lists(st.integers(0, 10**6), max_size=15), st.integers(1, 10**4))
def test_rounding_down_each_line_never_gives_more_and_by_less_than_a_point_a_line(
    paid: list[int], thousands: int
) -> None:
    rate = f"{thousands}/1000"
    whole, by_line = amount(rules(rate=rate), *paid), amount(rules(rate=rate, rounded_per="line"), *paid)
    assert 0 <= whole - by_line <= len(paid)


def test_a_formula_sees_activity_base_and_level() -> None:
    formula = 'base / 100 + (activity.type == "purchase" ? 7 : 0) + ("shopper" in level ? 1000 : 0)'
    assert amount(rules(formula=formula), 300, 99) == 3 + 7
    assert amount(rules(formula=formula), 300, level="gold") == 3 + 7 + 1000
    assert amount(rules(formula=formula), 300, type="review") == 3


def test_a_formula_for_lines_sees_each_line_with_its_base() -> None:
    by_line = rules(formula="line.quantity * 2 + base / 1000", rounded_per="line")
    (of_points,) = earned(by_line, [line(2_999, quantity=3), line(0, quantity=1)])
    assert (of_points.amount, of_points.rules[0].base_minor) == (3 * 2 + 2 + 2, 2_999)
    siblings = rules(formula="int(size(activity.lines))", rounded_per="line")
    assert amount(siblings, 1, 1, 1) == 9


def test_a_formula_is_multiplied_too() -> None:
    by_level = {"ladder": "shopper", "by_level": {"gold": "3/2"}}
    assert amount(rules(formula="base / 100", multiplier=by_level), 700, level="gold") == 10


@pytest.mark.parametrize(
    ("formula", "verdict", "problem"),
    [
        ("100 / (base - 300)", FORMULA_FAILED, "divide by zero"),
        ("base % (base - 300)", FORMULA_FAILED, "modulus by zero"),
        ("base * 9223372036854775807", FORMULA_FAILED, "integer overflow"),
        ('int(activity.attributes["weight"])', FORMULA_FAILED, 'Key not found in map : "weight"'),
        ("int(activity.type)", FORMULA_FAILED, "cannot convert string to int"),
        ("activity.lines[5].quantity", FORMULA_FAILED, "Index error"),
        ("base - 301", FORMULA_NEGATIVE, ""),
    ],
)
@pytest.mark.parametrize("per", ["activity", "line"])
def test_a_formula_that_fails_gives_nothing_and_the_others_give(
    formula: str, verdict: int, problem: str, per: str
) -> None:
    both = config(unit(), giving(formula=formula, rounded_per=per), {**giving(rate="1"), "code": "plain"})
    (of_points,) = earned(both, [line(300)])
    failed, plain = of_points.rules
    assert (failed.amount, failed.verdict) == (0, verdict)
    assert problem in failed.problem
    assert of_points.amount == plain.amount == 300


def test_what_leaves_64_bits_after_multiplying_is_out_of_range() -> None:
    with pytest.raises(OutOfRange):
        amount(rules(formula="9223372036854775807", rounded_per="line"), 1, 1)


@pytest.mark.parametrize(
    ("spec", "field", "description"),
    [
        ({}, "", "takes exactly one of rate, amount (also with per), table and formula"),
        ({"rate": "1", "amount": 1}, "", "takes exactly one of rate, amount (also with per), table and formula"),
        ({"rate": "1", "formula": "1"}, "", "takes exactly one of rate, amount (also with per), table and formula"),
        ({"rate": "1", "per": 5}, "", "per takes amount"),
        ({"rate": "1", "table_mode": "whole"}, "", "table_mode takes table"),
        ({"amount": 0}, ".amount", "greater than or equal to 1"),
        ({"amount": 1, "per": 0}, ".per", "greater than or equal to 1"),
        ({"table": []}, ".table", "at least 1 item"),
        ({"table": [{"from": 5, "rate": "1"}, {"from": 5, "rate": "2"}]}, ".table", "above the one before"),
        ({"table": [{"from": -1, "rate": "1"}]}, ".table.0.from", "greater than or equal to 0"),
        ({"table": [{"from": 0, "rate": "x"}]}, ".table.0.rate", "must be a whole number or a string"),
        ({"formula": "base * 1.5"}, ".formula", "line 1, column 6: found no matching overload"),
        ({"formula": "double(base)"}, ".formula", "line 1, column 1: is no whole number (int)"),
        ({"formula": "base > 5"}, ".formula", "line 1, column 1: is no whole number (int)"),
        ({"formula": "dyn(base)"}, ".formula", "line 1, column 1: is no whole number (int)"),
        ({"formula": "base +\n  bace"}, ".formula", "line 2, column 3: undeclared reference to 'bace'"),
        ({"formula": "line.quantity"}, ".formula", "line 1, column 5: undeclared reference to 'line.quantity'"),
        ({"formula": "line.colour", "rounded_per": "line"}, ".formula", "line 1, column 5: undefined field 'colour'"),
        ({"rate": "1", "rounded_per": "basket"}, ".rounded_per", "Input should be 'activity' or 'line'"),
    ],
)
def test_a_mistake_in_what_it_gives_is_named(spec: dict[str, Any], field: str, description: str) -> None:
    found = mistakes_in(unit(), giving(**spec))
    assert list(found) == [f"earn-rule/gives{field}"]
    assert description in found[f"earn-rule/gives{field}"]


def test_mistakes_in_all_expressions_of_all_rules_are_reported_together() -> None:
    campaign = {"code": "odd", "factor": "2", "condition": "1 + 1"}
    found = mistakes_in(
        unit(),
        {
            **giving(formula="bace", condition="levl", line_condition="lin", exclude_line_condition="'a' + 'b' == ''"),
            "code": "a",
        },
        {**giving(rate="1", multipliers={"of": [campaign]}), "code": "b"},
        {**giving(rate="1", funders={"platform": 0}), "code": "c"},
    )
    assert set(found) == {
        "earn-rule/a.formula",
        "earn-rule/a.condition",
        "earn-rule/a.line_condition",
        "earn-rule/a.exclude_line_condition",
        "earn-rule/b.multipliers.of.0.condition",
        "earn-rule/c.funders.platform",
    }


async def test_each_way_of_giving_is_booked_and_proven() -> None:
    ways: dict[str, dict[str, Any]] = {
        "a-check-in": {"amount": 5},
        "b-beans": {"amount": 1, "per": 2_000},
        "c-table": {"table": STEPS},
        "d-formula": {"formula": "base / 1000"},
        "e-fails": {"formula": "1 / (base - base)"},
    }
    documents = [{**giving(**spec), "code": code} for code, spec in ways.items()]
    async with open_shop(unit(), *documents) as shop:
        member = await shop.enrol()
        (earning,) = (await shop.earn(member, 12_345)).earnings
        verdict = earning.rules[0].Verdict.Name
        assert [(rule.rule, rule.amount, verdict(rule.verdict)) for rule in earning.rules] == [
            ("a-check-in", 5, "VERDICT_FIRED"),
            ("b-beans", 6, "VERDICT_FIRED"),
            ("c-table", 246, "VERDICT_FIRED"),
            ("d-formula", 12, "VERDICT_FIRED"),
            ("e-fails", 0, "VERDICT_FORMULA_FAILED"),
        ]
        assert await shop.available(member) == 269
        assert await shop.findings() == []
