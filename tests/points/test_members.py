"""Points act for members and accounts that identity told of, in domains that the caller may act in."""

from datetime import timedelta

import pytest
from grpc import StatusCode

from services.points.heard import SUSPENDED, AccountHeard, MemberHeard
from tessera.identity.v1 import identity_service_pb2
from tessera.points.v1 import points_service_pb2 as pb
from tests.points.builders import (
    Member,
    Shop,
    activity,
    capture,
    hold,
    open_shop,
    record,
    refund,
    refusal_in,
    refusal_of,
    release,
    reverse,
    someone,
    spend,
)

CLOSED = int(identity_service_pb2.MEMBER_STATUS_CLOSED)


async def test_an_unknown_member_is_refused_and_may_be_tried_again() -> None:
    async with open_shop() as shop:
        stranger = someone()
        for refusal in await refusals(shop, stranger):
            assert (refusal.reason, refusal.code, refusal.may_retry) == ("MEMBER_UNKNOWN", StatusCode.NOT_FOUND, True)
            assert refusal.metadata == {"member_id": stranger.member_id}
        for read in (
            shop.points.GetBalance(pb.GetBalanceRequest(member_id=stranger.member_id)),
            shop.points.ListEntries(pb.ListEntriesRequest(member_id=stranger.member_id)),
            shop.points.ListLots(pb.ListLotsRequest(member_id=stranger.member_id, unit="points")),
        ):
            assert (await refusal_of(read)).reason == "MEMBER_UNKNOWN"


async def test_an_unknown_account_is_refused_and_may_be_tried_again() -> None:
    async with open_shop() as shop:
        member = await shop.enrol()
        other = Member(member.uuid, someone().account_uuid, "fuel")
        for refusal in await refusals(shop, other):
            assert (refusal.reason, refusal.code, refusal.may_retry) == ("ACCOUNT_UNKNOWN", StatusCode.NOT_FOUND, True)


async def test_an_account_of_another_member_is_refused() -> None:
    async with open_shop() as shop:
        member, other = await shop.enrol(), await shop.enrol()
        for refusal in await refusals(shop, Member(member.uuid, other.account_uuid, "fuel")):
            assert (refusal.reason, refusal.code) == ("ACCOUNT_OF_ANOTHER_MEMBER", StatusCode.INVALID_ARGUMENT)
            assert refusal.metadata == {"account_id": other.account_id}


async def test_an_account_in_another_domain_is_refused() -> None:
    async with open_shop() as shop:
        member = await shop.enrol("grocery")
        for refusal in await refusals(shop, Member(member.uuid, member.account_uuid, "fuel")):
            assert (refusal.reason, refusal.code) == ("ACCOUNT_OF_ANOTHER_DOMAIN", StatusCode.INVALID_ARGUMENT)
            assert refusal.metadata == {"account_id": member.account_id, "domain": "grocery"}


async def test_an_unlinked_account_serves_no_more_and_its_next_member_may_use_it() -> None:
    async with open_shop() as shop:
        member, next_member = await shop.enrol(), await shop.enrol()
        account = member.account_uuid
        await shop.hear("identity", 0, AccountHeard(account, member.uuid, "", False))
        for refusal in await refusals(shop, member):
            assert refusal.reason == "ACCOUNT_OF_ANOTHER_MEMBER"
        await shop.hear("identity", 0, AccountHeard(account, next_member.uuid, "fuel", True))
        await shop.earn(Member(next_member.uuid, account, "fuel"), 10)
        for refusal in await refusals(shop, member):
            assert refusal.reason == "ACCOUNT_OF_ANOTHER_MEMBER"


@pytest.mark.parametrize(("status", "reason"), [(SUSPENDED, "MEMBER_SUSPENDED"), (CLOSED, "MEMBER_CLOSED")])
async def test_a_suspended_or_closed_member_earns_and_spends_nothing(status: int, reason: str) -> None:
    async with open_shop() as shop:
        member = await shop.enrol()
        await shop.earn(member, 100)
        await shop.hear("identity", member.partition, MemberHeard(member.uuid, status))
        for refusal in await refusals(shop, member):
            assert (refusal.reason, refusal.code) == (reason, StatusCode.FAILED_PRECONDITION)
        assert await shop.available(member) == 100, "what is owned can still be read"


async def test_what_was_begun_for_a_suspended_member_is_finished() -> None:
    async with open_shop() as shop:
        member = await shop.enrol()
        earned = await shop.earn(member, 100)
        until = await shop.now() + timedelta(hours=1)
        spent = await shop.points.Spend(spend(member, 10))
        held = [(await shop.points.Hold(hold(member, 10, until))).hold_id for _ in range(2)]
        await shop.hear("identity", member.partition, MemberHeard(member.uuid, SUSPENDED))
        assert (await shop.points.CaptureHold(capture(held[0]))).captured == 10
        assert (await shop.points.ReleaseHold(release(held[1]))).released == 10
        assert (await shop.points.RefundSpend(refund(spent.spend_id))).refunded == 10
        assert (await shop.points.ReverseActivity(reverse(earned.activity_id))).clawbacks[0].taken == 100


async def test_a_caller_acts_in_its_own_domains_alone() -> None:
    async with open_shop() as shop:
        member = await shop.enrol("grocery")
        earned = await shop.earn(member, 100)
        until = await shop.now() + timedelta(hours=1)
        spent = await shop.points.Spend(spend(member, 10))
        held = (await shop.points.Hold(hold(member, 10, until))).hold_id
        fuel = shop.as_caller("fuel")
        calls = [
            fuel.RecordActivity(record(activity(member, 1, await shop.now()))),
            fuel.Spend(spend(member, 1)),
            fuel.Hold(hold(member, 1, until)),
            fuel.CaptureHold(capture(held)),
            fuel.ReleaseHold(release(held)),
            fuel.RefundSpend(refund(spent.spend_id)),
            fuel.ReverseActivity(reverse(earned.activity_id)),
        ]
        for call in calls:
            refusal = await refusal_of(call)
            assert (refusal.reason, refusal.code) == ("DOMAIN_NOT_ALLOWED", StatusCode.PERMISSION_DENIED)
        assert await shop.available(member) == 80


async def test_an_item_of_a_foreign_domain_does_not_disturb_its_neighbours() -> None:
    async with open_shop() as shop:
        ours, theirs = await shop.enrol("fuel"), await shop.enrol("grocery")
        now = await shop.now()
        requests = [record(activity(member, 10, now)) for member in (ours, theirs, ours)]
        results = (
            await shop.as_caller("fuel").BulkRecordActivities(pb.BulkRecordActivitiesRequest(requests=requests))
        ).results
        assert [result.HasField("response") for result in results] == [True, False, True]
        assert refusal_in(results[1].error).reason == "DOMAIN_NOT_ALLOWED"


async def test_what_nobody_placed_cannot_be_captured_released_refunded_or_reversed() -> None:
    async with open_shop() as shop:
        nothing = "0" * 26
        for call, reason in (
            (shop.points.CaptureHold(capture(f"hold_{nothing}")), "HOLD_UNKNOWN"),
            (shop.points.ReleaseHold(release(f"hold_{nothing}")), "HOLD_UNKNOWN"),
            (shop.points.RefundSpend(refund(f"spend_{nothing}")), "SPEND_UNKNOWN"),
            (shop.points.ReverseActivity(reverse(f"activity_{nothing}")), "ACTIVITY_UNKNOWN"),
        ):
            refusal = await refusal_of(call)
            assert (refusal.reason, refusal.code) == (reason, StatusCode.NOT_FOUND)


async def refusals(shop: Shop, member: Member) -> list:
    """Why a member is refused to earn, to spend and to hold."""
    now = await shop.now()
    calls = (
        shop.points.RecordActivity(record(activity(member, 10, now))),
        shop.points.Spend(spend(member, 10)),
        shop.points.Hold(hold(member, 10, now + timedelta(hours=1))),
    )
    return [await refusal_of(call) for call in calls]
