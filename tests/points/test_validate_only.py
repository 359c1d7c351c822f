"""A dry run checks everything, answers the same, and books nothing."""

from datetime import timedelta
from typing import Any

from tests.points.builders import (
    SCORE,
    activity,
    capture,
    conversion,
    convert,
    extend,
    forfeit,
    grant,
    hold,
    open_shop,
    record,
    refund,
    refusal_of,
    release,
    request_id,
    reverse,
    rule,
    someone,
    spend,
    unit,
)

IDS_OF_THEIR_OWN = ("spend_id", "hold_id", "grant_id", "lot_id", "forfeit_id", "conversion_id")
"""Spends, holds and the like get their IDs when they are made; a dry run makes none."""


async def test_each_dry_run_answers_what_the_call_then_answers_and_leaves_no_trace() -> None:
    documents = [unit(), unit("miles"), rule(cap={"amount": 150, "period": "day"}), *SCORE]
    capped = conversion(cap={"amount": 50, "period": "day"})
    async with open_shop(*documents, capped) as shop:
        member = await shop.enrol()
        now = await shop.now()
        until = now + timedelta(hours=1)

        async def both(method: str, request: Any) -> Any:
            before = await everything()
            request.validate_only = True
            dry = await getattr(shop.points, method)(request)
            assert await everything() == before
            request.validate_only = False
            real = await getattr(shop.points, method)(request)
            assert without_ids(dry) == without_ids(real)
            return real

        async def everything() -> Any:
            pool = shop.suite.running["points"].platform.pool
            tables = (
                "activities",
                "entries",
                "balances",
                "lots",
                "holds",
                "spends",
                "lot_uses",
                "cap_uses",
                "clawbacks",
                "movements",
            )
            rows = [await pool.fetch(f"SELECT * FROM {table} ORDER BY 1, 2, 3") for table in (*tables, "requests")]
            heads = await pool.fetch("SELECT partition, position FROM head ORDER BY partition")
            return rows, heads

        earned = await both("RecordActivity", record(activity(member, 100, now)))
        assert (await both("RecordActivity", record(activity(member, 100, now)))).earnings[0].rules[0].capped == 50
        spent = await both("Spend", spend(member, 30))
        first = await both("Hold", hold(member, 20, until))
        second = await both("Hold", hold(member, 20, until))
        await both("ExtendHold", extend(first.hold_id, until + timedelta(hours=1)))
        await both("Grant", grant(member, 30, merchant="cafe"))
        await both("Convert", convert(member, 30))
        await both("Forfeit", forfeit(member, 20))
        await both("CaptureHold", capture(first.hold_id, 5))
        await both("ReleaseHold", release(second.hold_id))
        await both("RefundSpend", refund(spent.spend_id, 10))
        await both("ReverseActivity", reverse(earned.activity_id))
        assert await shop.findings() == []


async def test_a_dry_run_is_refused_as_the_call_would_be() -> None:
    async with open_shop() as shop:
        member = await shop.enrol()
        for method, request, reason in (
            ("Spend", spend(member, 1, validate_only=True), "INSUFFICIENT_POINTS"),
            ("Spend", spend(someone(), 1, validate_only=True), "MEMBER_UNKNOWN"),
            ("Spend", spend(member, 1, unit="miles", validate_only=True), "UNIT_UNKNOWN"),
            ("Spend", spend(member, 0, validate_only=True), "INVALID_REQUEST"),
        ):
            assert (await refusal_of(getattr(shop.points, method)(request))).reason == reason


async def test_a_refused_dry_run_does_not_use_its_request_id_up() -> None:
    async with open_shop() as shop:
        member = await shop.enrol()
        one_id = request_id()
        await refusal_of(shop.points.Spend(spend(member, 10, request_id=one_id, validate_only=True)))
        await shop.earn(member, 10)
        assert (await shop.points.Spend(spend(member, 10, request_id=one_id))).balance_after == 0


async def test_an_activity_can_be_reversed_by_the_id_of_its_dry_run() -> None:
    async with open_shop() as shop:
        member = await shop.enrol()
        request = record(activity(member, 100, await shop.now()), validate_only=True)
        dry = await shop.points.RecordActivity(request)
        assert (await refusal_of(shop.points.ReverseActivity(reverse(dry.activity_id)))).reason == "ACTIVITY_UNKNOWN"
        request.validate_only = False
        await shop.points.RecordActivity(request)
        assert (await shop.points.ReverseActivity(reverse(dry.activity_id))).clawbacks[0].taken == 100


def without_ids(message: Any) -> Any:
    copy = type(message)()
    copy.CopyFrom(message)
    for name in IDS_OF_THEIR_OWN:
        if name in copy.DESCRIPTOR.fields_by_name:
            copy.ClearField(name)
    if "credited" in copy.DESCRIPTOR.fields_by_name:
        for part in copy.lots:
            part.ClearField("lot_id")
    return copy
