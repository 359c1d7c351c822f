"""What activities earn: rates, bases, rounding, line conditions, several units and funders at once."""

from datetime import datetime
from fractions import Fraction
from math import ceil, floor
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.chassis.documents import Document
from services.points.activities.limits import Limits
from services.points.activities.rules import Earned, OutOfRange, earnings, evaluate
from services.points.budgets.values import Left
from services.points.documents import PointsConfig, compile_documents
from services.points.giving import Subject
from services.points.specs import MAX_AMOUNT
from tests.points.builders import (
    SCORE,
    Shop,
    activity,
    line,
    local,
    open_shop,
    programme,
    record,
    refusal_of,
    rule,
    someone,
    spend,
    unit,
)
from tests.support.suite import start_suite

NOW = local("2026-06-01")
MEMBER = someone()


def config(*documents: dict[str, Any]) -> PointsConfig:
    return compile_documents([Document(**document) for document in (programme(), *documents)])


def earned(rules: PointsConfig, paid: Any, level: str = "", **fields: Any) -> list[Earned]:
    levels = {"shopper": level} if level else {}
    return earned_by(rules, activity(MEMBER, paid, NOW, **fields), levels, NOW)


def earned_by(rules: PointsConfig, purchase: Any, levels: dict[str, str], at: datetime) -> list[Earned]:
    subject = Subject(purchase, list(purchase.lines), levels)
    limits = Limits(MEMBER.uuid, at, {}, lambda budget, _: Left(budget.amount, True), lambda _: MAX_AMOUNT)
    return earnings(evaluate(rules.rules, subject, at, limits))


RATES = st.one_of(
    st.builds("{}/{}".format, st.integers(0, 10**6), st.integers(1, 10**6)),
    st.builds("{}.{:03}".format, st.integers(0, 50), st.integers(0, 999)),
)
ROUNDINGS = {"floor": floor, "ceil": ceil, "half-up": lambda exact: floor(exact + Fraction(1, 2))}


@settings(deadline=None)
@given(RATES, RATES, st.sampled_from(sorted(ROUNDINGS)), st.lists(st.integers(0, 10**12), max_size=20), st.booleans())
def test_what_is_earned_is_rate_times_base_times_multiplier_rounded_once(
    rate: str, multiplier: str, rounding: str, paid: list[int], is_gold: bool
) -> None:
    by_level = {"ladder": "shopper", "by_level": {"gold": multiplier}}
    rules = config(unit(), rule(rate=rate, rounding=rounding, multiplier=by_level))
    exact = sum(paid) * Fraction(rate) * (Fraction(multiplier) if is_gold else 1)
    lines, level = [line(amount) for amount in paid], "gold" if is_gold else ""
    if ROUNDINGS[rounding](exact) > MAX_AMOUNT:
        with pytest.raises(OutOfRange):
            earned(rules, lines, level)
        return
    (of_points,) = earned(rules, lines, level)
    assert of_points.amount == ROUNDINGS[rounding](exact)
    (outcome,) = of_points.rules
    assert Fraction(outcome.multiplier) == (Fraction(multiplier) if is_gold else 1)
    assert outcome.base_minor == sum(paid)


def test_the_whole_activity_is_rounded_not_its_lines() -> None:
    rules = config(unit(), rule(rate="0.01"))
    (of_points,) = earned(rules, [line(50), line(50), line(99)])
    assert of_points.amount == 1


def test_a_rule_looks_at_what_was_paid_or_at_the_gross_price() -> None:
    rules = config(unit(), rule(), rule("on-gross", base="gross"))
    (of_points,) = earned(rules, [line(80, gross_minor=100, discount_minor=20, points_minor=3)])
    assert [outcome.amount for outcome in of_points.rules] == [80, 100]


def test_a_line_condition_chooses_lines_and_an_activity_condition_activities() -> None:
    rules = config(
        unit(),
        rule("milk", line_condition='line.category == "MILK"', rate="2"),
        rule("reviews", condition='activity.type == "review"'),
        rule("app", condition='activity.attributes["channel"] == "app"', rate="3"),
    )
    (of_points,) = earned(rules, [line(10, category="MILK"), line(5, category="TEA")])
    assert [(outcome.rule.code, outcome.amount) for outcome in of_points.rules] == [("milk", 20)]
    (of_points,) = earned(rules, [line(5)], type="review", attributes={"channel": "app"})
    assert {outcome.rule.code: outcome.amount for outcome in of_points.rules} == {"app": 15, "reviews": 5}
    assert earned(rules, [line(5)]) == []


def test_a_rule_is_valid_from_one_instant_until_another() -> None:
    rules = config(
        unit(), rule(valid_from="2026-06-01T00:00:00+08:00", valid_until="2026-06-02T00:00:00+08:00", rate="1")
    )
    for at, amounts in (
        ("2026-05-31 23:59:59", []),
        ("2026-06-01", [7]),
        ("2026-06-01 23:59:59", [7]),
        ("2026-06-02", []),
    ):
        found = earned_by(rules, activity(MEMBER, 7, NOW), {}, local(at))
        assert [of_unit.amount for of_unit in found] == amounts


def test_more_than_64_bits_is_out_of_range() -> None:
    rules = config(unit(), rule(rate=str(10**6)))
    assert earned(rules, [line(MAX_AMOUNT // 10**6 // 10)] * 9)
    with pytest.raises(OutOfRange):
        earned(rules, [line(10**12)] * 1000)
    two = config(unit(), rule(rate="5000"), rule("again", rate="5000"))
    with pytest.raises(OutOfRange):
        earned(two, [line(10**12)] * 1000)


async def test_a_spendable_and_a_qualifying_unit_are_booked_in_one_transaction() -> None:
    async with open_shop(unit(), rule(rate="0.01"), *SCORE) as shop:
        member = await shop.enrol()
        answer = await shop.earn(member, 12_345)
        assert [(e.unit, e.amount, e.balance_after, bool(e.lot_id)) for e in answer.earnings] == [
            ("points", 123, 123, True),
            ("score", 12_345, 12_345, False),
        ]
        pool = shop.suite.running["points"].platform.pool
        assert await pool.fetchval("SELECT count(DISTINCT position) FROM entries") == 1


async def test_each_funder_has_a_lot_of_its_own() -> None:
    async with open_shop(unit(), rule(rate="0.6"), rule("merchant-share", rate="0.4", funder="bakery")) as shop:
        member = await shop.enrol()
        answer = await shop.earn(member, 100)
        assert [(e.funder, e.amount, e.balance_after) for e in answer.earnings] == [
            ("bakery", 40, 40),
            ("platform", 60, 100),
        ]
        assert sorted((lot.funder, lot.amount) for lot in await shop.lots(member)) == [("bakery", 40), ("platform", 60)]
        pool = shop.suite.running["points"].platform.pool
        counterparties = [
            row["counterparty"] for row in await pool.fetch("SELECT counterparty FROM entries ORDER BY ordinal")
        ]
        assert counterparties == ["funder:bakery", "funder:platform"]
        assert await shop.findings() == []


async def test_an_activity_that_earns_nothing_is_recorded_and_says_why() -> None:
    async with open_shop(unit(), rule(rate="0.01")) as shop:
        member = await shop.enrol()
        answer = await shop.earn(member, 99)
        (earning,) = answer.earnings
        (outcome,) = earning.rules
        assert (earning.amount, earning.lot_id, outcome.base_minor) == (0, "", 99)
        assert outcome.Verdict.Name(outcome.verdict) == "VERDICT_BELOW_ONE"
        assert await shop.entries(member) == []
        assert await shop.findings() == []


async def test_nothing_is_earned_before_anything_is_configured() -> None:
    async with start_suite("points") as suite:
        shop = Shop(suite)
        member = await shop.enrol()
        request = record(activity(member, 100, await shop.now()))
        assert (await refusal_of(shop.points.RecordActivity(request))).reason == "NOT_CONFIGURED"
        assert (await refusal_of(shop.points.Spend(spend(member, 1)))).reason == "NOT_CONFIGURED"
