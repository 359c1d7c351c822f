"""A completion that arrives before its activity waits for it, in one order with the refunds that do."""

from typing import Any

from grpc import StatusCode

from tessera.points.v1 import completion_pb2, refund_pb2
from tests.points.builders import SCORE, Member, Shop, activity, local, open_shop, record, refusal_of, rule, unit
from tests.points.returns import complete, key_of, resolve, returning

STAYS = (unit(), rule(pending="until-completed"), unit("nights", "qualifying"))
NIGHTS = rule("nights", "nights", rate="0.1", pending="until-completed")
STATES = refund_pb2.ParkedRefundState
PARKED, COMPLETED = completion_pb2.COMPLETION_STATE_PARKED, completion_pb2.COMPLETION_STATE_COMPLETED
DISCARD = refund_pb2.ResolveParkedRefundRequest.RESOLUTION_DISCARD


async def listed(shop: Shop, state: str) -> list[Any]:
    request = refund_pb2.ListParkedRefundsRequest(state=STATES.Value(f"PARKED_REFUND_STATE_{state.upper()}"))
    return list((await shop.points.ListParkedRefunds(request)).refunds)


async def parked(shop: Shop, member: Member, paid: int = 100) -> tuple[Any, str]:
    """A stay that is not recorded yet, and its completion that waits."""
    stay = activity(member, paid, await shop.now())
    answer = await shop.points.CompleteActivity(complete(key=key_of(stay), at=local("2026-01-01 10:00")))
    assert (answer.state, answer.activity_id, list(answer.released)) == (PARKED, "", [])
    return stay, answer.parked_id


async def test_e12_it_is_released_when_its_activity_arrives() -> None:
    async with open_shop(*STAYS, NIGHTS, at="2026-01-01 12:00") as shop:
        member = await shop.enrol()
        stay, parked_id = await parked(shop, member)
        (waiting,) = await listed(shop, "parked")
        assert (waiting.parked_refund_id, waiting.key.reference) == (parked_id, stay.reference)
        assert waiting.HasField("completed_at")
        assert not waiting.HasField("refund")
        again = await shop.points.CompleteActivity(complete(key=key_of(stay)))
        assert (again.state, again.parked_id) == (PARKED, parked_id), "completing twice changes nothing"
        await shop.points.RecordActivity(record(stay))
        assert (await shop.available(member), await shop.available(member, "nights")) == (100, 10)
        assert [p.parked_refund_id for p in await listed(shop, "applied")] == [parked_id]
        answer = await shop.points.CompleteActivity(complete(key=key_of(stay)))
        assert (answer.state, list(answer.released)) == (COMPLETED, [])
        assert await shop.findings() == []


async def test_e12_refunds_and_the_completion_are_applied_in_the_order_in_which_they_came() -> None:
    async with open_shop(*STAYS, NIGHTS, *SCORE) as shop:
        member = await shop.enrol()
        stay = activity(member, 100, await shop.now())
        await shop.points.RefundActivity(returning(key=key_of(stay), amount_minor=30))
        await shop.points.CompleteActivity(complete(key=key_of(stay)))
        await shop.points.RefundActivity(returning(key=key_of(stay), amount_minor=20))
        await shop.points.RecordActivity(record(stay))
        assert (await shop.available(member), await shop.available(member, "nights")) == (50, 5)
        assert await shop.entries(member, "nights") == [("earn", 7), ("clawback", -2)]
        assert await shop.findings() == []


async def test_e12_of_an_activity_that_comes_back_as_a_whole_first_it_changes_nothing() -> None:
    async with open_shop(*STAYS, NIGHTS) as shop:
        member = await shop.enrol()
        stay = activity(member, 100, await shop.now())
        await shop.points.RefundActivity(returning(key=key_of(stay)))
        await shop.points.CompleteActivity(complete(key=key_of(stay)))
        await shop.points.RecordActivity(record(stay))
        assert (await shop.available(member), await shop.entries(member, "nights")) == (0, [])
        assert len(await listed(shop, "applied")) == 2
        assert await shop.findings() == []


async def test_e12_it_is_dead_after_seven_days_and_can_be_tried_again() -> None:
    async with open_shop(*STAYS, NIGHTS) as shop:
        member = await shop.enrol()
        stay, parked_id = await parked(shop, member)
        await shop.go_to("2026-01-09")
        (dead,) = await listed(shop, "dead")
        assert (dead.parked_refund_id, dead.reason) == (parked_id, "ACTIVITY_UNKNOWN")
        await shop.points.RecordActivity(record(stay))
        assert (await shop.balance(member)).pending == 100
        answer = await shop.points.ResolveParkedRefund(resolve(parked_id))
        assert answer.state == STATES.PARKED_REFUND_STATE_APPLIED
        assert (await shop.available(member), await shop.available(member, "nights")) == (100, 10)
        refusal = await refusal_of(shop.points.ResolveParkedRefund(resolve(parked_id)))
        assert refusal.reason == "PARKED_REFUND_CLOSED"
        assert await shop.findings() == []


async def test_one_that_is_discarded_releases_nothing_and_a_stranger_has_none() -> None:
    async with open_shop(*STAYS) as shop:
        member = await shop.enrol()
        stay, parked_id = await parked(shop, member)
        await shop.points.ResolveParkedRefund(resolve(parked_id, resolution=DISCARD))
        await shop.points.RecordActivity(record(stay))
        assert (await shop.balance(member)).pending == 100
        key = key_of(stay)
        key.member_id = f"member_{'0' * 26}"
        refusal = await refusal_of(shop.points.CompleteActivity(complete(key=key)))
        assert (refusal.reason, refusal.code) == ("MEMBER_UNKNOWN", StatusCode.NOT_FOUND)
        dry = await shop.points.CompleteActivity(
            complete(key=key_of(activity(member, 1, await shop.now())), validate_only=True)
        )
        assert dry.state == PARKED
        assert await listed(shop, "parked") == []
