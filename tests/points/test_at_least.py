"""Enrol, then record at once: the position that enrolment answered is waited for."""

import asyncio

from tessera.identity.v1 import identity_service_pb2 as identity_pb
from tessera.points.v1 import points_service_pb2 as pb
from tests.identity.builders import domain, enrol, suspend
from tests.identity.builders import programme as identity_programme
from tests.points.builders import Shop, activity, local, programme, record, refusal_of, rule, someone, unit
from tests.support.suite import start_suite


async def test_an_activity_right_after_enrolment_waits_for_it() -> None:
    async with start_suite("identity", "points", clock_start=local("2026-01-01")) as suite:
        await suite.publish("identity", identity_programme(), domain("fuel"))
        shop = Shop(suite)
        await shop.publish(programme(), unit(), rule())
        enrolled = await asyncio.gather(*(enrol(suite, domain="fuel") for _ in range(10)))
        calls = [shop.points.RecordActivity(_first_activity(answer)) for answer in enrolled]
        assert [answer.earnings[0].amount for answer in await asyncio.gather(*calls)] == [100] * 10


async def test_a_read_and_a_bulk_call_wait_as_well() -> None:
    async with start_suite("identity", "points", clock_start=local("2026-01-01")) as suite:
        await suite.publish("identity", identity_programme(), domain("fuel"))
        shop = Shop(suite)
        await shop.publish(programme(), unit(), rule())
        answer = await enrol(suite, domain="fuel")
        request = pb.GetBalanceRequest(member_id=answer.member_id, at_least=[answer.position])
        assert (await shop.points.GetBalance(request)).balances[0].available == 0
        answer = await enrol(suite, domain="fuel")
        bulk = pb.BulkRecordActivitiesRequest(requests=[_first_activity(answer)], at_least=[answer.position])
        assert (await shop.points.BulkRecordActivities(bulk)).results[0].HasField("response")


async def test_a_suspension_is_seen_by_who_knows_of_it() -> None:
    async with start_suite("identity", "points", clock_start=local("2026-01-01")) as suite:
        await suite.publish("identity", identity_programme(), domain("fuel"))
        shop = Shop(suite)
        await shop.publish(programme(), unit(), rule())
        answer = await enrol(suite, domain="fuel")
        suspended = await suspend(suite, answer.member_id)
        request = _first_activity(answer)
        request.at_least.append(suspended.position)
        assert (await refusal_of(shop.points.RecordActivity(request))).reason == "MEMBER_SUSPENDED"


def _first_activity(answer: identity_pb.ResolveAccountResponse) -> pb.RecordActivityRequest:
    member = someone("fuel")
    purchase = activity(member, 100, local("2026-01-01"), member_id=answer.member_id, account_id=answer.account_id)
    return record(purchase, at_least=[answer.position])
