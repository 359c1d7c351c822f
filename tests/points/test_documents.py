"""Documents are checked when they are published: every mistake is named, with document, field and place."""

from fractions import Fraction
from typing import Any

import pytest
from grpc import StatusCode

from services.chassis.documents import Document, DocumentErrors
from services.points.documents import PointsConfig, compile_documents
from services.points.giving import Subject
from tests.points.builders import SCORE, budget, open_shop, programme, refusal_of, rule, unit


def compiled(*documents: dict[str, Any]) -> PointsConfig:
    return compile_documents([Document(**document) for document in documents])


def mistakes_in(*documents: dict[str, Any]) -> dict[str, str]:
    with pytest.raises(DocumentErrors) as caught:
        compiled(programme(), *documents)
    return {violation.field: violation.description for violation in caught.value.violations}


def test_a_good_set_compiles() -> None:
    multiplier = {"ladder": "shopper", "by_level": {"gold": "3/2"}}
    config = compiled(programme(), unit(), *SCORE, rule(rate="0.02", multiplier=multiplier))
    assert set(config.units) == {"points", "score"}
    assert config.ladders == ("shopper",)
    (points_rule,) = [found for found in config.rules if found.unit.code == "points"]
    assert {level: factor.multiplier for level, factor in (points_rule.stack.by_level or {}).items()} == {"gold": "3/2"}
    assert Fraction(*points_rule.giving.exact(7, None, Subject(None, (), {}))) == Fraction(7, 50)


def test_nothing_is_a_good_set_too() -> None:
    assert compiled().units == {}


@pytest.mark.parametrize(
    ("expiry", "description"),
    [
        ({"policy": "duration"}, "duration takes days or months or years"),
        ({"policy": "duration", "days": 0}, "duration takes a length of at least 1"),
        ({"policy": "sliding", "months": 0}, "sliding takes a length of at least 1"),
        ({"policy": "duration", "days": 1, "months": 1}, "duration takes days or months or years"),
        ({"policy": "duration", "quarters": 1}, "duration takes days or months or years"),
        ({"policy": "none", "days": 1}, "none takes nothing"),
        ({"policy": "end-of-month"}, "end-of-month takes months"),
        ({"policy": "end-of-month", "years": 1}, "end-of-month takes months"),
        ({"policy": "end-of-quarter", "months": 3}, "end-of-quarter takes quarters"),
        ({"policy": "end-of-year", "days": 1}, "end-of-year takes years"),
        ({"policy": "sliding"}, "sliding takes days or months or years"),
    ],
)
def test_an_expiry_policy_takes_its_own_length(expiry: dict[str, Any], description: str) -> None:
    assert mistakes_in(unit(expiry=expiry)) == {"unit/points.expiry": description}


@pytest.mark.parametrize(
    ("document", "field"),
    [
        (unit(expiry={"policy": "duration", "days": -1}), "unit/points.expiry.days"),
        (unit(expiry={"policy": "duration", "years": 101}), "unit/points.expiry.years"),
        (unit(expiry={"policy": "whenever"}), "unit/points.expiry.policy"),
        (unit(kind="money"), "unit/points.kind"),
        (unit(scale=10), "unit/points.scale"),
        (unit(refund="maybe"), "unit/points.refund"),
        (unit(negative_balance="ignore"), "unit/points.negative_balance"),
        (unit(max_balance=-1), "unit/points.max_balance"),
        (unit(spend={"minimum": 0}), "unit/points.spend.minimum"),
        (unit(spend={"max_per_day": 0}), "unit/points.spend.max_per_day"),
        (unit(spend={"max_order_share": "1/2"}), "unit/points.spend"),
        (unit(spend={"max_order_share": "3/2", "minor_per_point": "1"}), "unit/points.spend.max_order_share"),
        (unit(spend={"max_order_share": "1/2", "minor_per_point": "0"}), "unit/points.spend.minor_per_point"),
        (unit("score", "qualifying", spend={"minimum": 1}), "unit/score"),
        (unit(colour="red"), "unit/points.colour"),
        (unit("score", "qualifying", pending_days=3), "unit/score"),
        (unit("score", "qualifying", expiry={"policy": "duration", "days": 3}), "unit/score"),
        (rule(rate=0.5), "earn-rule/per-fen.rate"),
        (rule(rate="-1"), "earn-rule/per-fen.rate"),
        (rule(rate="1/0"), "earn-rule/per-fen.rate"),
        (rule(rate="one"), "earn-rule/per-fen.rate"),
        (rule(rate="1e999999999"), "earn-rule/per-fen.rate"),
        (rule(rate="9" * 5000), "earn-rule/per-fen.rate"),
        (rule(rounding="up"), "earn-rule/per-fen.rounding"),
        (rule(base="net"), "earn-rule/per-fen.base"),
        (rule(funder="No Code"), "earn-rule/per-fen.funder"),
        (rule(cap={"amount": -1, "period": "day"}), "earn-rule/per-fen.cap.amount"),
        (rule(cap={"amount": 1, "period": "hour"}), "earn-rule/per-fen.cap.period"),
        (rule(multiplier={"ladder": "l", "by_level": {"gold": "-2"}}), "earn-rule/per-fen.multiplier.by_level.gold"),
        (rule(valid_from="2026-01-01"), "earn-rule/per-fen.valid_from"),
        (
            rule(valid_from="2026-02-01T00:00:00Z", valid_until="2026-01-01T00:00:00Z"),
            "earn-rule/per-fen",
        ),
        (rule(of="miles"), "earn-rule/per-fen.unit"),
        ({**rule(), "programme": "club"}, "earn-rule/per-fen"),
    ],
)
def test_a_mistake_is_named_by_document_and_field(document: dict[str, Any], field: str) -> None:
    others = [unit()] if document["kind"] == "earn-rule" else []
    assert list(mistakes_in(*others, document)) == [field]


def test_all_mistakes_are_reported_together_and_none_that_follows_from_another() -> None:
    found = mistakes_in(
        unit(scale=-1),
        {**unit("miles"), "programme": "club"},
        rule("a", of="points", rate="x"),
        rule("b", of="points", condition="activity.colour == 'red'"),
        rule("c", of="nothing", line_condition="line.cash_minor"),
        {**unit("odd"), "kind": "coupon"},
    )
    assert set(found) == {
        "unit/points.scale",
        "unit/miles",
        "earn-rule/a.rate",
        "earn-rule/b.condition",
        "earn-rule/c.unit",
        "earn-rule/c.line_condition",
        "coupon/odd",
    }
    assert found["unit/miles"] == "there is no programme club"
    assert found["earn-rule/c.unit"] == "there is no unit nothing"


@pytest.mark.parametrize(
    ("field", "source", "position"),
    [
        ("condition", "activity.colour == 'red'", "line 1, column 9"),
        ("condition", "basket.size() > 1", "line 1, column 1"),
        ("condition", "line.sku == 'a'", "line 1, column 5"),
        ("condition", "activity.type ==\n  'a' &&", "line 2, column 9"),
        ("line_condition", "line.category == 'a' &&\n line.colour == 'red'", "line 2, column 6"),
    ],
)
async def test_names_that_nobody_knows_are_refused_with_their_position(field: str, source: str, position: str) -> None:
    async with open_shop() as shop:
        refusal = await refusal_of(shop.publish(rule("odd", **{field: source})))
        assert (refusal.reason, refusal.code) == ("EXPRESSION_INVALID", StatusCode.INVALID_ARGUMENT)
        assert refusal.fields == (f"earn-rule/odd.{field}",)
        assert mistakes_in(unit(), rule("odd", **{field: source}))[f"earn-rule/odd.{field}"].startswith(position)


async def test_nothing_of_a_set_with_a_mistake_is_published() -> None:
    async with open_shop() as shop:
        refusal = await refusal_of(shop.publish(unit("miles"), rule("odd", of="nothing")))
        assert (refusal.reason, refusal.code) == ("DOCUMENT_INVALID", StatusCode.INVALID_ARGUMENT)
        assert refusal.fields == ("earn-rule/odd.unit",)
        member = await shop.enrol()
        assert [(e.unit, e.amount) for e in (await shop.earn(member, 5)).earnings] == [("points", 5)]
        assert (await shop.earn(member, 5)).config_version == 1


def test_a_condition_must_be_true_or_false() -> None:
    assert mistakes_in(unit(), rule(condition="1 + 1")) == {
        "earn-rule/per-fen.condition": "line 1, column 1: is neither true nor false"
    }


@pytest.mark.parametrize(("kind", "other"), [("spendable", "qualifying"), ("qualifying", "spendable")])
async def test_a_unit_keeps_its_kind_for_ever(kind: str, other: str) -> None:
    async with open_shop(unit(kind=kind), rule()) as shop:
        member = await shop.enrol()
        await shop.earn(member, 100)
        for removed in (False, True):
            if removed:
                await shop.publish_only(programme())
            refusal = await refusal_of(shop.publish(unit(kind=other), rule()))
            assert (refusal.reason, refusal.fields) == ("DOCUMENT_INVALID", ("unit/points.kind",))
        await shop.publish(unit(kind=kind, name="The same again"), unit("others", other), rule())
        assert (await shop.earn(member, 50)).earnings[0].balance_after == 150
        assert await shop.findings() == []


async def test_a_budget_keeps_its_unit_for_ever() -> None:
    async with open_shop(unit(), unit("miles"), rule(budget="spring"), budget("spring", 100)) as shop:
        rules = (rule(), rule("for-miles", "miles", budget="spring"))
        refusal = await refusal_of(shop.publish(*rules, budget("spring", 100, of="miles")))
        assert (refusal.reason, refusal.fields) == ("DOCUMENT_INVALID", ("budget/spring.unit",))
