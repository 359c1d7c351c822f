"""Entitlements are issued to lists, on rises and each month, each exactly once."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import grpc
import pytest

from services.benefits import jobs
from services.chassis.jobs import JobRunner
from tessera.benefits.v1 import benefits_service_pb2 as pb
from tessera.errors import error_of_call, error_of_status
from tests.benefits.builders import (
    NOON,
    coupon,
    new_member_id,
    quota,
    raw,
    standing,
    start_benefits,
)

DAY = timedelta(days=1)
APRIL = datetime(2026, 4, 1, 4, tzinfo=UTC)
"""00:00 of 2026-04-01 in New York."""
RISE: dict[str, Any] = {"when": "level-up", "ladder": "shopper"}


class TestToLists:
    async def test_an_entitlement_says_what_it_is_and_why(self) -> None:
        async with start_benefits(coupon(validity={"days": 30}, uses=3)) as benefits:
            (member,) = await benefits.enrol()
            answer = await benefits.issue(member, reference="letter-7")
            issued = answer.entitlement
            assert (issued.member_id, issued.benefit, issued.cause) == (member, "coffee", "list")
            assert (issued.reference, issued.uses_left, issued.config_version) == ("letter-7", 3, 1)
            assert issued.state == pb.ENTITLEMENT_STATE_GRANTED
            assert issued.valid_from.ToDatetime(UTC) == issued.issued_at.ToDatetime(UTC) == NOON
            assert issued.valid_until.ToDatetime(UTC) == datetime(2026, 4, 9, 4, tzinfo=UTC)
            assert answer.position.service == "benefits"
            assert await benefits.entitlements(member) == [issued]
            ((kind, event),) = await benefits.told()
            assert kind == "entitlement_issued"
            assert event.entitlement_id == raw(issued.entitlement_id).bytes

    async def test_once_for_each_member_benefit_and_reference(self) -> None:
        async with start_benefits(coupon(), coupon("tea")) as benefits:
            one, other = await benefits.enrol(2)
            first = await benefits.issue(one, reference="letter")
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                await benefits.issue(one, reference="letter")
            assert refused.value.code() is grpc.StatusCode.ALREADY_EXISTS
            assert error_of_call(refused.value).reason == "ALREADY_ISSUED"
            assert error_of_call(refused.value).metadata == {"entitlement_id": first.entitlement.entitlement_id}
            await benefits.issue(one, reference="another")
            await benefits.issue(one, "tea", reference="letter")
            await benefits.issue(other, reference="letter")
            assert await benefits.summary() == {"coffee": {"issued": 3}, "tea": {"issued": 1}}

    async def test_a_retry_gets_the_first_answer_even_by_the_bulk_form(self) -> None:
        async with start_benefits(coupon()) as benefits:
            (member,) = await benefits.enrol()
            request = pb.IssueEntitlementRequest(request_id="once", member_id=member, benefit="coffee")
            first = await benefits.stub.IssueEntitlement(request)
            assert await benefits.stub.IssueEntitlement(request) == first
            bulk = await benefits.stub.BulkIssueEntitlements(pb.BulkIssueEntitlementsRequest(requests=[request] * 2))
            assert [result.response for result in bulk.results] == [first, first]
            request.reference = "other"
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                await benefits.stub.IssueEntitlement(request)
            assert error_of_call(refused.value).reason == "REQUEST_ID_REUSED"

    async def test_each_item_of_a_list_has_a_result_of_its_own(self) -> None:
        async with start_benefits(coupon(), quota(), coupon("gift", issue=[RISE])) as benefits:
            active, suspended, closed = await benefits.enrol(3)
            await benefits.set_status(suspended, "suspended")
            await benefits.set_status(closed, "closed")
            asked = [
                (active, "coffee", ""),
                (suspended, "coffee", "MEMBER_SUSPENDED"),
                (closed, "coffee", "MEMBER_CLOSED"),
                (new_member_id(), "coffee", "MEMBER_UNKNOWN"),
                (active, "tea", "BENEFIT_UNKNOWN"),
                (active, "delivery", "NOT_ISSUED_TO_LISTS"),
                (active, "gift", "NOT_ISSUED_TO_LISTS"),
                ("member_x", "coffee", "INVALID_REQUEST"),
            ]
            answer = await benefits.stub.BulkIssueEntitlements(
                pb.BulkIssueEntitlementsRequest(
                    requests=[
                        pb.IssueEntitlementRequest(request_id=str(n), member_id=member, benefit=benefit)
                        for n, (member, benefit, _) in enumerate(asked)
                    ]
                )
            )
            reasons = [error_of_status(r.error).reason if r.HasField("error") else "" for r in answer.results]
            assert reasons == [reason for _, _, reason in asked]
            assert await benefits.summary() == {"coffee": {"issued": 1}, "delivery": {}, "gift": {}}

    async def test_only_the_eligible_and_only_while_it_is_offered(self) -> None:
        documents = [
            coupon(eligibility="rank.shopper >= 2"),
            coupon("past", offered={"through": "2026-03-09"}),
            coupon("future", offered={"from": "2026-03-11"}),
            coupon("over", validity={"from": "2026-01-01", "through": "2026-03-09"}),
            coupon("to-come", validity={"from": "2026-03-11"}),
        ]
        async with start_benefits(*documents) as benefits:
            (member,) = await benefits.enrol()
            reasons = {}
            for benefit in ("coffee", "past", "future", "over"):
                with pytest.raises(grpc.aio.AioRpcError) as refused:
                    await benefits.issue(member, benefit)
                reasons[benefit] = error_of_call(refused.value).reason
            assert reasons == {
                "coffee": "NOT_ELIGIBLE",
                "past": "OUTSIDE_VALIDITY",
                "future": "OUTSIDE_VALIDITY",
                "over": "OUTSIDE_VALIDITY",
            }
            await benefits.stand(member, "gold")
            await benefits.issue(member, "coffee")
            issued = (await benefits.issue(member, "to-come")).entitlement
            assert issued.valid_from.ToDatetime(UTC) == datetime(2026, 3, 11, 4, tzinfo=UTC)

    async def test_validate_only_answers_the_same_and_books_nothing(self) -> None:
        async with start_benefits(coupon()) as benefits:
            (member,) = await benefits.enrol()
            dry = await benefits.issue(member, request_id="one", validate_only=True)
            assert await benefits.entitlements(member) == []
            wet = await benefits.issue(member, request_id="one")
            assert dry.entitlement == wet.entitlement


class TestOnRises:
    async def test_each_rise_brings_one_and_a_fall_none(self) -> None:
        async with start_benefits(coupon("gift", issue=[RISE], validity={"days": 1})) as benefits:
            (member,) = await benefits.enrol()
            for hour, level in enumerate(["silver", "gold", "silver", "gold", "bronze", "gold"]):
                await benefits.stand(member, level, at=NOON + timedelta(hours=hour))
            issued = await benefits.entitlements(member)
            assert {e.reference for e in issued} == {
                "shopper:silver:1",
                "shopper:gold:1",
                "shopper:gold:2",
                "shopper:gold:3",
            }
            assert {e.cause for e in issued} == {"level-up"}

    async def test_what_is_told_again_because_of_something_learnt_late_brings_nothing_new(self) -> None:
        async with start_benefits(coupon("gift", issue=[RISE])) as benefits:
            (member,) = await benefits.enrol()
            await benefits.stand(member, "silver", at=NOON - 5 * DAY)
            await benefits.stand(member, "gold", at=NOON - 2 * DAY)
            assert await benefits.summary() == {"gift": {"issued": 2}}
            await benefits.stand(member, "silver", at=NOON - 6 * DAY)
            await benefits.stand(member, "gold", at=NOON - 3 * DAY)
            assert await benefits.summary() == {"gift": {"issued": 2}}

    async def test_the_same_change_told_twice_issues_once(self) -> None:
        """A follower that has lost its place tells it again; the cursor knows."""
        async with start_benefits(coupon("gift", issue=[RISE])) as benefits:
            (member,) = await benefits.enrol()
            await benefits.stand(member, "silver")
            benefits._positions.clear()
            await benefits.stand(member, "silver")
            assert await benefits.summary() == {"gift": {"issued": 1}}

    async def test_e25_gifts_for_crossed_levels_come_once_in_a_life(self) -> None:
        crossed = coupon("all", issue=[{**RISE, "gifts": "all-crossed"}])
        top = coupon("top", issue=[{**RISE, "gifts": "top-only"}])
        async with start_benefits(crossed, top) as benefits:
            (member,) = await benefits.enrol()
            await benefits.stand(member, "platinum", at=NOON - 3 * DAY)
            assert await benefits.summary() == {"all": {"issued": 3}, "top": {"issued": 1}}
            for hour, level in enumerate(["bronze", "gold", "platinum"]):
                await benefits.stand(member, level, at=NOON + timedelta(hours=hour))
            assert await benefits.summary() == {"all": {"issued": 3}, "top": {"issued": 1}}

    async def test_a_rise_before_the_enrolment_is_heard_of_is_not_lost(self) -> None:
        async with start_benefits(coupon("gift", issue=[RISE])) as benefits:
            member = new_member_id()
            await benefits.stand(member, "silver")
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                await benefits.entitlements(member)
            assert error_of_call(refused.value).reason == "MEMBER_UNKNOWN"
            assert await benefits.summary() == {"gift": {"issued": 1}}

    async def test_it_is_valid_from_the_change_where_that_is_yet_to_come(self) -> None:
        """Services step through time one after the other; tiers may be a moment ahead."""
        async with start_benefits(coupon("gift", issue=[RISE])) as benefits:
            (member,) = await benefits.enrol()
            await benefits.stand(member, "silver", at=NOON + DAY)
            (issued,) = await benefits.entitlements(member)
            assert issued.valid_from.ToDatetime(UTC) == NOON + DAY

    async def test_suspended_members_get_no_gifts(self) -> None:
        async with start_benefits(coupon("gift", issue=[RISE])) as benefits:
            (member,) = await benefits.enrol()
            await benefits.set_status(member, "suspended")
            await benefits.stand(member, "silver")
            assert await benefits.summary() == {"gift": {}}


MONTHLY = coupon(
    "monthly", issue=[{"when": "month"}], eligibility="rank.shopper >= 2", validity={"through": "end-of-month"}
)


class TestEachMonth:
    async def test_the_eligible_get_one_on_the_first_day_of_each_month(self) -> None:
        async with start_benefits(MONTHLY) as benefits:
            gold, bronze, suspended = await benefits.enrol(3)
            for member in (gold, suspended):
                await benefits.stand(member, "gold", at=NOON - DAY)
            await benefits.set_status(suspended, "suspended")
            await benefits.advance(APRIL - timedelta(seconds=1))
            assert await benefits.summary() == {"monthly": {}}
            await benefits.advance(APRIL + 31 * DAY)
            may, april = await benefits.entitlements(gold)
            assert (april.reference, may.reference, april.cause) == ("2026-04", "2026-05", "monthly")
            assert april.valid_from.ToDatetime(UTC) == april.issued_at.ToDatetime(UTC) == APRIL
            assert april.valid_until == may.valid_from
            assert await benefits.entitlements(bronze) == []
            assert (await benefits.summary())["monthly"] == {"issued": 2, "expired": 1}

    async def test_the_job_run_twice_and_side_by_side_issues_once(self) -> None:
        async with start_benefits(MONTHLY) as benefits:
            members = await benefits.enrol(40)
            await asyncio.gather(*(benefits.stand(member, "gold", at=NOON - DAY) for member in members))
            _, monthly = jobs.jobs(benefits.platform)
            await asyncio.gather(*(monthly.run(APRIL) for _ in range(3)))
            await monthly.run(APRIL)
            assert (await benefits.summary())["monthly"] == {"issued": 40}

    async def test_a_job_that_dies_between_chunks_goes_on_where_it_must(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(jobs, "CHUNK", 3)
        async with start_benefits(MONTHLY) as benefits:
            members = await benefits.enrol(60)
            await asyncio.gather(*(benefits.stand(member, "gold", at=NOON - DAY) for member in members))
            original, calls = jobs._Work._run, 0

            async def dying(self: Any, command: Any) -> None:
                nonlocal calls
                calls += 1
                if calls > 8:
                    raise ConnectionError("killed")
                await original(self, command)

            monkeypatch.setattr(jobs._Work, "_run", dying)
            platform = benefits.platform
            runner = JobRunner(jobs.jobs(platform), platform.pool, platform.configurations, platform.clock)
            with pytest.raises(ConnectionError):
                await runner.run_until(APRIL)
            assert 0 < (await benefits.summary())["monthly"]["issued"] < 60
            monkeypatch.setattr(jobs._Work, "_run", original)
            await benefits.advance(APRIL)
            assert (await benefits.summary())["monthly"] == {"issued": 60}

    async def test_what_tiers_decides_at_the_same_instant_may_come_before_or_after(self) -> None:
        """Those who rise or fall at 00:00 of the first get the month's coupon, whoever is heard first."""
        async with start_benefits(MONTHLY) as benefits:
            early_rise, late_rise, early_fall, late_fall = await benefits.enrol(4)
            for member in (early_fall, late_fall):
                await benefits.stand(member, "gold", at=NOON - DAY)
            fall = {m: standing(m, "silver", APRIL) for m in (early_fall, late_fall)}
            rise = {m: standing(m, "gold", APRIL) for m in (early_rise, late_rise)}
            await benefits.tell("tiers", [(raw(early_fall), fall[early_fall]), (raw(early_rise), rise[early_rise])])
            await benefits.advance(APRIL)
            await benefits.tell("tiers", [(raw(late_fall), fall[late_fall]), (raw(late_rise), rise[late_rise])])
            for member in (early_rise, late_rise, early_fall, late_fall):
                (issued,) = await benefits.entitlements(member)
                assert (issued.reference, issued.issued_at.ToDatetime(UTC)) == ("2026-04", APRIL)
            assert not (await benefits.check(late_fall, "monthly")).allowed
            assert (await benefits.check(late_rise, "monthly")).allowed

    async def test_a_late_job_judges_by_the_standing_of_the_first(self) -> None:
        async with start_benefits(MONTHLY) as benefits:
            fell, rose = await benefits.enrol(2)
            await benefits.stand(fell, "gold", at=NOON - DAY)
            async with benefits.platform.pool.acquire() as connection:
                await connection.execute("UPDATE clock SET now = $1", APRIL + 2 * DAY)
            await benefits.tell("tiers", [(raw(fell), standing(fell, "bronze", APRIL + DAY))])
            await benefits.stand(rose, "gold", at=APRIL + DAY)
            _, monthly = jobs.jobs(benefits.platform)
            await monthly.run(APRIL)
            assert len(await benefits.entitlements(fell)) == 1
            assert await benefits.entitlements(rose) == []

    async def test_enrolment_can_be_asked_for(self) -> None:
        condition = 'member.enrolled_at < timestamp("2026-01-01T00:00:00Z")'
        document = coupon("loyal", issue=[{"when": "month"}], eligibility=condition)
        async with start_benefits(document) as benefits:
            await benefits.enrol(2, at=datetime(2025, 6, 1, tzinfo=UTC))
            await benefits.enrol(3, at=datetime(2026, 2, 1, tzinfo=UTC))
            await benefits.advance(APRIL)
            assert (await benefits.summary())["loyal"] == {"issued": 2}
