"""E11: the same request id and body is the same request, whatever happened since; another body is refused."""

import asyncio
from datetime import timedelta

import pytest
from grpc import StatusCode

from tessera.points.v1 import points_service_pb2 as pb
from tests.points.builders import (
    activity,
    capture,
    connections,
    conversion,
    convert,
    extend,
    forfeit,
    grant,
    hold,
    open_shop,
    record,
    reference,
    refund,
    refusal_in,
    refusal_of,
    release,
    request_id,
    reverse,
    rule,
    someone,
    spend,
    unit,
)


async def test_every_mutation_is_answered_the_first_answer_again_also_after_a_restart() -> None:
    async with open_shop(unit(), rule(), unit("miles"), conversion()) as shop:
        member = await shop.enrol()
        now = await shop.now()
        calls = []

        async def call(method: str, request: object) -> pb.SpendResponse:
            calls.append((method, request))
            return await getattr(shop.points, method)(request)

        recorded = await call("RecordActivity", record(activity(member, 100, now)))
        spent = await call("Spend", spend(member, 30))
        held = [await call("Hold", hold(member, 20, now + timedelta(hours=1))) for _ in range(2)]
        await call("ExtendHold", extend(held[0].hold_id, now + timedelta(hours=2)))
        await call("Grant", grant(member, 30))
        await call("Convert", convert(member, 20))
        await call("Forfeit", forfeit(member))
        await call("CaptureHold", capture(held[0].hold_id, 5))
        await call("ReleaseHold", release(held[1].hold_id))
        await call("RefundSpend", refund(spent.spend_id, 10))
        await call("ReverseActivity", reverse(recorded.activity_id))
        entries = await shop.entries(member)
        first = [await getattr(shop.points, method)(request) for method, request in calls]
        await shop.suite.stop("points")
        await shop.suite.start("points", virtual_clock_start=None)
        again = [await getattr(shop.points, method)(request) for method, request in calls]
        assert first == again
        assert first[0] == recorded
        assert await shop.entries(member) == entries


async def test_a_refusal_is_the_answer_too_even_when_it_would_pass_by_now() -> None:
    async with open_shop() as shop:
        member = await shop.enrol()
        request = spend(member, 100)
        assert (await refusal_of(shop.points.Spend(request))).reason == "INSUFFICIENT_POINTS"
        await shop.earn(member, 100)
        assert (await refusal_of(shop.points.Spend(request))).reason == "INSUFFICIENT_POINTS"
        assert (await shop.points.Spend(spend(member, 100))).balance_after == 0


async def test_a_refusal_of_an_activity_is_kept_as_well() -> None:
    async with open_shop() as shop:
        member = await shop.enrol()
        request = record(activity(member, 100, await shop.now(), currency="USD"))
        for _ in range(2):
            assert (await refusal_of(shop.points.RecordActivity(request))).reason == "CURRENCY_MISMATCH"
        request.activity.currency = "CNY"
        refusal = await refusal_of(shop.points.RecordActivity(request))
        assert (refusal.reason, refusal.code) == ("REQUEST_ID_REUSED", StatusCode.ALREADY_EXISTS)


async def test_a_refusal_that_may_pass_by_itself_is_not_kept() -> None:
    async with open_shop() as shop:
        member = someone()
        request = record(activity(member, 100, await shop.now()))
        refusal = await refusal_of(shop.points.RecordActivity(request))
        assert (refusal.reason, refusal.may_retry) == ("MEMBER_UNKNOWN", True)
        await shop.introduce(member)
        assert (await shop.points.RecordActivity(request)).earnings[0].amount == 100


@pytest.mark.parametrize("other", ["reference", "lines", "occurred_at"])
async def test_an_activity_with_a_used_request_id_and_another_body_is_refused(other: str) -> None:
    async with open_shop() as shop:
        member = await shop.enrol()
        now = await shop.now()
        request = record(activity(member, 100, now))
        await shop.points.RecordActivity(request)
        if other == "reference":
            request.activity.reference = reference()
        elif other == "lines":
            request.activity.lines[0].cash_minor = 99
        else:
            request.activity.occurred_at.seconds -= 1
        refusal = await refusal_of(shop.points.RecordActivity(request))
        assert (refusal.reason, refusal.code) == ("REQUEST_ID_REUSED", StatusCode.ALREADY_EXISTS)
        assert await shop.available(member) == 100


async def test_attributes_have_no_order() -> None:
    async with open_shop() as shop:
        member = await shop.enrol()
        now = await shop.now()
        names = [f"name_{number}" for number in range(40)]
        purchase = activity(member, 100, now, attributes=dict.fromkeys(names, "x"))
        first = await shop.points.RecordActivity(record(purchase, request_id="the-one"))
        purchase.ClearField("attributes")
        for name in reversed(names):
            purchase.attributes[name] = "x"
        assert await shop.points.RecordActivity(record(purchase, request_id="the-one")) == first


async def test_a_used_request_id_with_another_amount_is_refused() -> None:
    async with open_shop() as shop:
        member = await shop.enrol()
        await shop.earn(member, 100)
        one_id = request_id()
        await shop.points.Spend(spend(member, 10, request_id=one_id))
        refusal = await refusal_of(shop.points.Spend(spend(member, 11, request_id=one_id)))
        assert refusal.reason == "REQUEST_ID_REUSED"
        results = (
            await shop.points.BulkSpend(pb.BulkSpendRequest(requests=[spend(member, 11, request_id=one_id)]))
        ).results
        assert refusal_in(results[0].error).reason == "REQUEST_ID_REUSED"
        assert await shop.available(member) == 90


async def test_callers_and_methods_have_request_ids_of_their_own() -> None:
    async with open_shop() as shop:
        member = await shop.enrol()
        await shop.earn(member, 100)
        one_id = request_id()
        until = await shop.now() + timedelta(hours=1)
        await shop.points.Spend(spend(member, 10, request_id=one_id))
        await shop.points.Hold(hold(member, 10, until, request_id=one_id))
        await shop.as_caller("fuel").Spend(spend(member, 10, request_id=one_id))
        assert await shop.available(member) == 70


async def test_a_retry_may_use_the_bulk_form_and_the_other_way_round() -> None:
    async with open_shop() as shop:
        member = await shop.enrol()
        request = record(activity(member, 100, await shop.now()))
        single = await shop.points.RecordActivity(request)
        (result,) = (await shop.points.BulkRecordActivities(pb.BulkRecordActivitiesRequest(requests=[request]))).results
        assert result.response == single
        request = spend(member, 10)
        (result,) = (await shop.points.BulkSpend(pb.BulkSpendRequest(requests=[request]))).results
        assert await shop.points.Spend(request) == result.response
        assert await shop.available(member) == 90


async def test_a_twin_still_in_flight_gets_the_same_answer() -> None:
    async with open_shop() as shop, connections(shop) as (left, right):
        member = await shop.enrol()
        now = await shop.now()
        for _ in range(10):
            request = record(activity(member, 1, now))
            one, other = await asyncio.gather(left.RecordActivity(request), right.RecordActivity(request))
            assert one == other
        assert await shop.available(member) == 10


async def test_a_dry_run_uses_no_request_id_up() -> None:
    async with open_shop() as shop:
        member = await shop.enrol()
        await shop.earn(member, 100)
        one_id = request_id()
        await shop.points.Spend(spend(member, 10, request_id=one_id, validate_only=True))
        await shop.points.Spend(spend(member, 20, request_id=one_id))
        assert await shop.available(member) == 80
