"""An activity is unique by domain, type and reference for its member, whatever request it comes in."""

import asyncio

import pytest
from grpc import StatusCode

from tessera.points.v1 import points_service_pb2 as pb
from tests.points.builders import activity, open_shop, record, reference, refusal_in, refusal_of, reverse


async def test_the_same_fact_under_another_request_id_is_the_same_activity() -> None:
    async with open_shop() as shop:
        member = await shop.enrol()
        purchase = activity(member, 100, await shop.now())
        first = await shop.points.RecordActivity(record(purchase))
        assert await shop.points.RecordActivity(record(purchase)) == first
        assert await shop.as_caller("fuel").RecordActivity(record(purchase)) == first
        assert await shop.available(member) == 100


async def test_the_other_request_id_stands_for_that_activity_from_then_on() -> None:
    async with open_shop() as shop:
        member = await shop.enrol()
        purchase = activity(member, 100, await shop.now())
        first = await shop.points.RecordActivity(record(purchase))
        await shop.points.RecordActivity(record(purchase, request_id="second"))
        assert await shop.points.RecordActivity(record(purchase, request_id="second")) == first
        purchase.reference = reference()
        refusal = await refusal_of(shop.points.RecordActivity(record(purchase, request_id="second")))
        assert refusal.reason == "REQUEST_ID_REUSED"
        assert await shop.available(member) == 100


async def test_the_same_key_with_another_body_is_refused_and_names_the_activity() -> None:
    async with open_shop() as shop:
        member = await shop.enrol()
        purchase = activity(member, 100, await shop.now())
        first = await shop.points.RecordActivity(record(purchase))
        purchase.lines[0].cash_minor = 101
        refusal = await refusal_of(shop.points.RecordActivity(record(purchase)))
        assert (refusal.reason, refusal.code) == ("ACTIVITY_ALREADY_RECORDED", StatusCode.ALREADY_EXISTS)
        assert refusal.metadata == {"activity_id": first.activity_id}


@pytest.mark.parametrize("field", ["type", "reference"])
async def test_another_type_or_reference_is_another_activity(field: str) -> None:
    async with open_shop() as shop:
        member = await shop.enrol()
        purchase = activity(member, 100, await shop.now())
        first = await shop.points.RecordActivity(record(purchase))
        setattr(purchase, field, "other")
        assert (await shop.points.RecordActivity(record(purchase))).activity_id != first.activity_id
        assert await shop.available(member) == 200


async def test_members_have_references_of_their_own() -> None:
    async with open_shop() as shop:
        members = [await shop.enrol(), await shop.enrol()]
        for member in members:
            await shop.earn(member, 100, reference="order-of-both")
        assert [await shop.available(member) for member in members] == [100, 100]


async def test_a_reversed_activity_is_not_recorded_a_second_time() -> None:
    async with open_shop() as shop:
        member = await shop.enrol()
        purchase = activity(member, 100, await shop.now())
        first = await shop.points.RecordActivity(record(purchase))
        await shop.points.ReverseActivity(reverse(first.activity_id))
        assert await shop.points.RecordActivity(record(purchase)) == first
        assert await shop.available(member) == 0


async def test_fifty_reports_of_one_fact_at_once_are_one_activity() -> None:
    async with open_shop() as shop:
        member = await shop.enrol()
        purchase = activity(member, 100, await shop.now())
        answers = await asyncio.gather(*(shop.points.RecordActivity(record(purchase)) for _ in range(50)))
        assert len({answer.activity_id for answer in answers}) == 1
        assert await shop.available(member) == 100
        assert await shop.findings() == []


async def test_duplicates_in_one_bulk_call_are_one_activity() -> None:
    async with open_shop() as shop:
        member = await shop.enrol()
        purchase = activity(member, 100, await shop.now())
        other = activity(member, 100, await shop.now(), reference=purchase.reference, type="review")
        changed = activity(member, 7, await shop.now(), reference=purchase.reference)
        requests = [record(purchase), record(purchase), record(other), record(changed)]
        requests.append(requests[0])
        results = (await shop.points.BulkRecordActivities(pb.BulkRecordActivitiesRequest(requests=requests))).results
        assert results[0].response == results[1].response == results[4].response
        assert results[2].response.activity_id != results[0].response.activity_id
        assert refusal_in(results[3].error).reason == "ACTIVITY_ALREADY_RECORDED"
        assert await shop.available(member) == 200
