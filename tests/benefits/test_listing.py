"""A member's entitlements, page by page; and what time does to them."""

from datetime import UTC, datetime, timedelta

import grpc
import pytest

from services.benefits import jobs
from tessera.benefits.v1 import benefits_service_pb2 as pb
from tessera.errors import error_of_call
from tests.benefits.builders import NOON, coupon, new_member_id, raw, start_benefits

DAY = timedelta(days=1)


async def test_newest_first_in_pages_without_gap_or_repeat() -> None:
    async with start_benefits(coupon(), coupon("tea")) as benefits:
        member, other = await benefits.enrol(2)
        await benefits.issue(other)
        for day in range(3):
            await benefits.advance(NOON + day * DAY)
            for number in range(4):
                await benefits.issue(member, reference=f"{day}-{number}")
        await benefits.issue(member, "tea")
        everything = await benefits.entitlements(member)
        assert len(everything) == 13
        issued = [e.issued_at.ToDatetime() for e in everything]
        assert issued == sorted(issued, reverse=True)
        request = pb.ListEntitlementsRequest(member_id=member, page_size=5)
        paged = []
        while True:
            answer = await benefits.stub.ListEntitlements(request)
            paged += answer.entitlements
            if not answer.next_page_token:
                break
            request.page_token = answer.next_page_token
        assert paged == everything
        assert [e.benefit for e in await benefits.entitlements(member, benefit="tea")] == ["tea"]
        request.benefit = "tea"
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await benefits.stub.ListEntitlements(request)
        assert error_of_call(refused.value).reason == "PAGE_TOKEN_INVALID"


async def test_what_is_over_is_left_out_unless_asked_for() -> None:
    async with start_benefits(coupon(), coupon("short", validity={"hours": 1})) as benefits:
        (member,) = await benefits.enrol()
        await benefits.issue(member, reference="used")
        await benefits.redeem(member)
        await benefits.issue(member, reference="open")
        await benefits.issue(member, "short")
        await benefits.advance(NOON + timedelta(hours=1))
        assert [e.reference for e in await benefits.entitlements(member, include_closed=False)] == ["open"]
        assert {(e.benefit, e.reference): e.state for e in await benefits.entitlements(member)} == {
            ("coffee", "used"): pb.ENTITLEMENT_STATE_REDEEMED,
            ("coffee", "open"): pb.ENTITLEMENT_STATE_GRANTED,
            ("short", ""): pb.ENTITLEMENT_STATE_EXPIRED,
        }


async def test_an_unknown_member_has_no_list() -> None:
    async with start_benefits(coupon()) as benefits:
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await benefits.entitlements(new_member_id())
        assert error_of_call(refused.value).reason == "MEMBER_UNKNOWN"


async def test_the_job_books_what_is_over_once_and_nothing_else_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "CHUNK", 4)
    async with start_benefits(coupon(validity={"hours": 3}, uses="unlimited"), coupon("tea")) as benefits:
        members = await benefits.enrol(50)
        for member in members:
            await benefits.issue(member)
            await benefits.issue(member, "tea")
        await benefits.redeem(members[0])
        await benefits.advance(NOON + timedelta(hours=3))
        before = [await benefits.entitlements(member) for member in members]
        counted = {"coffee": {"issued": 50, "redeemed": 1, "expired": 50}, "tea": {"issued": 50}}
        assert await benefits.summary() == counted
        assert not [kind for kind, _ in await benefits.told() if kind == "entitlement_expired"]
        await benefits.advance(NOON + DAY)
        expire, _ = jobs.jobs(benefits.platform)
        await expire.run(NOON + DAY)
        assert await benefits.summary() == counted
        assert [await benefits.entitlements(member) for member in members] == before
        expired = [event for kind, event in await benefits.told() if kind == "entitlement_expired"]
        assert {event.member_id for event in expired} == {raw(member).bytes for member in members}
        assert len(expired) == 50
        ends_at = NOON + timedelta(hours=3)
        assert {event.expired_at_us for event in expired} == {int(ends_at.timestamp() * 1_000_000)}


async def test_the_summary_names_every_benefit_that_there_is_or_was() -> None:
    async with start_benefits(coupon()) as benefits:
        (member,) = await benefits.enrol()
        await benefits.issue(member)
        await benefits.suite.publish("benefits", coupon("new"))
        assert await benefits.summary() == {"coffee": {"issued": 1}, "new": {}}


def test_the_first_midnight_of_the_job_is_a_civil_one() -> None:
    from services.benefits.documents import compile_documents
    from services.chassis.documents import Document
    from tests.benefits.builders import PROGRAMME

    documents = [Document(**PROGRAMME), Document(**coupon(issue=[{"when": "month"}]))]
    config = compile_documents(documents)
    assert jobs._next_midnight(config, NOON) == datetime(2026, 3, 11, 4, tzinfo=UTC)
    assert jobs._next_month(config, NOON) == datetime(2026, 4, 1, 4, tzinfo=UTC)
    assert jobs._next_month(config, datetime(2026, 4, 1, 4, tzinfo=UTC)) == datetime(2026, 5, 1, 4, tzinfo=UTC)
    assert jobs._next_midnight(compile_documents([]), NOON) is None
