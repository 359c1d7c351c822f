"""What is pending until an activity is completed: it can be neither spent nor scored before."""

from datetime import UTC

from grpc import StatusCode

from tessera.points.v1 import completion_pb2
from tests.points.builders import (
    activity,
    forfeit,
    local,
    open_shop,
    record,
    refusal_in,
    refusal_of,
    request_id,
    reverse,
    rule,
    spend,
    unit,
)
from tests.points.returns import complete, key_of, returning

UNTIL = {"pending": "until-completed"}
STAYS = (
    unit(expiry={"policy": "duration", "days": 30}),
    rule(**UNTIL),
    unit("nights", "qualifying"),
    rule("nights", "nights", rate="0.1", **UNTIL),
)
COMPLETED, VOID = completion_pb2.COMPLETION_STATE_COMPLETED, completion_pb2.COMPLETION_STATE_VOID


async def test_points_can_be_spent_and_scores_count_from_the_completion_on() -> None:
    async with open_shop(*STAYS, at="2026-03-01 12:00") as shop:
        member = await shop.enrol()
        stay = await shop.earn(member, 100)
        assert all(earning.until_completed for earning in stay.earnings)
        assert not any(earning.HasField("available_at") for earning in stay.earnings)
        await shop.go_to("2026-04-20")
        balance = await shop.balance(member)
        assert (balance.available, balance.pending, await shop.available(member, "nights")) == (0, 100, 0)
        (lot,) = await shop.lots(member)
        assert (lot.until_completed, lot.HasField("available_at"), lot.HasField("expires_at")) == (True, False, False)
        assert (await refusal_of(shop.points.Spend(spend(member, 1)))).metadata["pending"] == "100"
        answer = await shop.points.CompleteActivity(complete(stay.activity_id, local("2026-04-18 11:00")))
        assert [(r.unit, r.amount, r.balance_after) for r in answer.released] == [
            ("nights", 10, 10),
            ("points", 100, 100),
        ]
        assert answer.released[1].expires_at.ToDatetime(UTC) == local("2026-05-18"), "counted from the completion"
        assert await shop.available(member) == 100
        assert await shop.available(member, at=local("2026-04-18 10:59")) == 0
        assert (await shop.balance(member, at=local("2026-04-18 10:59"))).pending == 100
        await shop.go_to("2026-05-18")
        assert (await shop.available(member), await shop.available(member, "nights")) == (0, 10)
        assert await shop.findings() == []


async def test_a_refund_takes_what_waited_though_other_points_of_the_same_funder_expired() -> None:
    at_once = rule("at-once", rate="1")
    async with open_shop(unit(expiry={"policy": "duration", "days": 30}), at_once, rule(**UNTIL)) as shop:
        member = await shop.enrol()
        stay = await shop.earn(member, 100)
        assert [(e.amount, e.until_completed) for e in stay.earnings] == [(100, False), (100, True)]
        await shop.go_to("2026-02-15")
        await shop.points.CompleteActivity(complete(stay.activity_id, await shop.now()))
        assert await shop.available(member) == 100, "those at once expired, the others are released"
        half = await shop.points.RefundActivity(returning(stay.activity_id, amount_minor=50))
        assert [clawback.taken for clawback in half.clawbacks] == [0, 50]
        rest = await shop.points.RefundActivity(returning(stay.activity_id))
        assert [clawback.taken for clawback in rest.clawbacks] == [0, 50]
        assert (await shop.balance(member)).available == 0
        assert await shop.findings() == []


async def test_points_that_slide_live_a_term_from_their_completion() -> None:
    async with open_shop(unit(expiry={"policy": "sliding", "days": 30}), rule(**UNTIL)) as shop:
        member = await shop.enrol()
        stay = await shop.earn(member, 100)
        await shop.go_to("2026-03-01 12:00")
        (released,) = (await shop.points.CompleteActivity(complete(stay.activity_id, await shop.now()))).released
        assert released.expires_at.ToDatetime(UTC) == local("2026-03-31")
        assert await shop.available(member) == 100
        await shop.jump_to("2026-03-31")
        assert await shop.available(member) == 0
        assert await shop.findings() == []


async def test_what_was_forfeited_while_it_waited_is_not_told_as_released() -> None:
    async with open_shop(unit(), rule(**UNTIL)) as shop:
        member = await shop.enrol()
        stay = await shop.earn(member, 100)
        await shop.points.Forfeit(forfeit(member, 60))
        (released,) = (await shop.points.CompleteActivity(complete(stay.activity_id))).released
        assert (released.amount, released.balance_after, await shop.available(member)) == (40, 40, 40)
        assert await shop.findings() == []


async def test_e07_an_order_refunded_before_release_is_void_and_releasing_it_changes_nothing() -> None:
    async with open_shop(*STAYS) as shop:
        member = await shop.enrol()
        stay = await shop.earn(member, 50)
        reversal = await shop.points.ReverseActivity(reverse(stay.activity_id))
        assert {c.unit: c.taken for c in reversal.clawbacks} == {"nights": 0, "points": 50}
        assert await shop.lots(member, closed=False) == []
        answer = await shop.points.CompleteActivity(complete(stay.activity_id))
        assert (answer.state, list(answer.released), answer.HasField("position")) == (VOID, [], False)
        balance = await shop.balance(member)
        assert (balance.available, balance.pending, await shop.available(member, "nights")) == (0, 0, 0)
        assert await shop.entries(member, "nights") == []
        assert await shop.findings() == []


async def test_what_refunds_left_is_released_and_later_refunds_take_it_back() -> None:
    async with open_shop(*STAYS) as shop:
        member = await shop.enrol()
        stay = activity(member, 100, await shop.now())
        await shop.points.RecordActivity(record(stay))
        key = key_of(stay)
        await shop.points.RefundActivity(returning(key=key, amount_minor=35))
        assert (await shop.balance(member)).pending == 65
        answer = await shop.points.CompleteActivity(complete(key=key))
        assert [(r.unit, r.amount) for r in answer.released] == [("nights", 6), ("points", 65)]
        await shop.points.RefundActivity(returning(key=key, amount_minor=10))
        assert (await shop.available(member), await shop.available(member, "nights")) == (55, 5)
        await shop.points.RefundActivity(returning(key=key))
        assert (await shop.available(member), await shop.available(member, "nights")) == (0, 0)
        assert (await shop.points.CompleteActivity(complete(key=key))).state == VOID
        assert await shop.findings() == []


async def test_completing_twice_changes_nothing_and_a_retry_gets_the_first_answer() -> None:
    async with open_shop(*STAYS, unit("plain"), rule("plain", "plain")) as shop:
        member = await shop.enrol()
        stay = await shop.earn(member, 100)
        assert (await shop.available(member, "plain")) == 100, "other rules do not wait"
        one_id = request_id()
        dry = await shop.points.CompleteActivity(complete(stay.activity_id, validate_only=True))
        first = await shop.points.CompleteActivity(complete(stay.activity_id, request_id=one_id))
        assert dry.released == first.released
        assert await shop.points.CompleteActivity(complete(stay.activity_id, request_id=one_id)) == first
        again = await shop.points.CompleteActivity(complete(stay.activity_id))
        assert (again.state, list(again.released), again.completed_at) == (COMPLETED, [], first.completed_at)
        assert await shop.available(member) == 100


async def test_what_is_owed_is_paid_by_what_is_released_and_not_before() -> None:
    async with open_shop(*STAYS) as shop:
        member = await shop.enrol()
        first = await shop.earn(member, 40)
        await shop.points.CompleteActivity(complete(first.activity_id))
        await shop.points.Spend(spend(member, 40))
        second = await shop.earn(member, 100)
        await shop.points.ReverseActivity(reverse(first.activity_id))
        balance = await shop.balance(member)
        assert (balance.available, balance.pending) == (-40, 100)
        await shop.points.CompleteActivity(complete(second.activity_id))
        assert await shop.available(member) == 60
        assert await shop.findings() == []


async def test_bad_items_of_a_bulk_call_do_not_disturb_good_ones() -> None:
    async with open_shop(*STAYS) as shop:
        member = await shop.enrol()
        stay, travel = await shop.earn(member, 100), activity(member, 1, await shop.now())
        items = [
            complete(f"activity_{'0' * 26}"),
            complete(key=key_of(travel)),
            complete(),
            complete(stay.activity_id, await shop.now()),
        ]
        answer = await shop.points.BulkCompleteActivities(completion_pb2.BulkCompleteActivitiesRequest(requests=items))
        refusals = [refusal_in(result.error) for result in answer.results if result.HasField("error")]
        assert [refusal.reason for refusal in refusals] == ["ACTIVITY_UNKNOWN", "INVALID_REQUEST"]
        assert refusals[0].code == StatusCode.NOT_FOUND
        assert answer.results[-1].response.state == COMPLETED
        abroad = await shop.enrol("travel")
        other = await shop.earn(abroad, 10)
        refusal = await refusal_of(shop.as_caller("fuel").CompleteActivity(complete(other.activity_id)))
        assert refusal.reason == "DOMAIN_NOT_ALLOWED"
