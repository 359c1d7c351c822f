"""E12: a refund that arrives before its purchase waits for it; one whose purchase never comes is somebody's work."""

from typing import Any

from grpc import StatusCode

from tessera.points.v1 import refund_pb2
from tests.points.builders import (
    SCORE,
    Member,
    Shop,
    activity,
    open_shop,
    record,
    refusal_of,
    request_id,
    rule,
    spend,
    unit,
)
from tests.points.returns import key_of, resolve, returning

STATES = refund_pb2.ParkedRefundState
DISCARD = refund_pb2.ResolveParkedRefundRequest.RESOLUTION_DISCARD


async def listed(shop: Shop, state: str, size: int = 0) -> list[Any]:
    """The parked refunds that stand so, read page by page."""
    request = refund_pb2.ListParkedRefundsRequest(
        state=STATES.Value(f"PARKED_REFUND_STATE_{state.upper()}"), page_size=size
    )
    found = []
    while True:
        page = await shop.points.ListParkedRefunds(request)
        found += page.refunds
        request.page_token = page.next_page_token
        if not page.next_page_token:
            return found


async def parked(shop: Shop, member: Member, paid: int = 100, **what: Any) -> tuple[Any, str]:
    """A purchase that is not recorded yet, and the refund of it that waits."""
    purchase = activity(member, paid, await shop.now())
    answer = await shop.points.RefundActivity(returning(key=key_of(purchase), **what))
    assert (answer.parked, answer.activity_id, list(answer.clawbacks)) == (True, "", [])
    return purchase, answer.parked_refund_id


async def test_e12_both_are_applied_in_order_when_the_purchase_arrives() -> None:
    async with open_shop(unit(), rule(), *SCORE) as shop:
        member = await shop.enrol()
        purchase, parked_id = await parked(shop, member)
        assert await shop.available(member) == 0
        await shop.go_to("2026-01-04")
        await shop.points.RecordActivity(record(purchase))
        assert (await shop.available(member), await shop.available(member, "score")) == (0, 0)
        assert await shop.entries(member) == [("earn", 100), ("clawback", -100)]
        assert [p.parked_refund_id for p in await listed(shop, "applied")] == [parked_id]
        refusal = await refusal_of(shop.points.RefundActivity(returning(key=key_of(purchase))))
        assert refusal.reason == "ACTIVITY_ALREADY_REVERSED"
        assert await shop.findings() == []


async def test_e12_parts_are_applied_in_the_order_in_which_they_came_and_what_is_too_much_is_dead() -> None:
    async with open_shop(unit(), rule()) as shop:
        member = await shop.enrol()
        await shop.earn(member, 10)
        purchase, _ = await parked(shop, member, amount_minor=60)
        too_much, rest = [
            (await shop.points.RefundActivity(returning(key=key_of(purchase), amount_minor=amount))).parked_refund_id
            for amount in (50, 40)
        ]
        await shop.points.RecordActivity(record(purchase))
        assert await shop.available(member) == 10
        (dead,) = await listed(shop, "dead")
        assert (dead.parked_refund_id, dead.reason) == (too_much, "REFUND_EXCEEDS_ACTIVITY")
        assert rest in [p.parked_refund_id for p in await listed(shop, "applied", size=1)]
        assert await shop.findings() == []


async def test_e12_a_purchase_that_never_comes_leaves_a_dead_refund() -> None:
    async with open_shop(unit(), rule()) as shop:
        member = await shop.enrol()
        purchase, parked_id = await parked(shop, member)
        await shop.go_to("2026-01-07 23:59")
        assert [p.parked_refund_id for p in await listed(shop, "parked")] == [parked_id]
        await shop.go_to("2026-01-08 00:01")
        assert await listed(shop, "parked") == []
        (dead,) = await listed(shop, "dead")
        assert (dead.key, dead.reason) == (key_of(purchase), "ACTIVITY_UNKNOWN")
        await shop.points.RecordActivity(record(purchase))
        assert await shop.available(member) == 100, "it is somebody's work now"
        answer = await shop.points.ResolveParkedRefund(resolve(parked_id))
        assert (answer.state, answer.refund.is_whole) == (STATES.PARKED_REFUND_STATE_APPLIED, True)
        assert await shop.available(member) == 0
        refusal = await refusal_of(shop.points.ResolveParkedRefund(resolve(parked_id)))
        assert (refusal.reason, refusal.metadata) == ("PARKED_REFUND_CLOSED", {"state": "applied"})
        assert await shop.findings() == []


async def test_its_time_is_over_whether_or_not_the_job_has_run() -> None:
    async with open_shop(unit(), rule()) as shop:
        member = await shop.enrol()
        purchase, _ = await parked(shop, member)
        await shop.jump_to("2026-01-08")
        await shop.points.RecordActivity(record(purchase))
        assert (await shop.available(member), len(await listed(shop, "dead"))) == (100, 1)


async def test_one_that_is_tried_again_waits_anew_and_one_that_is_discarded_never_applies() -> None:
    async with open_shop(unit(), rule()) as shop:
        member = await shop.enrol()
        purchases = [await parked(shop, member) for _ in range(2)]
        (first, again), (second, discarded) = purchases
        await shop.go_to("2026-01-09")
        dry = await shop.points.ResolveParkedRefund(resolve(again, validate_only=True))
        assert dry.state == STATES.PARKED_REFUND_STATE_PARKED
        assert len(await listed(shop, "dead")) == 2
        await shop.points.ResolveParkedRefund(resolve(again))
        await shop.points.ResolveParkedRefund(resolve(discarded, resolution=DISCARD))
        await shop.go_to("2026-01-15 23:00")
        for purchase in (first, second):
            await shop.points.RecordActivity(record(purchase))
        assert await shop.available(member) == 100
        assert [p.parked_refund_id for p in await listed(shop, "discarded")] == [discarded]
        assert await shop.findings() == []


async def test_a_parked_refund_is_known_again_by_its_reference() -> None:
    async with open_shop(unit(), rule()) as shop:
        member = await shop.enrol()
        purchase = activity(member, 100, await shop.now())
        asked = {"key": key_of(purchase), "reference": "return 1"}
        first = await shop.points.RefundActivity(returning(**asked, amount_minor=30))
        assert await shop.points.RefundActivity(returning(**asked, amount_minor=30)) == first
        refusal = await refusal_of(shop.points.RefundActivity(returning(**asked, amount_minor=31)))
        assert refusal.reason == "REFUND_ALREADY_RECORDED"
        await shop.points.RecordActivity(record(purchase))
        applied = await shop.points.RefundActivity(returning(**asked, amount_minor=30))
        assert (applied.parked, [c.taken for c in applied.clawbacks]) == (False, [30])
        assert await shop.available(member) == 70


async def test_a_refund_and_its_purchase_in_one_call_find_each_other_and_pay_debts() -> None:
    async with open_shop(unit(), rule()) as shop:
        member = await shop.enrol()
        earned = await shop.earn(member, 50)
        await shop.points.Spend(spend(member, 50))
        await shop.points.RefundActivity(returning(earned.activity_id))
        purchase, _ = await parked(shop, member, amount_minor=30)
        await shop.points.RecordActivity(record(purchase))
        assert await shop.available(member) == -50 + 70
        assert await shop.findings() == []


async def test_nobody_waits_for_members_that_are_unknown_and_nothing_unknown_is_resolved() -> None:
    async with open_shop(unit(), rule()) as shop:
        member = await shop.enrol()
        purchase = activity(member, 1, await shop.now())
        purchase.member_id = f"member_{'0' * 26}"
        refusal = await refusal_of(shop.points.RefundActivity(returning(key=key_of(purchase))))
        assert (refusal.reason, refusal.may_retry) == ("MEMBER_UNKNOWN", True)
        refusal = await refusal_of(shop.points.ResolveParkedRefund(resolve(f"parkedrefund_{'0' * 26}")))
        assert (refusal.code, refusal.reason) == (StatusCode.NOT_FOUND, "PARKED_REFUND_UNKNOWN")
        _, parked_id = await parked(shop, member)
        for bad in (resolve(parked_id, reason=""), resolve(parked_id, resolution=0), resolve("nobody")):
            assert (await refusal_of(shop.points.ResolveParkedRefund(bad))).reason == "INVALID_REQUEST"
        everything = refund_pb2.ListParkedRefundsRequest()
        assert (await refusal_of(shop.points.ListParkedRefunds(everything))).reason == "INVALID_REQUEST"
        one_id = request_id()
        first = await shop.points.ResolveParkedRefund(resolve(parked_id, resolution=DISCARD, request_id=one_id))
        assert await shop.points.ResolveParkedRefund(resolve(parked_id, resolution=DISCARD, request_id=one_id)) == first
