"""Several multipliers stack: they add up, multiply each other, or the best of them counts."""

from fractions import Fraction
from math import prod
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.points.activities.rules import RuleOutcome
from services.points.multipliers import Applied, stacked
from tests.points.builders import activity, local, open_shop, rule, unit
from tests.points.test_documents import mistakes_in
from tests.points.test_earning import MEMBER, config, earned_by

GOLD = {"ladder": "shopper", "by_level": {"silver": "5/4", "gold": "3/2"}}
TRAVEL = {"code": "travel", "ladder": "traveller", "by_level": {"f1": "2"}}
APP = {"code": "app", "condition": 'activity.attributes["channel"] == "app"', "factor": "2"}
JUNE = {
    "code": "june",
    "factor": "3",
    "valid_from": "2026-06-01T00:00:00+08:00",
    "valid_until": "2026-07-01T00:00:00+08:00",
}


def outcome(multipliers: Any, at: str = "2026-05-01", level: str = "", **fields: Any) -> RuleOutcome:
    rules = config(unit(), rule(multipliers=multipliers))
    levels = {"shopper": level} if level else {}
    purchase = activity(MEMBER, 100, local(at), **fields)
    ((found,),) = [of_unit.rules for of_unit in earned_by(rules, purchase, levels, local(at))]
    return found


@pytest.mark.parametrize(
    ("stacking", "amount", "total"), [("add", 450, "9/2"), ("multiply", 900, "9"), ("best", 300, "3")]
)
def test_gold_in_the_app_in_june(stacking: str, amount: int, total: str) -> None:
    found = outcome(
        {"stacking": stacking, "of": [GOLD, APP, JUNE]}, "2026-06-30 23:59:59", "gold", attributes={"channel": "app"}
    )
    assert (found.amount, found.multiplier, found.level) == (amount, total, "gold")
    assert found.applied == (Applied("shopper", "3/2", "gold"), Applied("app", "2", ""), Applied("june", "3", ""))


def test_adding_is_the_default() -> None:
    assert outcome({"of": [GOLD, JUNE]}, "2026-06-01", "gold").multiplier == "7/2"


def test_what_does_not_apply_changes_nothing_and_is_not_told() -> None:
    for stacking in ("add", "multiply", "best"):
        found = outcome({"stacking": stacking, "of": [GOLD, APP, JUNE]}, "2026-07-01", "bronze")
        assert (found.amount, found.multiplier, found.level, found.applied) == (100, "1", "bronze", ())


def test_the_level_recorded_is_that_of_the_first_ladder_on_which_there_is_one() -> None:
    rules = config(unit(), rule(multipliers={"of": [GOLD, TRAVEL]}))
    assert rules.ladders == ("shopper", "traveller")
    purchase = activity(MEMBER, 100, local("2026-05-01"))
    for levels, level, amount in (
        ({"shopper": "gold", "traveller": "f1"}, "gold", 250),
        ({"traveller": "f1"}, "f1", 200),
        ({"shopper": "", "traveller": "f1"}, "f1", 200),
        ({}, "", 100),
    ):
        (of_points,) = earned_by(rules, purchase, levels, local("2026-05-01"))
        assert (of_points.level, of_points.amount) == (level, amount)


applied_factors = st.lists(st.builds(Fraction, st.integers(0, 40), st.integers(1, 9)), max_size=6)


@given(applied_factors)
def test_the_algebra_of_stacking(factors: list[Fraction]) -> None:
    applied = tuple(Applied(f"m{number}", str(factor), "") for number, factor in enumerate(factors))
    total = {stacking: Fraction(stacked(stacking, applied).multiplier) for stacking in ("add", "multiply", "best")}
    assert total["add"] == max(0, 1 + sum(factor - 1 for factor in factors))
    assert total["multiply"] == prod(factors, start=Fraction(1))
    assert total["best"] == max(factors, default=1)
    reversed_ = {stacking: Fraction(stacked(stacking, applied[::-1]).multiplier) for stacking in total}
    assert reversed_ == total, "the order does not matter"
    if all(factor >= 1 for factor in factors):
        assert total["best"] <= total["add"] <= total["multiply"]
    if len(factors) == 1:
        assert set(total.values()) == set(factors)


def test_discounts_that_add_up_never_take_points_away() -> None:
    halves = [{"code": f"half-{number}", "factor": "0.25"} for number in range(3)]
    assert outcome({"stacking": "add", "of": halves}).amount == 0


def test_one_multiplier_in_the_list_is_the_same_as_alone() -> None:
    for level in ("", "bronze", "silver", "gold"):
        levels = {"shopper": level} if level else {}
        alone, listed = (
            earned_by(
                config(unit(), rule(**spec)), activity(MEMBER, 99, local("2026-05-01")), levels, local("2026-05-01")
            )
            for spec in ({"multiplier": GOLD}, {"multipliers": {"of": [GOLD]}})
        )
        assert [(e.amount, e.level, e.rules[0].multiplier) for e in alone] == [
            (e.amount, e.level, e.rules[0].multiplier) for e in listed
        ]


@pytest.mark.parametrize(
    ("spec", "field"),
    [
        ({"of": []}, ".multipliers.of"),
        ({"stacking": "most", "of": [APP]}, ".multipliers.stacking"),
        ({"of": [{**GOLD, "factor": "2"}]}, ".multipliers.of.0"),
        ({"of": [APP, {"factor": "2"}]}, ".multipliers.of.1"),
        ({"of": [{"ladder": "shopper"}]}, ".multipliers.of.0"),
        ({"of": [{**GOLD, "condition": "true"}]}, ".multipliers.of.0"),
        ({"of": [{**APP, "factor": "-1"}]}, ".multipliers.of.0.factor"),
        ({"of": [{**JUNE, "valid_until": "2026-06-01T00:00:00+08:00"}]}, ".multipliers.of.0"),
        ({"of": [APP, APP]}, ".multipliers"),
        ({"of": [GOLD, {**APP, "condition": "activity.colour == 'red'"}]}, ".multipliers.of.1.condition"),
    ],
)
def test_a_mistake_in_a_multiplier_is_named(spec: dict[str, Any], field: str) -> None:
    assert list(mistakes_in(unit(), rule(multipliers=spec))) == [f"earn-rule/per-fen{field}"]


def test_a_rule_has_a_multiplier_or_several() -> None:
    found = mistakes_in(unit(), rule(multiplier=GOLD, multipliers={"of": [APP]}))
    assert found == {"earn-rule/per-fen": "takes multiplier or multipliers"}


async def test_the_answer_tells_each_that_applied_and_the_entry_keeps_the_level() -> None:
    async with open_shop(unit(), rule(multipliers={"of": [GOLD, APP, JUNE]}), at="2026-06-10") as shop:
        member = await shop.enrol()
        await shop.raise_to(member, "gold", local("2026-01-01"))
        (earning,) = (await shop.earn(member, 100)).earnings
        (found,) = earning.rules
        assert (found.amount, found.multiplier, found.level) == (350, "7/2", "gold")
        assert [(m.code, m.factor, m.level) for m in found.multipliers] == [
            ("shopper", "3/2", "gold"),
            ("june", "3", ""),
        ]
        pool = shop.suite.running["points"].platform.pool
        assert await pool.fetchval("SELECT level FROM entries") == "gold"
        assert await shop.findings() == []


async def test_a_ladder_that_only_a_condition_names_is_known_too() -> None:
    gold_only = rule(condition='level["shopper"] == "gold"')
    async with open_shop(unit(), gold_only, at="2026-06-01") as shop:
        member = await shop.enrol()
        await shop.raise_to(member, "gold", local("2026-05-01"))
        assert [earning.amount for earning in (await shop.earn(member, 100)).earnings] == [100]
