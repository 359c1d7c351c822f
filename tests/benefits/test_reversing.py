"""Redemptions are taken back, once, to where they came from."""

import asyncio
from datetime import UTC, datetime, timedelta

import grpc
import pytest

from tessera.benefits.v1 import benefits_service_pb2 as pb
from tessera.errors import error_of_call
from tests.benefits.builders import NOON, coupon, new_member_id, quota, raw, redemption, start_benefits

DAY = timedelta(days=1)


async def test_an_entitlement_can_be_used_again_and_keeps_its_expiry() -> None:
    async with start_benefits(coupon(validity={"days": 5})) as benefits:
        (member,) = await benefits.enrol()
        issued = (await benefits.issue(member)).entitlement
        used = await benefits.redeem(member)
        await benefits.advance(NOON + DAY)
        answer = await benefits.reverse(used.redemption_id)
        assert answer.entitlement_id == issued.entitlement_id
        assert await benefits.entitlements(member) == [issued]
        assert (await benefits.redeem(member)).redemption_id != used.redemption_id
        kind, event = (await benefits.told())[2]
        assert kind == "redemption_reversed"
        assert event.redemption_id == raw(used.redemption_id).bytes


async def test_an_entitlement_returned_after_its_end_is_expired_and_booked_so_once() -> None:
    async with start_benefits(coupon(validity={"days": 1})) as benefits:
        (member,) = await benefits.enrol()
        await benefits.issue(member)
        used = await benefits.redeem(member)
        await benefits.advance(NOON + 3 * DAY)
        assert await benefits.summary() == {"coffee": {"issued": 1, "redeemed": 1}}
        await benefits.reverse(used.redemption_id)
        (read,) = await benefits.entitlements(member)
        assert (read.state, read.uses_left) == (pb.ENTITLEMENT_STATE_EXPIRED, 1)
        assert (await benefits.check(member, "coffee")).reason == "NOT_ENTITLED"
        expected = {"coffee": {"issued": 1, "redeemed": 1, "reversed": 1, "expired": 1}}
        assert await benefits.summary() == expected
        await benefits.advance(NOON + 5 * DAY)
        assert await benefits.summary() == expected
        assert [kind for kind, _ in await benefits.told()].count("entitlement_expired") == 1


async def test_a_quota_gets_it_back_in_the_period_it_was_taken_from() -> None:
    async with start_benefits(quota(uses=2)) as benefits:
        (member,) = await benefits.enrol()
        march = [await benefits.redeem(member, "delivery") for _ in range(2)]
        await benefits.reverse(march[0].redemption_id)
        assert (await benefits.check(member, "delivery")).uses_left == 1
        await benefits.advance(datetime(2026, 4, 2, tzinfo=UTC))
        await benefits.redeem(member, "delivery")
        await benefits.reverse(march[1].redemption_id)
        assert (await benefits.check(member, "delivery")).uses_left == 1


async def test_only_once_whoever_asks_at_the_same_time() -> None:
    async with start_benefits(quota(uses=3)) as benefits:
        (member,) = await benefits.enrol()
        used = await benefits.redeem(member, "delivery")
        calls = [benefits.reverse(used.redemption_id) for _ in range(20)]
        outcomes = await asyncio.gather(*calls, return_exceptions=True)
        refused = [outcome for outcome in outcomes if isinstance(outcome, grpc.aio.AioRpcError)]
        assert len(refused) == 19
        assert {error_of_call(error).reason for error in refused} == {"REDEMPTION_ALREADY_REVERSED"}
        assert (await benefits.check(member, "delivery")).uses_left == 3


async def test_a_retry_gets_the_first_answer_and_a_retried_redemption_its_own() -> None:
    async with start_benefits(coupon()) as benefits:
        (member,) = await benefits.enrol()
        await benefits.issue(member)
        request = redemption(member, request_id="use")
        used = await benefits.stub.Redeem(request)
        first = await benefits.reverse(used.redemption_id, request_id="back")
        assert await benefits.reverse(used.redemption_id, request_id="back") == first
        assert await benefits.stub.Redeem(request) == used
        assert (await benefits.check(member, "coffee")).allowed


async def test_what_was_never_redeemed_cannot_be_taken_back() -> None:
    async with start_benefits(coupon()) as benefits:
        unknown = "redemption_" + new_member_id().partition("_")[2]
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await benefits.reverse(unknown)
        assert refused.value.code() is grpc.StatusCode.NOT_FOUND
        assert error_of_call(refused.value).reason == "REDEMPTION_UNKNOWN"


async def test_a_caller_takes_back_only_what_was_used_in_its_domains() -> None:
    async with start_benefits(quota()) as benefits:
        (member,) = await benefits.enrol()
        fuel = benefits.suite.stub("benefits", caller="fuel")
        elsewhere = await benefits.redeem(member, "delivery")
        own = await benefits.redeem(member, "delivery", domain="fuel")
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await fuel.ReverseRedemption(
                pb.ReverseRedemptionRequest(request_id="one", redemption_id=elsewhere.redemption_id)
            )
        assert refused.value.code() is grpc.StatusCode.PERMISSION_DENIED
        assert error_of_call(refused.value).reason == "DOMAIN_NOT_ALLOWED"
        await fuel.ReverseRedemption(pb.ReverseRedemptionRequest(request_id="two", redemption_id=own.redemption_id))


async def test_a_suspended_members_redemption_can_still_be_taken_back() -> None:
    """The shop took the goods back, whatever the member did meanwhile."""
    async with start_benefits(quota()) as benefits:
        (member,) = await benefits.enrol()
        used = await benefits.redeem(member, "delivery")
        await benefits.set_status(member, "suspended")
        await benefits.reverse(used.redemption_id)


async def test_validate_only_takes_nothing_back() -> None:
    async with start_benefits(quota()) as benefits:
        (member,) = await benefits.enrol()
        used = await benefits.redeem(member, "delivery")
        await benefits.reverse(used.redemption_id, validate_only=True)
        assert (await benefits.check(member, "delivery")).uses_left == 3
