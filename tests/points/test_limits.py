"""Amounts, currencies, times and sizes at their borders: refused by name, never a fault."""

from datetime import timedelta

import pytest
from grpc import StatusCode

from services.points.requests import MAX_ACTIVITY_BYTES
from services.points.specs import MAX_AMOUNT
from tessera.points.v1 import activity_pb2
from tessera.points.v1 import points_service_pb2 as pb
from tests.points.builders import (
    SCORE,
    activity,
    hold,
    line,
    open_shop,
    record,
    refund,
    refusal_of,
    reverse,
    rule,
    spend,
    unit,
)

HUGE = rule(rate="9223372036854", condition='activity.type == "purchase"')
"""A million minor units come to nearly all that 64 bits hold."""


async def test_a_balance_stays_within_64_bits() -> None:
    async with open_shop(unit(), HUGE) as shop:
        member = await shop.enrol()
        await shop.earn(member, 1_000_000)
        refusal = await refusal_of(shop.points.RecordActivity(record(activity(member, 1_000_000, await shop.now()))))
        assert (refusal.reason, refusal.code) == ("AMOUNT_OUT_OF_RANGE", StatusCode.INVALID_ARGUMENT)
        assert refusal.metadata == {
            "what": "the balance of points",
            "balance": "9223372036854000000",
            "amount": "9223372036854000000",
        }
        refusal = await refusal_of(shop.points.RecordActivity(record(activity(member, 1_000_001, await shop.now()))))
        assert refusal.metadata == {
            "what": "what the activity earns",
            "unit": "points",
            "amount": "9223381260226036854",
        }
        assert await shop.available(member) == 9_223_372_036_854_000_000
        assert await shop.findings() == []


async def test_a_refund_that_no_longer_fits_is_refused() -> None:
    async with open_shop(unit(), HUGE) as shop:
        member = await shop.enrol()
        await shop.earn(member, 1_000_000)
        spent = await shop.points.Spend(spend(member, 9_223_372_036_854_000_000))
        await shop.earn(member, 1_000_000)
        refusal = await refusal_of(shop.points.RefundSpend(refund(spent.spend_id)))
        figures = {"what": "the balance of points", "balance": "9223372036854000000", "amount": "9223372036854000000"}
        assert (refusal.reason, refusal.metadata) == ("AMOUNT_OUT_OF_RANGE", figures)


async def test_a_debt_stays_within_64_bits() -> None:
    async with open_shop(unit(), HUGE) as shop:
        member = await shop.enrol()
        activities = []
        for _ in range(2):
            activities.append((await shop.earn(member, 1_000_000)).activity_id)
            await shop.points.Spend(spend(member, 9_223_372_036_854_000_000))
        await shop.points.ReverseActivity(reverse(activities[0]))
        refusal = await refusal_of(shop.points.ReverseActivity(reverse(activities[1])))
        assert refusal.reason == "AMOUNT_OUT_OF_RANGE"
        assert await shop.available(member) == -9_223_372_036_854_000_000


async def test_a_sum_of_the_books_beyond_64_bits_is_refused() -> None:
    async with open_shop(unit(), HUGE) as shop:
        for _ in range(2):
            await shop.earn(await shop.enrol(), 1_000_000)
        refusal = await refusal_of(shop.points.GetLedgerSummary(pb.GetLedgerSummaryRequest()))
        assert refusal.reason == "AMOUNT_OUT_OF_RANGE"


@pytest.mark.parametrize("amount", [0, -1, -MAX_AMOUNT])
async def test_nothing_and_less_cannot_be_spent_or_held(amount: int) -> None:
    async with open_shop() as shop:
        member = await shop.enrol()
        until = await shop.now() + timedelta(hours=1)
        for call in (shop.points.Spend(spend(member, amount)), shop.points.Hold(hold(member, amount, until))):
            refusal = await refusal_of(call)
            assert (refusal.reason, refusal.fields) == ("INVALID_REQUEST", ("amount",))


@pytest.mark.parametrize("field", ["cash_minor", "gross_minor", "discount_minor", "points_minor", "quantity"])
async def test_amounts_of_lines_are_not_negative(field: str) -> None:
    async with open_shop() as shop:
        member = await shop.enrol()
        purchase = activity(member, [activity_pb2.ActivityLine(**{field: -1})], await shop.now())
        refusal = await refusal_of(shop.points.RecordActivity(record(purchase)))
        assert (refusal.reason, refusal.fields) == ("INVALID_REQUEST", (f"activity.lines[0].{field}",))


async def test_an_activity_is_in_the_currency_of_its_programme() -> None:
    async with open_shop(unit(), rule(condition='activity.domain == "fuel"')) as shop:
        member, elsewhere = await shop.enrol("fuel"), await shop.enrol("travel")
        assert (await shop.earn(member, 100, currency="CNY")).earnings[0].amount == 100
        assert (await shop.earn(member, 100, currency="")).earnings[0].amount == 100
        purchase = activity(member, 100, await shop.now(), currency="USD")
        refusal = await refusal_of(shop.points.RecordActivity(record(purchase)))
        assert (refusal.reason, refusal.code) == ("CURRENCY_MISMATCH", StatusCode.INVALID_ARGUMENT)
        assert refusal.metadata == {"currency": "CNY"}
        assert list((await shop.earn(elsewhere, 100, currency="USD")).earnings) == [], "no rule looks at its amounts"


@pytest.mark.parametrize("currency", ["cny", "CN", "CNYX", "12A"])
async def test_a_currency_has_three_capital_letters(currency: str) -> None:
    async with open_shop() as shop:
        purchase = activity(await shop.enrol(), 100, await shop.now(), currency=currency)
        refusal = await refusal_of(shop.points.RecordActivity(record(purchase)))
        assert refusal.fields == ("activity.currency",)


@pytest.mark.parametrize(
    ("seconds", "nanos"), [(-1, 0), (-62_135_596_801, 0), (253_370_764_800, 0), (1 << 62, 0), (0, -1), (0, 10**9)]
)
async def test_times_before_1970_and_after_9998_are_refused(seconds: int, nanos: int) -> None:
    async with open_shop() as shop:
        member = await shop.enrol()
        purchase = activity(member, 100, await shop.now())
        held = hold(member, 1, await shop.now())
        read = pb.GetBalanceRequest(member_id=member.member_id)
        for time in (purchase.occurred_at, held.expires_at, read.effective_at):
            time.seconds, time.nanos = seconds, nanos
        for call, field in (
            (shop.points.RecordActivity(record(purchase)), "activity.occurred_at"),
            (shop.points.Hold(held), "expires_at"),
            (shop.points.GetBalance(read), "effective_at"),
        ):
            refusal = await refusal_of(call)
            assert (refusal.reason, refusal.metadata) == ("TIME_OUT_OF_RANGE", {"field": field})


@pytest.mark.parametrize("nanos", [0, 999])
async def test_nothing_happened_at_the_very_beginning_of_1970(nanos: int) -> None:
    """The journal has no such time: of microseconds since then, 0 stands for none."""
    async with open_shop() as shop:
        purchase = activity(await shop.enrol(), 100, await shop.now())
        purchase.occurred_at.seconds, purchase.occurred_at.nanos = 0, nanos
        refusal = await refusal_of(shop.points.RecordActivity(record(purchase)))
        assert (refusal.reason, refusal.metadata) == ("TIME_OUT_OF_RANGE", {"field": "activity.occurred_at"})
        purchase.occurred_at.nanos = 1_000
        assert (await shop.points.RecordActivity(record(purchase))).earnings[0].amount == 100
        assert await shop.findings() == []


async def test_an_activity_without_a_time_is_malformed() -> None:
    async with open_shop() as shop:
        purchase = activity(await shop.enrol(), 100, await shop.now())
        purchase.ClearField("occurred_at")
        assert (await refusal_of(shop.points.RecordActivity(record(purchase)))).fields == ("activity.occurred_at",)


async def test_a_thousand_lines_are_kept_and_one_more_is_refused() -> None:
    async with open_shop(unit(), rule(), *SCORE) as shop:
        member = await shop.enrol()
        lines = [line(1, sku=f"{number:014}", category="MILK AND CHEESE") for number in range(1001)]
        assert (await shop.earn(member, lines[:1000])).earnings[0].amount == 1000
        refusal = await refusal_of(shop.points.RecordActivity(record(activity(member, lines, await shop.now()))))
        assert refusal.fields == ("activity.lines",)


async def test_an_activity_of_more_than_256_kibibytes_is_refused() -> None:
    async with open_shop() as shop:
        member = await shop.enrol()
        lines = [line(1, sku="s" * 64, category="c" * 128, merchant="m" * 64)] * 1000
        purchase = activity(member, lines, await shop.now())
        assert purchase.ByteSize() > MAX_ACTIVITY_BYTES
        refusal = await refusal_of(shop.points.RecordActivity(record(purchase)))
        assert (refusal.reason, refusal.fields) == ("INVALID_REQUEST", ("activity",))


async def test_a_reference_may_say_anything_but_nul() -> None:
    async with open_shop() as shop:
        member = await shop.enrol()
        strange = "订单 № 1 'quoted' \"double\" \\ \n\t%s ; DROP"
        await shop.earn(member, 100, reference=strange)
        until = await shop.now() + timedelta(hours=1)
        await shop.points.Spend(spend(member, 1, reference=strange))
        await shop.points.Hold(hold(member, 1, until, reference=strange))
        await shop.earn(member, 100, reference="a\0b")
        for call in (
            shop.points.Spend(spend(member, 1, reference="a\0b")),
            shop.points.Hold(hold(member, 1, until, reference="a\0b")),
        ):
            assert (await refusal_of(call)).fields == ("reference",)
        assert await shop.findings() == []


async def test_a_score_cannot_be_spent_and_an_unknown_unit_is_none() -> None:
    async with open_shop(unit(), rule(), *SCORE) as shop:
        member = await shop.enrol()
        await shop.earn(member, 100)
        until = await shop.now() + timedelta(hours=1)
        for of_unit, reason in (("score", "UNIT_NOT_SPENDABLE"), ("miles", "UNIT_UNKNOWN")):
            for call in (
                shop.points.Spend(spend(member, 1, unit=of_unit)),
                shop.points.Hold(hold(member, 1, until, unit=of_unit)),
            ):
                refusal = await refusal_of(call)
                assert (refusal.reason, refusal.code) == (reason, StatusCode.INVALID_ARGUMENT)
                assert refusal.metadata == {"unit": of_unit}
