"""A bulk call means what its items one by one in order mean, and each item has a result of its own."""

from datetime import timedelta

from grpc import StatusCode

from tessera.points.v1 import points_service_pb2 as pb
from tests.points.builders import (
    activity,
    capture,
    hold,
    open_shop,
    record,
    refund,
    refusal_in,
    refusal_of,
    release,
    rule,
    someone,
    spend,
    unit,
)


async def test_a_malformed_item_does_not_disturb_its_neighbours() -> None:
    async with open_shop() as shop:
        member = await shop.enrol()
        now = await shop.now()
        good = [record(activity(member, 10, now)) for _ in range(3)]
        no_reference = record(activity(member, 10, now, reference=""))
        negative = record(activity(member, -10, now))
        no_id = record(activity(member, 10, now), request_id="")
        long_ago = record(activity(member, 10, now))
        long_ago.activity.occurred_at.seconds = -1
        no_time = record(activity(member, 10, now))
        no_time.activity.occurred_at.nanos = 2_000_000_000
        requests = [good[0], no_reference, negative, good[1], no_id, long_ago, no_time, good[2]]
        results = (await shop.points.BulkRecordActivities(pb.BulkRecordActivitiesRequest(requests=requests))).results
        assert [result.HasField("response") for result in results] == [True, False, False, True] + [False] * 3 + [True]
        refusals = [refusal_in(result.error) for result in results if result.HasField("error")]
        assert {refusal.code for refusal in refusals} == {StatusCode.INVALID_ARGUMENT}
        assert [refusal.fields for refusal in refusals[:3]] == [
            ("activity.reference",),
            ("activity.lines[0].cash_minor",),
            ("request_id",),
        ]
        assert [refusal.reason for refusal in refusals[3:]] == ["TIME_OUT_OF_RANGE", "TIME_OUT_OF_RANGE"]
        assert await shop.available(member) == 30


async def test_items_of_one_member_take_effect_in_order() -> None:
    async with open_shop() as shop:
        member = await shop.enrol()
        await shop.earn(member, 100)
        requests = [spend(member, amount) for amount in (60, 50, 40, 1)]
        results = (await shop.points.BulkSpend(pb.BulkSpendRequest(requests=requests))).results
        assert [result.response.balance_after for result in results] == [40, 0, 0, 0]
        assert [refusal_in(result.error).reason for result in (results[1], results[3])] == ["INSUFFICIENT_POINTS"] * 2
        assert refusal_in(results[1].error).metadata["available"] == "40"


async def test_holds_captures_releases_and_refunds_in_bulk() -> None:
    async with open_shop() as shop:
        members = [await shop.enrol(routing=routing) for routing in range(3)]
        for member in members:
            await shop.earn(member, 100)
        until = await shop.now() + timedelta(hours=1)
        held = await shop.points.BulkHold(
            pb.BulkHoldRequest(requests=[hold(m, amount, until) for m in members for amount in (60, 30, 20)])
        )
        assert [result.response.available_after for result in held.results] == [40, 10, 0] * 3
        ids = [result.response.hold_id for result in held.results if result.HasField("response")]
        captured = await shop.points.BulkCaptureHolds(
            pb.BulkCaptureHoldsRequest(requests=[capture(hold_id, 10) for hold_id in ids[::2]])
        )
        assert [(r.response.captured, r.response.released, r.response.balance_after) for r in captured.results] == [
            (10, 50, 90)
        ] * 3
        released = await shop.points.BulkReleaseHolds(
            pb.BulkReleaseHoldsRequest(requests=[release(hold_id) for hold_id in ids])
        )
        assert [result.response.released for result in released.results] == [0, 30] * 3
        refunded = await shop.points.BulkRefundSpends(
            pb.BulkRefundSpendsRequest(requests=[refund(result.response.spend_id) for result in captured.results])
        )
        assert [result.response.balance_after for result in refunded.results] == [100] * 3
        assert await shop.findings() == []


async def test_balances_in_bulk_come_in_order_with_duplicates_strangers_and_nonsense() -> None:
    async with open_shop() as shop:
        rich, poor = await shop.enrol(routing=1), await shop.enrol(routing=2)
        await shop.earn(rich, 100)
        yesterday = pb.GetBalanceRequest(member_id=rich.member_id)
        yesterday.effective_at.FromDatetime(await shop.now() - timedelta(days=1))
        long_ago = pb.GetBalanceRequest(member_id=rich.member_id)
        long_ago.effective_at.seconds = -5
        requests = [
            pb.GetBalanceRequest(member_id=rich.member_id),
            pb.GetBalanceRequest(member_id="nobody"),
            pb.GetBalanceRequest(member_id=poor.member_id, unit="points"),
            pb.GetBalanceRequest(member_id=someone().member_id),
            pb.GetBalanceRequest(member_id=rich.member_id, unit="miles"),
            pb.GetBalanceRequest(member_id=rich.member_id),
            yesterday,
            long_ago,
        ]
        results = (await shop.points.BulkGetBalances(pb.BulkGetBalancesRequest(requests=requests))).results
        read = [result.response.balances[0].available for result in results if result.HasField("response")]
        assert read == [100, 0, 100, 0]
        refusals = [refusal_in(result.error).reason for result in results if result.HasField("error")]
        assert refusals == ["INVALID_REQUEST", "MEMBER_UNKNOWN", "UNIT_UNKNOWN", "TIME_OUT_OF_RANGE"]


async def test_a_bulk_call_has_one_to_a_thousand_items() -> None:
    async with open_shop(unit(), rule()) as shop:
        member = await shop.enrol()
        now = await shop.now()
        for count in (0, 1001):
            requests = [record(activity(member, 1, now)) for _ in range(count)]
            call = shop.points.BulkRecordActivities(pb.BulkRecordActivitiesRequest(requests=requests))
            assert (await refusal_of(call)).reason == "INVALID_REQUEST"
        requests = [record(activity(member, 1, now)) for _ in range(1000)]
        await shop.points.BulkRecordActivities(pb.BulkRecordActivitiesRequest(requests=requests))
        assert await shop.available(member) == 1000
        assert len(await shop.lots(member)) == 1000
