"""Benefits are used: entitlements and quotas, within their limits, once for each request."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import grpc
import pytest

from tessera.benefits.v1 import benefits_service_pb2 as pb
from tessera.errors import error_of_call, error_of_status
from tests.benefits.builders import (
    NOON,
    Benefits,
    coupon,
    new_member_id,
    quota,
    raw,
    redemption,
    start_benefits,
)

DAY = timedelta(days=1)


async def reason(benefits: Benefits, member: str, benefit: str = "coffee", **fields: Any) -> str:
    """Why a redemption is refused."""
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await benefits.redeem(member, benefit, **fields)
    return str(error_of_call(refused.value).reason)


class TestCoupons:
    async def test_the_one_that_ends_first_is_used(self) -> None:
        async with start_benefits(coupon(validity={"days": 5})) as benefits:
            (member,) = await benefits.enrol()
            first = (await benefits.issue(member, reference="first")).entitlement
            await benefits.advance(NOON + DAY)
            second = (await benefits.issue(member, reference="second")).entitlement
            used = await benefits.redeem(member)
            assert (used.entitlement_id, used.uses_left) == (first.entitlement_id, 1)
            used = await benefits.redeem(member)
            assert (used.entitlement_id, used.uses_left) == (second.entitlement_id, 0)
            assert await reason(benefits, member) == "NOT_ENTITLED"
            assert {e.state for e in await benefits.entitlements(member)} == {pb.ENTITLEMENT_STATE_REDEEMED}

    async def test_one_may_be_named(self) -> None:
        async with start_benefits(coupon(validity={"days": 5}), coupon("tea"), quota()) as benefits:
            member, other = await benefits.enrol(2)
            await benefits.issue(member, reference="first")
            await benefits.advance(NOON + DAY)
            wanted = (await benefits.issue(member, reference="second")).entitlement.entitlement_id
            assert (await benefits.redeem(member, entitlement_id=wanted)).entitlement_id == wanted
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                await benefits.redeem(member, entitlement_id=wanted)
            assert error_of_call(refused.value).metadata == {"state": "redeemed"}
            foreign = (await benefits.issue(other)).entitlement.entitlement_id
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                await benefits.redeem(member, entitlement_id=foreign)
            assert error_of_call(refused.value).metadata == {"state": "unknown"}
            tea = (await benefits.issue(member, "tea")).entitlement.entitlement_id
            assert await reason(benefits, member, entitlement_id=tea) == "ENTITLEMENT_NOT_USABLE"
            assert await reason(benefits, member, "delivery", entitlement_id=tea) == "ENTITLEMENT_NOT_USABLE"

    async def test_one_without_limit_is_used_again_and_again(self) -> None:
        async with start_benefits(coupon(uses="unlimited")) as benefits:
            (member,) = await benefits.enrol()
            await benefits.issue(member)
            for _ in range(5):
                assert not (await benefits.redeem(member)).HasField("uses_left")
            (entitlement,) = await benefits.entitlements(member)
            assert entitlement.state == pb.ENTITLEMENT_STATE_GRANTED
            assert await benefits.summary() == {"coffee": {"issued": 1, "redeemed": 5}}

    async def test_one_of_several_uses_is_used_up_in_the_end(self) -> None:
        async with start_benefits(coupon(uses=2)) as benefits:
            (member,) = await benefits.enrol()
            await benefits.issue(member)
            assert [(await benefits.redeem(member)).uses_left for _ in range(2)] == [1, 0]
            assert await reason(benefits, member) == "NOT_ENTITLED"


class TestQuotas:
    async def test_e36_quota_5_one_left_two_at_once(self) -> None:
        async with start_benefits(quota(uses=5)) as benefits:
            (member,) = await benefits.enrol()
            for _ in range(4):
                await benefits.redeem(member, "delivery")
            both = await asyncio.gather(
                *(benefits.redeem(member, "delivery") for _ in range(2)), return_exceptions=True
            )
            (refused,) = [one for one in both if isinstance(one, grpc.aio.AioRpcError)]
            assert error_of_call(refused).reason == "QUOTA_EXHAUSTED"
            assert error_of_call(refused).metadata == {
                "quota": "5",
                "used": "5",
                "next_eligible_at": "2026-04-01T04:00:00+00:00",
            }

    async def test_a_quota_is_never_exceeded_by_100_at_once(self) -> None:
        async with start_benefits(quota(uses=7), coupon(uses=3)) as benefits:
            (member,) = await benefits.enrol()
            for reference in ("one", "two"):
                await benefits.issue(member, reference=reference)
            calls = [benefits.redeem(member, "delivery") for _ in range(100)]
            calls += [benefits.redeem(member) for _ in range(100)]
            outcomes = await asyncio.gather(*calls, return_exceptions=True)
            won = [n for n, outcome in enumerate(outcomes) if not isinstance(outcome, BaseException)]
            assert len([n for n in won if n < 100]) == 7
            assert len([n for n in won if n >= 100]) == 6
            assert sorted(outcomes[n].uses_left for n in won if n < 100) == list(range(7))
            assert {error_of_call(o).reason for o in outcomes if isinstance(o, grpc.aio.AioRpcError)} == {
                "QUOTA_EXHAUSTED",
                "NOT_ENTITLED",
            }

    async def test_e35_a_civil_day_of_25_hours_has_one_use(self) -> None:
        """01:30 EDT and 01:30 EST of 2026-11-01."""
        async with start_benefits(
            quota(uses=1, period="day"), clock_start=datetime(2026, 11, 1, tzinfo=UTC)
        ) as benefits:
            (member,) = await benefits.enrol()
            await benefits.advance(datetime(2026, 11, 1, 5, 30, tzinfo=UTC))
            await benefits.redeem(member, "delivery")
            for later in (datetime(2026, 11, 1, 6, 30, tzinfo=UTC), datetime(2026, 11, 2, 4, 59, 59, tzinfo=UTC)):
                await benefits.advance(later)
                assert await reason(benefits, member, "delivery") == "QUOTA_EXHAUSTED"
            await benefits.advance(datetime(2026, 11, 2, 5, tzinfo=UTC))
            await benefits.redeem(member, "delivery")

    async def test_each_period_begins_anew(self) -> None:
        async with start_benefits(quota(uses=1)) as benefits:
            (member,) = await benefits.enrol()
            assert (await benefits.redeem(member, "delivery")).uses_left == 0
            await benefits.advance(datetime(2026, 4, 1, 4, tzinfo=UTC))
            assert (await benefits.redeem(member, "delivery")).uses_left == 0
            assert await reason(benefits, member, "delivery") == "QUOTA_EXHAUSTED"

    async def test_once_is_once_in_a_life(self) -> None:
        async with start_benefits(quota(uses=1, period="once")) as benefits:
            (member,) = await benefits.enrol()
            await benefits.redeem(member, "delivery")
            await benefits.advance(NOON + 400 * DAY)
            assert await reason(benefits, member, "delivery") == "QUOTA_EXHAUSTED"
            assert not (await benefits.check(member, "delivery")).HasField("next_eligible_at")


class TestWhoAndWhere:
    async def test_the_account_must_be_the_members_in_the_domain(self) -> None:
        async with start_benefits(quota(uses=9)) as benefits:
            member, other = await benefits.enrol(2)
            cafe, bar = await benefits.link(member, "cafe"), await benefits.link(member, "bar")
            await benefits.redeem(member, "delivery", account_id=cafe)
            assert await reason(benefits, member, "delivery", account_id=bar) == "ACCOUNT_MISMATCH"
            neighbour = await benefits.link(other, "cafe")
            assert await reason(benefits, member, "delivery", account_id=neighbour) in (
                "ACCOUNT_UNKNOWN",
                "ACCOUNT_MISMATCH",
            )
            await benefits.unlink(member, cafe)
            assert await reason(benefits, member, "delivery", account_id=cafe) == "ACCOUNT_MISMATCH"

    async def test_an_unknown_account_may_be_on_its_way_and_is_no_verdict(self) -> None:
        async with start_benefits(quota()) as benefits:
            (member,) = await benefits.enrol()
            account = "account_" + new_member_id().partition("_")[2]
            request = redemption(member, "delivery", account_id=account)
            for _ in range(2):
                with pytest.raises(grpc.aio.AioRpcError) as unknown:
                    await benefits.stub.Redeem(request)
                assert error_of_call(unknown.value).reason == "ACCOUNT_UNKNOWN"
            request.account_id = await benefits.link(member, "cafe")
            assert (await benefits.stub.Redeem(request)).uses_left == 3

    async def test_the_caller_must_be_allowed_to_act_in_the_domain(self) -> None:
        async with start_benefits(quota()) as benefits:
            (member,) = await benefits.enrol()
            fuel = benefits.suite.stub("benefits", caller="fuel")
            await fuel.Redeem(redemption(member, "delivery", domain="fuel"))
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                await fuel.Redeem(redemption(member, "delivery"))
            assert refused.value.code() is grpc.StatusCode.PERMISSION_DENIED
            both = [redemption(member, "delivery", domain=domain) for domain in ("fuel", "cafe")]
            bulk = await fuel.BulkRedeem(pb.BulkRedeemRequest(requests=both))
            assert bulk.results[0].response.uses_left == 2
            assert error_of_status(bulk.results[1].error).reason == "DOMAIN_NOT_ALLOWED"

    async def test_reasons_come_item_by_item(self) -> None:
        documents = [quota(domains=["bar"]), quota("late", offered={"from": "2026-05-01"}), coupon()]
        async with start_benefits(*documents, quota("gold", eligibility="rank.shopper > 1")) as benefits:
            active, suspended, closed = await benefits.enrol(3)
            await benefits.set_status(suspended, "suspended")
            await benefits.set_status(closed, "closed")
            asked = [
                (suspended, "coffee", "MEMBER_SUSPENDED"),
                (closed, "coffee", "MEMBER_CLOSED"),
                (new_member_id(), "coffee", "MEMBER_UNKNOWN"),
                (active, "tea", "BENEFIT_UNKNOWN"),
                (active, "delivery", "DOMAIN_NOT_IN_SCOPE"),
                (active, "late", "OUTSIDE_VALIDITY"),
                (active, "gold", "NOT_ELIGIBLE"),
                (active, "coffee", "NOT_ENTITLED"),
            ]
            requests = [redemption(member, benefit) for member, benefit, _ in asked]
            answer = await benefits.stub.BulkRedeem(pb.BulkRedeemRequest(requests=requests))
            assert [error_of_status(result.error).reason for result in answer.results] == [why for _, _, why in asked]

    async def test_what_was_redeemed_is_told_with_the_account_it_came_through(self) -> None:
        async with start_benefits(quota()) as benefits:
            (member,) = await benefits.enrol()
            account = await benefits.link(member, "cafe")
            used = await benefits.redeem(member, "delivery", account_id=account)
            ((kind, event),) = await benefits.told()
            assert kind == "benefit_redeemed"
            assert event.redemption_id == raw(used.redemption_id).bytes
            assert (event.account_id, event.domain, event.entitlement_id) == (raw(account).bytes, "cafe", b"")


class TestRetries:
    async def test_e11_the_first_answer_again_even_when_nothing_is_left(self) -> None:
        async with start_benefits(coupon()) as benefits:
            (member,) = await benefits.enrol()
            await benefits.issue(member)
            request = redemption(member, request_id="once")
            first = await benefits.stub.Redeem(request)
            assert await benefits.stub.Redeem(request) == first
            bulk = await benefits.stub.BulkRedeem(pb.BulkRedeemRequest(requests=[request, request]))
            assert [result.response for result in bulk.results] == [first, first]
            assert (await benefits.summary())["coffee"]["redeemed"] == 1

    async def test_e11_a_refusal_is_an_answer_too(self) -> None:
        async with start_benefits(coupon()) as benefits:
            (member,) = await benefits.enrol()
            request = redemption(member, request_id="once")
            for _ in range(2):
                with pytest.raises(grpc.aio.AioRpcError) as refused:
                    await benefits.stub.Redeem(request)
                assert error_of_call(refused.value).reason == "NOT_ENTITLED"
                await benefits.issue(member, reference=str(_))
            assert "redeemed" not in (await benefits.summary())["coffee"]

    async def test_e11_twins_in_flight_get_the_same_answer(self) -> None:
        async with start_benefits(quota(uses=3)) as benefits:
            (member,) = await benefits.enrol()
            request = redemption(member, "delivery", request_id="once")
            answers = await asyncio.gather(*(benefits.stub.Redeem(request) for _ in range(20)))
            assert len({answer.redemption_id for answer in answers}) == 1
            assert (await benefits.check(member, "delivery")).uses_left == 2

    async def test_e11_the_same_id_for_something_else_is_refused_and_another_caller_is_another(self) -> None:
        async with start_benefits(quota()) as benefits:
            (member,) = await benefits.enrol()
            request = redemption(member, "delivery", request_id="once", domain="fuel")
            first = await benefits.stub.Redeem(request)
            other = await benefits.suite.stub("benefits", caller="fuel").Redeem(request)
            assert other.redemption_id != first.redemption_id
            request.reference = "another"
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                await benefits.stub.Redeem(request)
            assert refused.value.code() is grpc.StatusCode.ALREADY_EXISTS
            assert error_of_call(refused.value).reason == "REQUEST_ID_REUSED"

    async def test_e11_it_survives_a_restart(self) -> None:
        async with start_benefits(quota()) as benefits:
            (member,) = await benefits.enrol()
            request = redemption(member, "delivery", request_id="once")
            first = await benefits.stub.Redeem(request)
            await benefits.suite.stop("benefits")
            await benefits.suite.start("benefits", virtual_clock_start=NOON)
            assert await benefits.stub.Redeem(request, wait_for_ready=True) == first

    async def test_validate_only_answers_the_same_and_uses_nothing(self) -> None:
        async with start_benefits(quota(uses=1)) as benefits:
            (member,) = await benefits.enrol()
            dry = await benefits.redeem(member, "delivery", request_id="once", validate_only=True)
            wet = await benefits.redeem(member, "delivery", request_id="once")
            assert (dry.redemption_id, dry.uses_left) == (wet.redemption_id, 0)
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                await benefits.redeem(member, "delivery", validate_only=True)
            assert error_of_call(refused.value).reason == "QUOTA_EXHAUSTED"
