"""E13: what is converted between units never gains, and each lot keeps its funder and no later an expiry."""

from datetime import UTC
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.chassis.documents import Document, DocumentErrors
from services.points.documents import compile_documents
from services.points.movements.terms import Exchanged, Terms
from services.points.shares import split
from tessera.points.v1 import movement_pb2
from tests.points.builders import (
    SCORE,
    conversion,
    convert,
    funder,
    grant,
    local,
    open_shop,
    programme,
    refusal_in,
    refusal_of,
    reverse,
    rule,
    spend,
    unit,
)

MILES = unit("miles", expiry={"policy": "duration", "days": 100})


async def test_e13_a_thousand_at_three_to_one_gives_333_for_999_and_one_stays() -> None:
    async with open_shop(unit(), rule(), MILES, conversion(), funder("partner")) as shop:
        member = await shop.enrol()
        first = await shop.points.Grant(grant(member, 500, local("2026-02-01"), funder="partner"))
        second = await shop.points.Grant(grant(member, 500, local("2026-12-31")))
        done = await shop.points.Convert(convert(member, 1000))
        assert (done.debited, done.credited, done.from_balance_after, done.to_balance_after) == (999, 333, 1, 333)
        parts = [(part.from_lot_id, part.debited, part.credited) for part in done.lots]
        assert parts == [(first.lot_id, 500, 167), (second.lot_id, 499, 166)]
        lots = await shop.lots(member, of="miles")
        assert [(lot.lot_id, lot.remaining, lot.funder, lot.source_id) for lot in lots] == [
            (done.lots[0].lot_id, 167, "partner", done.conversion_id),
            (done.lots[1].lot_id, 166, "platform", done.conversion_id),
        ]
        assert [lot.expires_at.ToDatetime(UTC) for lot in lots] == [local("2026-02-01"), local("2026-04-11")]
        assert (await shop.entries(member))[-1] == ("convert_out", -999)
        assert await shop.entries(member, of="miles") == [("convert_in", 333)]
        assert await shop.findings() == []


async def test_a_conversion_may_keep_the_expiry() -> None:
    async with open_shop(unit(), rule(), MILES, conversion(expiry="keep")) as shop:
        member = await shop.enrol()
        await shop.points.Grant(grant(member, 3, local("2026-12-31")))
        await shop.earn(member, 3)
        done = await shop.points.Convert(convert(member, 6))
        assert done.lots[0].expires_at.ToDatetime(UTC) == local("2026-12-31")
        assert not done.lots[1].HasField("expires_at")


async def test_there_and_back_never_returns_more() -> None:
    back = conversion("back", "miles", "points", "3")
    async with open_shop(unit(), rule(), MILES, conversion(), back) as shop:
        member = await shop.enrol()
        await shop.earn(member, 1000)
        await shop.points.Convert(convert(member, 1000))
        await shop.points.Convert(convert(member, 333, "back"))
        assert await shop.available(member) == 1000
        assert await shop.findings() == []


async def test_a_part_that_comes_to_less_than_one_makes_no_lot() -> None:
    async with open_shop(unit(), rule(), MILES, conversion()) as shop:
        member = await shop.enrol()
        for _ in range(3):
            await shop.earn(member, 1)
        done = await shop.points.Convert(convert(member, 3))
        assert [(part.debited, part.credited, bool(part.lot_id)) for part in done.lots] == [
            (1, 1, True),
            (1, 0, False),
            (1, 0, False),
        ]
        assert await shop.findings() == []


async def test_what_is_converted_pays_what_is_owed_of_the_other_unit() -> None:
    async with open_shop(unit(), rule(), MILES, rule("fly", "miles"), conversion()) as shop:
        member = await shop.enrol()
        earned = await shop.earn(member, 90)
        await shop.points.Spend(spend(member, 90, unit="miles"))
        await shop.points.ReverseActivity(reverse(earned.activity_id))
        assert await shop.available(member, "miles") == -90
        await shop.points.Grant(grant(member, 300))
        assert (await shop.points.Convert(convert(member, 300))).to_balance_after == 10
        assert await shop.available(member, "miles") == 10
        assert await shop.findings() == []


async def test_a_cap_counts_what_was_taken_in_the_civil_day() -> None:
    capped = conversion(cap={"amount": 100, "period": "day"}, minimum=10)
    async with open_shop(unit(), rule(), MILES, capped, at="2026-01-01 12:00") as shop:
        member = await shop.enrol()
        await shop.earn(member, 1000)
        refusal = await refusal_of(shop.points.Convert(convert(member, 9)))
        assert (refusal.reason, refusal.metadata) == (
            "CONVERSION_BELOW_MINIMUM",
            {"minimum": "10", "requested": "9"},
        )
        await shop.points.Convert(convert(member, 90))
        request = movement_pb2.BulkConvertRequest(
            requests=[convert(member, 12), convert(member, 10), convert(member, 10)]
        )
        first, second, third = (await shop.points.BulkConvert(request)).results
        assert refusal_in(first.error).reason == "CONVERSION_CAP_EXCEEDED"
        assert refusal_in(first.error).metadata == {"limit": "100", "left": "10", "requested": "12"}
        assert second.response.debited == 9
        assert refusal_in(third.error).metadata["left"] == "1"
        await shop.jump_to("2026-01-01 23:59")
        assert (await refusal_of(shop.points.Convert(convert(member, 100)))).reason == "CONVERSION_CAP_EXCEEDED"
        await shop.jump_to("2026-01-02")
        assert (await shop.points.Convert(convert(member, 100))).debited == 99


async def test_what_cannot_be_converted_is_refused() -> None:
    documents = unit(), rule(), unit("miles", max_balance=5), conversion(), conversion("many", rate="1/2")
    async with open_shop(*documents) as shop:
        member = await shop.enrol()
        await shop.points.Grant(grant(member, 100, merchant="cafe"))
        await shop.earn(member, 1_000)
        for request, reason in (
            (convert(member, 1_001), "INSUFFICIENT_POINTS"),
            (convert(member, 2), "CONVERSION_BELOW_MINIMUM"),
            (convert(member, 18), "BALANCE_LIMIT_EXCEEDED"),
            (convert(member, 1, "nothing"), "CONVERSION_UNKNOWN"),
            (convert(member, 1, domain="food"), "ACCOUNT_OF_ANOTHER_DOMAIN"),
            (convert(member, (1 << 63) - 1, "many"), "INSUFFICIENT_POINTS"),
            (convert(member, 1, "many"), "CONVERSION_BELOW_MINIMUM"),
            (convert(member, 0), "INVALID_REQUEST"),
        ):
            assert (await refusal_of(shop.points.Convert(request))).reason == reason, request
        assert (await shop.points.Convert(convert(member, 17))).credited == 5


def mistakes_in(*documents: dict[str, object]) -> dict[str, str]:
    with pytest.raises(DocumentErrors) as caught:
        compile_documents([Document(**document) for document in (programme(), *documents)])
    return {violation.field: violation.description for violation in caught.value.violations}


def test_no_round_of_conversions_may_gain() -> None:
    units = [unit("a"), unit("b"), unit("c")]
    fair = [conversion("ab", "a", "b", "2"), conversion("bc", "b", "c", "3"), conversion("ca", "c", "a", "1/6")]
    compile_documents([Document(**document) for document in (programme(), *units, *fair)])
    found = mistakes_in(*units, *fair, conversion("cb", "c", "b", "1/2"))
    assert list(found.values()) == ["cb and bc make 3/2 of 1: a round must not gain"]
    found = mistakes_in(*units, *fair[:2], conversion("ca", "c", "a", "1/5"))
    assert list(found.values()) == ["ca and ab and bc make 6/5 of 1: a round must not gain"]


def test_a_conversion_is_between_two_units_that_can_be_spent() -> None:
    assert mistakes_in(unit(), *SCORE, conversion(target="score")) == {
        "conversion/to-miles.to": "score is a score, which nobody converts"
    }
    assert list(mistakes_in(unit(), conversion(target="points"))) == ["conversion/to-miles.to"]
    assert list(mistakes_in(unit(), conversion(source="a", target="b"))) == [
        "conversion/to-miles.from",
        "conversion/to-miles.to",
    ]
    for rate in ("0", "-1", 0.5):
        assert list(mistakes_in(unit(), MILES, conversion(rate=rate))) == ["conversion/to-miles.rate"]


@given(st.integers(0, 10**6), st.lists(st.integers(1, 10**6), min_size=1, max_size=20))
def test_shares_come_to_the_whole_and_are_less_than_one_off(total: int, weights: list[int]) -> None:
    parts = split(total, weights)
    assert sum(parts) == total
    for part, weight in zip(parts, weights, strict=True):
        assert abs(part - Fraction(total * weight, sum(weights))) < 1


async def test_a_table_gives_the_rate_of_the_step_reached() -> None:
    steps = [{"from": 100, "rate": "1/4"}, {"from": 1000, "rate": "1/3"}]
    async with open_shop(unit(), rule(), MILES, conversion(rate=None, table=steps)) as shop:
        member = await shop.enrol()
        await shop.earn(member, 2000)
        refusal = await refusal_of(shop.points.Convert(convert(member, 99)))
        assert (refusal.reason, refusal.metadata) == (
            "CONVERSION_BELOW_MINIMUM",
            {"minimum": "100", "requested": "99"},
        )
        for amount, debited, credited, rate in ((999, 996, 249, "1/4"), (1000, 999, 333, "1/3")):
            done = await shop.points.Convert(convert(member, amount))
            assert (done.debited, done.credited, done.rate, done.level) == (debited, credited, rate, "")
        assert await shop.findings() == []


async def test_a_level_multiplies_the_rate_and_the_spread_is_off_it() -> None:
    by_level = {"ladder": "shopper", "by_level": {"gold": "6/5"}}
    async with open_shop(unit(), rule(), MILES, conversion(rate="1/2", multiplier=by_level, spread="1/10")) as shop:
        member = await shop.enrol()
        await shop.earn(member, 1000)
        done = await shop.points.Convert(convert(member, 100))
        assert (done.debited, done.credited, done.rate, done.level) == (100, 45, "9/20", "")
        await shop.raise_to(member, "gold", await shop.now())
        done = await shop.points.Convert(convert(member, 100))
        assert (done.debited, done.credited, done.rate, done.level) == (100, 54, "27/50", "gold")
        assert await shop.findings() == []


def test_a_round_must_not_gain_at_the_best_rate_of_any_step_and_level() -> None:
    units = [unit("a"), unit("b")]
    there = conversion("ab", "a", "b", None, table=[{"from": 0, "rate": "1"}, {"from": 9, "rate": "2"}])
    best = {"multiplier": {"ladder": "shopper", "by_level": {"gold": "5/4"}}, "spread": "1/5"}
    compile_documents([Document(**d) for d in (programme(), *units, there, conversion("ba", "b", "a", "1/2", **best))])
    best["spread"] = "1/10"
    found = mistakes_in(*units, there, conversion("ba", "b", "a", "1/2", **best))
    assert list(found.values()) == ["ba and ab make 9/8 of 1: a round must not gain"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"rate": None},
        {"table": [{"from": 0, "rate": "1"}]},
        {"rate": None, "table": [{"from": 0, "rate": "0"}]},
        {"multiplier": {"ladder": "shopper", "by_level": {"gold": 0}}},
        {"spread": "1"},
        {"spread": "-1/100"},
    ],
)
def test_each_rate_must_give_something(wrong: dict[str, object]) -> None:
    assert mistakes_in(unit(), MILES, conversion(**wrong))  # type: ignore[arg-type]  # whatever a document may say


@given(
    st.integers(1, 10**9),
    st.lists(st.tuples(st.integers(0, 10**6), st.fractions(Fraction(1, 50), 50, max_denominator=50)), min_size=1),
    st.fractions(0, Fraction(9, 10), max_denominator=20),
)
def test_what_is_taken_is_the_least_that_makes_what_is_given(
    amount: int, steps: list[tuple[int, Fraction]], spread: Fraction
) -> None:
    terms = Terms(tuple(sorted(dict(steps).items())), "", {}, 1 - spread, 1, None)
    done = terms.exchange(amount, {})
    if isinstance(done, Exchanged):
        assert done.debited <= amount
        assert done.credited >= 1
        assert done.credited <= done.debited * done.rate <= done.debited * terms.best_rate
        assert (done.debited - 1) * done.rate < done.credited
