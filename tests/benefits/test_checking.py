"""May this member use this benefit now, and if not, why and when."""

from datetime import UTC, datetime, timedelta

import grpc
import pytest

from tessera.benefits.v1 import benefits_service_pb2 as pb
from tessera.errors import error_of_call, error_of_status
from tests.benefits.builders import NOON, coupon, new_member_id, quota, standing, start_benefits
from tests.benefits.builders import raw as raw_id

DAY = timedelta(days=1)


async def test_a_coupon_may_be_used_by_whoever_has_it() -> None:
    async with start_benefits(coupon(), coupon("tea", uses="unlimited")) as benefits:
        (member,) = await benefits.enrol()
        missing = await benefits.check(member, "coffee")
        assert (missing.allowed, missing.reason) == (False, "NOT_ENTITLED")
        issued = (await benefits.issue(member)).entitlement
        await benefits.issue(member, reference="second")
        found = await benefits.check(member, "coffee")
        assert (found.allowed, found.reason, found.uses_left, found.config_version) == (True, "", 2, 1)
        assert found.entitlement_id in {e.entitlement_id for e in await benefits.entitlements(member)}
        await benefits.issue(member, "tea")
        endless = await benefits.check(member, "tea")
        assert endless.allowed
        assert not endless.HasField("uses_left")
        assert issued.uses_left == 1


async def test_a_quota_says_what_is_left_and_when_there_is_more() -> None:
    async with start_benefits(quota(uses=2)) as benefits:
        (member,) = await benefits.enrol()
        assert (await benefits.check(member, "delivery")).uses_left == 2
        await benefits.redeem(member, "delivery")
        assert (await benefits.check(member, "delivery")).uses_left == 1
        await benefits.redeem(member, "delivery")
        refused = await benefits.check(member, "delivery")
        assert (refused.allowed, refused.reason) == (False, "QUOTA_EXHAUSTED")
        assert refused.next_eligible_at.ToDatetime(UTC) == datetime(2026, 4, 1, 4, tzinfo=UTC)
        assert not refused.HasField("uses_left")


async def test_who_is_not_eligible_learns_the_condition() -> None:
    condition = 'level.shopper == "gold" || level.traveller == "gold"'
    async with start_benefits(quota(eligibility=condition)) as benefits:
        (member,) = await benefits.enrol()
        refused = await benefits.check(member, "delivery")
        assert (refused.allowed, refused.reason, refused.condition) == (False, "NOT_ELIGIBLE", condition)
        await benefits.stand(member, "gold", ladder="traveller")
        assert (await benefits.check(member, "delivery")).allowed
        await benefits.stand(member, "bronze", ladder="traveller")
        assert not (await benefits.check(member, "delivery")).allowed


async def test_the_interval_that_covers_the_instant_counts() -> None:
    """E21: known beforehand, a new level holds from its own instant on, to the second."""
    async with start_benefits(quota(eligibility='level.shopper == "gold"')) as benefits:
        (member,) = await benefits.enrol()
        await benefits.stand(member, "gold", at=NOON - DAY)
        end = NOON + DAY
        await benefits.tell("tiers", [(raw_id(member), standing(member, "silver", end))])
        assert (await benefits.check(member, "delivery")).allowed
        await benefits.advance(end - timedelta(seconds=1))
        assert (await benefits.check(member, "delivery")).allowed
        await benefits.redeem(member, "delivery")
        await benefits.advance(end)
        assert (await benefits.check(member, "delivery")).reason == "NOT_ELIGIBLE"
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await benefits.redeem(member, "delivery")
        assert error_of_call(refused.value).reason == "NOT_ELIGIBLE"


async def test_a_coupon_may_be_judged_at_its_issue_alone() -> None:
    strict = coupon(eligibility="rank.shopper >= 1")
    lasting = coupon("tea", eligibility="rank.shopper >= 1", judged="at-issue")
    async with start_benefits(strict, lasting) as benefits:
        (member,) = await benefits.enrol()
        await benefits.stand(member, "silver", at=NOON - DAY)
        await benefits.issue(member)
        await benefits.issue(member, "tea")
        await benefits.stand(member, "bronze")
        assert (await benefits.check(member, "coffee")).reason == "NOT_ELIGIBLE"
        assert (await benefits.check(member, "tea")).allowed


async def test_a_benefit_is_used_where_and_when_it_is_offered() -> None:
    soon = quota("soon", offered={"from": "2026-03-11", "through": "2026-03-12"})
    over = quota("over", offered={"through": "2026-03-09"})
    async with start_benefits(quota(domains=["cafe", "bar"]), soon, over) as benefits:
        (member,) = await benefits.enrol()
        assert (await benefits.check(member, "delivery", "cafe")).allowed
        assert (await benefits.check(member, "delivery")).allowed
        assert (await benefits.check(member, "delivery", "fuel")).reason == "DOMAIN_NOT_IN_SCOPE"
        early, late = await benefits.check(member, "soon"), await benefits.check(member, "over")
        assert early.reason == late.reason == "OUTSIDE_VALIDITY"
        assert early.next_eligible_at.ToDatetime(UTC) == datetime(2026, 3, 11, 4, tzinfo=UTC)
        assert not late.HasField("next_eligible_at")
        await benefits.advance(datetime(2026, 3, 11, 4, tzinfo=UTC))
        assert (await benefits.check(member, "soon")).allowed
        await benefits.advance(datetime(2026, 3, 13, 4, tzinfo=UTC))
        assert (await benefits.check(member, "soon")).reason == "OUTSIDE_VALIDITY"


async def test_an_entitlement_past_its_end_is_of_no_use_before_any_job_has_run() -> None:
    async with start_benefits(coupon(validity={"hours": 2})) as benefits:
        (member,) = await benefits.enrol()
        await benefits.issue(member)
        await benefits.advance(NOON + timedelta(hours=2) - timedelta(microseconds=1))
        assert (await benefits.check(member, "coffee")).allowed
        await benefits.advance(NOON + timedelta(hours=2))
        assert (await benefits.check(member, "coffee")).reason == "NOT_ENTITLED"
        (read,) = await benefits.entitlements(member)
        assert read.state == pb.ENTITLEMENT_STATE_EXPIRED


async def test_suspended_and_closed_members_may_use_nothing() -> None:
    async with start_benefits(quota()) as benefits:
        (member,) = await benefits.enrol()
        for status, reason in (("suspended", "MEMBER_SUSPENDED"), ("active", ""), ("closed", "MEMBER_CLOSED")):
            await benefits.set_status(member, status)
            assert (await benefits.check(member, "delivery")).reason == reason


async def test_the_unknown_are_errors_and_a_new_member_may_be_asked_for_again() -> None:
    async with start_benefits(quota()) as benefits:
        (member,) = await benefits.enrol()
        with pytest.raises(grpc.aio.AioRpcError) as unknown:
            await benefits.check(new_member_id(), "delivery")
        assert unknown.value.code() is grpc.StatusCode.NOT_FOUND
        assert error_of_call(unknown.value).reason == "MEMBER_UNKNOWN"
        with pytest.raises(grpc.aio.AioRpcError) as unknown:
            await benefits.check(member, "tea")
        assert unknown.value.code() is grpc.StatusCode.INVALID_ARGUMENT
        assert error_of_call(unknown.value).reason == "BENEFIT_UNKNOWN"


async def test_a_bulk_call_answers_each_item_as_a_single_call_would() -> None:
    documents = [coupon(), quota(eligibility="rank.shopper >= 2"), quota("daily", uses=1, period="day")]
    async with start_benefits(*documents) as benefits:
        members = await benefits.enrol(6)
        await benefits.stand(members[0], "gold")
        await benefits.set_status(members[1], "suspended")
        await benefits.issue(members[2])
        await benefits.issue(members[2], reference="second")
        await benefits.redeem(members[3], "daily")
        asked = [(member, benefit) for member in members for benefit in ("coffee", "delivery", "daily")]
        requests = [pb.CheckEntitlementRequest(member_id=member, benefit=benefit) for member, benefit in asked]
        bulk = await benefits.stub.BulkCheckEntitlements(pb.BulkCheckEntitlementsRequest(requests=requests))
        assert [r.response for r in bulk.results] == [await benefits.check(*question) for question in asked]
        requests = [
            pb.CheckEntitlementRequest(member_id=new_member_id(), benefit="coffee"),
            pb.CheckEntitlementRequest(member_id="nobody", benefit="coffee"),
            pb.CheckEntitlementRequest(member_id=members[0], benefit="daily"),
            pb.CheckEntitlementRequest(member_id=members[0], benefit="tea"),
            pb.CheckEntitlementRequest(member_id=members[0], benefit="Tea!"),
            pb.CheckEntitlementRequest(member_id=members[0], benefit="daily", domain="Café"),
        ]
        bulk = await benefits.stub.BulkCheckEntitlements(pb.BulkCheckEntitlementsRequest(requests=requests))
        assert [
            error_of_status(r.error).reason if r.HasField("error") else r.response.allowed for r in bulk.results
        ] == [
            "MEMBER_UNKNOWN",
            "INVALID_REQUEST",
            True,
            "BENEFIT_UNKNOWN",
            "INVALID_REQUEST",
            "INVALID_REQUEST",
        ]


async def test_a_condition_may_ask_when_a_member_was_enrolled() -> None:
    condition = 'member.enrolled_at < timestamp("2026-01-01T00:00:00Z") || level.shopper == "gold"'
    async with start_benefits(quota(eligibility=condition), quota("other")) as benefits:
        (early,) = await benefits.enrol(at=datetime(2025, 6, 1, tzinfo=UTC))
        late, risen = await benefits.enrol(2, at=datetime(2026, 2, 1, tzinfo=UTC))
        await benefits.stand(risen, "gold")
        members = (early, late, risen)
        assert [(await benefits.check(member, "delivery")).allowed for member in members] == [True, False, True]
        requests = [pb.CheckEntitlementRequest(member_id=m, benefit=b) for b in ("delivery", "other") for m in members]
        bulk = await benefits.stub.BulkCheckEntitlements(pb.BulkCheckEntitlementsRequest(requests=requests))
        assert [r.response.allowed for r in bulk.results] == [True, False, True, True, True, True]
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await benefits.redeem(late, "delivery")
        assert error_of_call(refused.value).reason == "NOT_ELIGIBLE"


async def test_an_answer_names_the_configuration_it_was_decided_with() -> None:
    async with start_benefits(quota(uses=1)) as benefits:
        (member,) = await benefits.enrol()
        assert (await benefits.check(member, "delivery")).config_version == 1
        await benefits.publish(quota(uses=7))
        answer = await benefits.check(member, "delivery")
        assert (answer.config_version, answer.uses_left) == (2, 7)
