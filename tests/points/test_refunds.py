"""An activity comes back in parts: the member keeps exactly what the recorded rules give for what is left."""

import asyncio
from fractions import Fraction
from itertools import pairwise
from typing import Any

import pytest
from grpc import StatusCode
from hypothesis import given, settings
from hypothesis import strategies as st

from services.points.activities import returns
from services.points.activities.returns import Asked, Line, Part, RecordedRule
from services.points.giving import Proportional
from services.points.multipliers import NO_FACTOR
from tessera.points.v1 import refund_pb2
from tests.points.builders import (
    SCORE,
    activity,
    connections,
    line,
    local,
    open_shop,
    programme,
    record,
    refund,
    refusal_in,
    refusal_of,
    reverse,
    rule,
    spend,
    unit,
)
from tests.points.returns import key_of, part, returning

PER_HUNDRED = rule(rate="0.01")


def clawbacks(answer: Any) -> list[tuple[str, int, int]]:
    return [(clawback.unit, clawback.kept, clawback.taken) for clawback in answer.clawbacks]


async def test_each_refund_takes_the_difference_and_the_last_one_the_rest() -> None:
    async with open_shop(unit(), PER_HUNDRED, *SCORE) as shop:
        member = await shop.enrol()
        earned = await shop.earn(member, 350)
        taken = [
            clawbacks(await shop.points.RefundActivity(returning(earned.activity_id, amount_minor=amount)))
            for amount in (30, 30, 200, 90)
        ]
        assert taken == [
            [("points", 3, 0), ("score", 320, 30)],
            [("points", 2, 1), ("score", 290, 30)],
            [("points", 0, 2), ("score", 90, 200)],
            [("points", 0, 0), ("score", 0, 90)],
        ]
        assert (await shop.available(member), await shop.available(member, "score")) == (0, 0)
        refusal = await refusal_of(shop.points.RefundActivity(returning(earned.activity_id, amount_minor=1)))
        assert refusal.reason == "ACTIVITY_ALREADY_REVERSED"
        assert await shop.findings() == []


async def test_what_is_kept_follows_the_rules_as_they_were_recorded() -> None:
    doubled = {"ladder": "shopper", "by_level": {"gold": "2"}}
    dairy = rule("dairy", rate="0.1", line_condition='line.category == "dairy"', rounding="half-up")
    gross = rule("gross", rate="0.005", base="gross", rounding="ceil")
    async with open_shop(unit(), rule(rate="0.01", multiplier=doubled), dairy, gross) as shop:
        member = await shop.enrol()
        await shop.raise_to(member, "gold", local("2025-01-01"))
        lines = [line(400, gross_minor=500), line(155, category="dairy", quantity=3, gross_minor=200)]
        earned = await shop.earn(member, lines)
        assert [outcome.amount for outcome in earned.earnings[0].rules] == [16, 4, 11]
        await shop.raise_to(member, "silver", local("2025-01-01"))
        await shop.publish_only(programme(), unit(), rule(rate="7"))
        answer = await shop.points.RefundActivity(returning(earned.activity_id, lines=[part(1, quantity=1)]))
        assert [(p.line, p.cash_minor, p.gross_minor, p.quantity) for p in answer.lines] == [(1, 51, 66, 1)]
        assert clawbacks(answer) == [("points", 10 + 10 + 4, 7)]
        answer = await shop.points.RefundActivity(returning(earned.activity_id, lines=[part(0)]))
        assert clawbacks(answer) == [("points", 10 + 2 + 1, 11)]
        assert not answer.is_whole
        answer = await shop.points.RefundActivity(returning(earned.activity_id, lines=[part(1, quantity=2)]))
        assert (clawbacks(answer), answer.is_whole) == ([("points", 0, 13)], True)
        assert await shop.available(member) == 0


async def test_reversing_takes_what_refunds_left() -> None:
    async with open_shop(unit(), rule()) as shop:
        member = await shop.enrol()
        earned = await shop.earn(member, 100)
        await shop.points.RefundActivity(returning(earned.activity_id, amount_minor=30))
        reversal = await shop.points.ReverseActivity(reverse(earned.activity_id))
        assert [(c.earned, c.taken, c.balance_after) for c in reversal.clawbacks] == [(100, 70, 0)]
        assert await shop.entries(member) == [("earn", 100), ("clawback", -30), ("clawback", -70)]
        assert await shop.findings() == []


async def test_a_cap_gets_back_what_the_amount_of_its_rule_falls_by() -> None:
    async with open_shop(unit(), rule(cap={"amount": 100, "period": "month"})) as shop:
        member = await shop.enrol()
        capped = await shop.earn(member, 150)
        answer = await shop.points.RefundActivity(returning(capped.activity_id, amount_minor=40))
        assert clawbacks(answer) == [("points", 100, 0)], "110 would still be capped to 100"
        answer = await shop.points.RefundActivity(returning(capped.activity_id, amount_minor=50))
        assert clawbacks(answer) == [("points", 60, 40)]
        assert (await shop.earn(member, 100)).earnings[0].amount == 40


async def test_what_expired_unused_covers_what_comes_back_first() -> None:
    async with open_shop(unit(expiry={"policy": "duration", "days": 5}), rule()) as shop:
        member = await shop.enrol()
        earned = await shop.earn(member, 100)
        await shop.points.Spend(spend(member, 60))
        await shop.go_to("2026-02-01")
        taken = [
            clawbacks(await shop.points.RefundActivity(returning(earned.activity_id, amount_minor=amount)))[0][-1]
            for amount in (30, 20, 50)
        ]
        assert taken == [0, 10, 50]
        assert await shop.available(member) == -60
        assert await shop.findings() == []


@pytest.mark.parametrize(
    ("policy", "balance", "rest"),
    [("allow-negative", -100, []), ("deduct-from-cash", 0, [100]), ("forgive", 0, [100])],
)
async def test_e04_a_shortage_is_met_by_the_policy_refund_by_refund(policy: str, balance: int, rest: list[int]) -> None:
    async with open_shop(unit(negative_balance=policy), rule()) as shop:
        member = await shop.enrol()
        earned = await shop.earn(member, 100)
        await shop.points.Spend(spend(member, 100))
        answers = [
            await shop.points.RefundActivity(returning(earned.activity_id, amount_minor=amount)) for amount in (30, 70)
        ]
        short = sum(c.deducted + c.forgiven for answer in answers for c in answer.clawbacks)
        assert ([short] if short else [], await shop.available(member)) == (rest, balance)
        assert [kind for kind, _ in await shop.entries(member)].count("clawback") == 2
        assert await shop.findings() == []


async def test_e05_a_full_return_gives_beans_back_and_takes_what_was_earned() -> None:
    async with open_shop(unit(), rule()) as shop:
        member = await shop.enrol()
        await shop.earn(member, 2_000)
        beans = await shop.points.Spend(spend(member, 2_000))
        earned = await shop.earn(member, [line(8_000, gross_minor=10_000, points_minor=2_000)])
        assert earned.earnings[0].amount == 8_000, "the base is what was paid in cash"
        answer = await shop.points.RefundActivity(returning(earned.activity_id))
        assert [(p.cash_minor, p.points_minor) for p in answer.lines] == [(8_000, 2_000)]
        await shop.points.RefundSpend(refund(beans.spend_id))
        assert await shop.available(member) == 2_000
        assert await shop.findings() == []


async def test_e06_half_an_order_comes_back_as_it_was_paid() -> None:
    async with open_shop(unit(), rule()) as shop:
        member = await shop.enrol()
        earned = await shop.earn(member, [line(2_000, quantity=2, gross_minor=4_000, points_minor=2_000)])
        answer = await shop.points.RefundActivity(returning(earned.activity_id, lines=[part(0, quantity=1)]))
        assert [(p.cash_minor, p.points_minor) for p in answer.lines] == [(1_000, 1_000)]


async def test_an_amount_is_spread_with_the_largest_remainder_ties_to_the_earliest() -> None:
    async with open_shop(unit(), rule()) as shop:
        member = await shop.enrol()
        earned = await shop.earn(member, [line(100), line(0), line(100), line(100)])
        answer = await shop.points.RefundActivity(returning(earned.activity_id, amount_minor=200))
        assert [(p.line, p.cash_minor) for p in answer.lines] == [(0, 67), (2, 67), (3, 66)]
        answer = await shop.points.RefundActivity(returning(earned.activity_id, amount_minor=100))
        assert ([p.cash_minor for p in answer.lines], answer.is_whole) == ([33, 33, 34], True)


async def test_no_more_comes_back_than_there_was() -> None:
    async with open_shop(unit(), rule()) as shop:
        member = await shop.enrol()
        earned = await shop.earn(member, [line(100, quantity=2), line(50)])
        await shop.points.RefundActivity(returning(earned.activity_id, lines=[part(0, quantity=1)]))
        asked: dict[str, tuple[dict[str, Any], dict[str, str]]] = {
            "money": ({"amount_minor": 101}, {"left_minor": "100", "requested_minor": "101"}),
            "a line": ({"lines": [part(0, 51)]}, {"left_minor": "50", "requested_minor": "51", "line": "0"}),
            "twice": (
                {"lines": [part(1, 30), part(1, 21)]},
                {"left_minor": "20", "requested_minor": "21", "line": "1"},
            ),
            "number": (
                {"lines": [part(0, quantity=2)]},
                {"left_quantity": "1", "requested_quantity": "2", "line": "0"},
            ),
        }
        for what, figures in asked.values():
            refusal = await refusal_of(shop.points.RefundActivity(returning(earned.activity_id, **what)))
            assert (refusal.reason, refusal.metadata) == ("REFUND_EXCEEDS_ACTIVITY", figures)
        refusal = await refusal_of(shop.points.RefundActivity(returning(earned.activity_id, lines=[part(2)])))
        assert (refusal.code, refusal.reason) == (StatusCode.INVALID_ARGUMENT, "REFUND_LINE_UNKNOWN")
        await shop.points.RefundActivity(returning(earned.activity_id, lines=[part(1)]))
        refusal = await refusal_of(shop.points.RefundActivity(returning(earned.activity_id, lines=[part(1)])))
        assert (refusal.reason, refusal.metadata["left_minor"]) == ("REFUND_EXCEEDS_ACTIVITY", "0")
        assert await shop.available(member) == 50


async def test_an_activity_without_money_comes_back_as_a_whole() -> None:
    async with open_shop(unit(), rule()) as shop:
        member = await shop.enrol()
        review = await shop.earn(member, [], type="review")
        answer = await shop.points.RefundActivity(returning(review.activity_id))
        assert (answer.is_whole, list(answer.lines)) == (True, [])
        refusal = await refusal_of(shop.points.RefundActivity(returning(review.activity_id)))
        assert refusal.reason == "ACTIVITY_ALREADY_REVERSED"


async def test_the_same_refund_again_gets_the_first_answer_however_the_activity_is_named() -> None:
    async with open_shop(unit(), rule()) as shop:
        member = await shop.enrol()
        purchase = activity(member, 100, await shop.now())
        earned = await shop.points.RecordActivity(record(purchase))
        first = await shop.points.RefundActivity(returning(earned.activity_id, reference="return 1", amount_minor=40))
        again = returning(key=key_of(purchase), reference="return 1", amount_minor=40)
        assert await shop.points.RefundActivity(again) == first
        other = returning(earned.activity_id, reference="return 1", amount_minor=41)
        refusal = await refusal_of(shop.points.RefundActivity(other))
        assert (refusal.code, refusal.reason) == (StatusCode.ALREADY_EXISTS, "REFUND_ALREADY_RECORDED")
        assert refusal.metadata == {"reference": "return 1"}
        assert await shop.available(member) == 60


async def test_a_dry_run_answers_the_same_and_books_nothing() -> None:
    async with open_shop(unit(), rule()) as shop:
        member = await shop.enrol()
        earned = await shop.earn(member, 100)
        asked = {"reference": "return 1", "amount_minor": 40}
        dry = await shop.points.RefundActivity(returning(earned.activity_id, **asked, validate_only=True))
        assert await shop.available(member) == 100
        wet = await shop.points.RefundActivity(returning(earned.activity_id, **asked))
        assert clawbacks(dry) == clawbacks(wet) == [("points", 60, 40)]


async def test_bad_items_of_a_bulk_call_do_not_disturb_good_ones() -> None:
    async with open_shop(unit(), rule()) as shop:
        member = await shop.enrol()
        earned = await shop.earn(member, 100)
        bad = [
            returning(f"activity_{'0' * 26}"),
            returning(),
            returning(earned.activity_id, amount_minor=101),
            returning(earned.activity_id, lines=[part(0, -1)]),
        ]
        good = [returning(earned.activity_id, amount_minor=amount) for amount in (10, 20)]
        requests = [good[0], *bad, good[1]]
        answer = await shop.points.BulkRefundActivities(refund_pb2.BulkRefundActivitiesRequest(requests=requests))
        results = [
            r.response.is_whole if r.HasField("response") else refusal_in(r.error).reason for r in answer.results
        ]
        assert results == [
            False,
            "ACTIVITY_UNKNOWN",
            "INVALID_REQUEST",
            "REFUND_EXCEEDS_ACTIVITY",
            "INVALID_REQUEST",
            False,
        ]
        assert await shop.available(member) == 70


async def test_a_caller_refunds_in_its_own_domains_only() -> None:
    async with open_shop(unit(), rule()) as shop:
        traveller = await shop.enrol("travel")
        stay = activity(traveller, 5, await shop.now())
        earned = await shop.points.RecordActivity(record(stay))
        fuel = shop.as_caller("fuel")
        for request in (returning(key=key_of(stay)), returning(earned.activity_id)):
            assert (await refusal_of(fuel.RefundActivity(request))).reason == "DOMAIN_NOT_ALLOWED"


async def test_two_refunds_at_once_are_one_and_a_spend_beside_them_leaves_the_books_right() -> None:
    async with open_shop(unit(), rule()) as shop, connections(shop, 4) as clients:
        member = await shop.enrol()
        earned = await shop.earn(member, 100)
        calls = [
            client.RefundActivity(returning(earned.activity_id, reference="return 1", amount_minor=60))
            for client in clients[:3]
        ]
        *answers, spent = await asyncio.gather(*calls, clients[3].Spend(spend(member, 70)), return_exceptions=True)
        assert answers[0] == answers[1] == answers[2]
        left = 40 if isinstance(spent, BaseException) else -30
        assert await shop.available(member) == left
        assert [kind for kind, _ in await shop.entries(member)].count("clawback") == 1
        assert await shop.findings() == []


# Any activity, any refunds

amounts = st.integers(0, 10_000)


async def test_what_was_paid_back_before_can_still_come_back_itself() -> None:
    async with open_shop() as shop:
        member = await shop.enrol()
        earned = await shop.earn(member, [line(100, quantity=3), line(50)])
        await shop.points.RefundActivity(returning(earned.activity_id, lines=[part(0, 100)]))
        answer = await shop.points.RefundActivity(returning(earned.activity_id, lines=[part(0, quantity=2)]))
        assert [(p.quantity, p.cash_minor) for p in answer.lines] == [(2, 0)]
        assert (answer.clawbacks[0].taken, await shop.available(member)) == (0, 50)
        refusal = await refusal_of(
            shop.points.RefundActivity(returning(earned.activity_id, lines=[part(0, quantity=2)]))
        )
        assert refusal.metadata == {"line": "0", "requested_quantity": "2", "left_quantity": "1"}
        assert await shop.findings() == []


lines_drawn = st.lists(st.builds(Line, st.integers(0, 5), amounts, amounts, amounts), min_size=1, max_size=5)
asked_drawn = st.lists(
    st.one_of(
        st.integers(1, 20_000),
        st.lists(st.builds(Asked, st.integers(0, 4), amounts, st.integers(0, 3)), min_size=1, max_size=3),
    ),
    max_size=8,
)


@settings(max_examples=200, deadline=None, derandomize=True)
@given(lines_drawn, asked_drawn, st.fractions(0, 3), st.sampled_from(["floor", "half-up", "ceil"]), st.integers(0, 20))
def test_any_refunds_sum_to_the_whole_and_never_take_back_less_than_before(
    lines: list[Line], drawn: list[Any], rate: Fraction, rounding: str, cap: int
) -> None:
    uncapped = returns.rounded(
        (sum(one.cash_minor for one in lines) * rate.numerator, rate.denominator), NO_FACTOR, rounding
    )
    amount = min(uncapped, cap * 100)
    recorded = RecordedRule("any", amount, uncapped - amount, None, Proportional(rate), rounding, "cash_minor", ())
    parts: list[Part] = []
    kept = [returns.kept(recorded, lines, lines)]
    for asked in [*drawn, None]:
        more = returns.parts_of(lines, returns.left_of(lines, parts), asked)
        if isinstance(more, list):
            parts += more
            kept.append(returns.kept(recorded, lines, returns.left_of(lines, parts)))
    assert all(later <= earlier for earlier, later in pairwise(kept))
    assert kept[0] == amount
    assert kept[-1] == 0
    assert all(not any(left) for left in returns.left_of(lines, parts))
    assert all(value >= 0 for one in parts for value in one.returned)
