"""E76: an adjustment above the limit of its unit needs another approver; who asked for it cannot approve it."""

import asyncio
from collections import Counter
from datetime import UTC

import pytest
from grpc import StatusCode

from services.chassis.instants import timestamp
from tessera.events.v1 import journal_pb2
from tessera.points.v1 import event_pb2
from tessera.points.v1 import points_service_pb2 as pb
from tests.points.builders import (
    SCORE,
    Shop,
    adjust,
    approve,
    funder,
    local,
    open_shop,
    outcome,
    refusal_of,
    reject,
    reverse,
    rule,
    spend,
    unit,
)

APPLIED, PROPOSED, REJECTED = pb.ADJUSTMENT_STATE_APPLIED, pb.ADJUSTMENT_STATE_PROPOSED, pb.ADJUSTMENT_STATE_REJECTED


async def read(shop: Shop, adjustment_id: str) -> pb.Adjustment:
    return (await shop.points.GetAdjustment(pb.GetAdjustmentRequest(adjustment_id=adjustment_id))).adjustment


@pytest.mark.parametrize(("amount", "state"), [(50, APPLIED), (51, PROPOSED), (-50, APPLIED), (-51, PROPOSED)])
async def test_e76_what_is_above_the_limit_is_only_proposed(amount: int, state: int) -> None:
    async with open_shop(unit(approval_above=50), rule()) as shop:
        member = await shop.enrol()
        await shop.earn(member, 100)
        answer = await shop.points.Adjust(adjust(member, amount))
        after = 100 + amount if state == APPLIED else 100
        assert (answer.state, answer.balance_after, await shop.available(member)) == (state, after, after)
        assert await shop.findings() == []


async def test_e76_the_requester_cannot_approve_another_can_and_both_are_on_record() -> None:
    async with open_shop(unit(), rule(), funder("courier"), at="2026-06-01") as shop:
        member = await shop.enrol()
        proposed = await shop.points.Adjust(adjust(member, 70, cause="lost parcel", funder="courier"))
        refusal = await refusal_of(shop.points.ResolveAdjustment(approve(proposed.adjustment_id)))
        assert (refusal.code, refusal.reason) == (StatusCode.PERMISSION_DENIED, "APPROVAL_BY_REQUESTER")
        assert refusal.metadata == {"requested_by": "operator"}
        await shop.go_to("2026-06-03")
        approved = await shop.as_caller("fuel").ResolveAdjustment(approve(proposed.adjustment_id))
        assert (approved.state, approved.balance_after) == (APPLIED, 70)
        kept = await read(shop, proposed.adjustment_id)
        assert (kept.state, kept.requested_by, kept.resolved_by) == (APPLIED, "operator", "fuel")
        assert (kept.cause, kept.funder, kept.amount) == ("lost parcel", "courier", 70)
        times = kept.requested_at.ToDatetime(UTC), kept.resolved_at.ToDatetime(UTC)
        assert times == (local("2026-06-01"), local("2026-06-03"))
        told = [event.adjustment_changed for event in await events_of(shop)]
        assert [(t.state, t.requested_by, t.resolved_by) for t in told] == [
            ("proposed", "operator", ""),
            ("applied", "operator", "fuel"),
        ]
        assert await shop.findings() == []


async def events_of(shop: Shop) -> list[event_pb2.Event]:
    """The events of adjustments that the journal tells."""
    rows = await shop.suite.running["points"].platform.pool.fetch("SELECT payload FROM journal ORDER BY position")
    events = [
        event_pb2.Event.FromString(raw) for row in rows for raw in journal_pb2.Journal.FromString(row["payload"]).events
    ]
    return [event for event in events if event.HasField("adjustment_changed")]


async def test_what_is_rejected_or_withdrawn_never_takes_effect() -> None:
    async with open_shop(unit(), rule()) as shop:
        member = await shop.enrol()
        for caller in (shop.as_caller("fuel"), shop.points):
            proposed = await shop.points.Adjust(adjust(member, 70))
            assert (await caller.ResolveAdjustment(reject(proposed.adjustment_id))).state == REJECTED
            for late in (approve(proposed.adjustment_id), reject(proposed.adjustment_id)):
                refusal = await refusal_of(shop.as_caller("fuel").ResolveAdjustment(late))
                assert (refusal.reason, refusal.metadata) == ("ADJUSTMENT_NOT_PROPOSED", {"state": "rejected"})
        assert await shop.available(member) == 0
        assert await shop.entries(member) == []


async def test_twenty_approvals_at_once_take_effect_once() -> None:
    async with open_shop(unit(), rule()) as shop:
        member = await shop.enrol()
        proposed = await shop.points.Adjust(adjust(member, 70))
        stub = shop.as_caller("fuel")
        outcomes = await asyncio.gather(
            *(outcome(stub.ResolveAdjustment(approve(proposed.adjustment_id))) for _ in range(20))
        )
        assert Counter(outcomes) == {"": 1, "ADJUSTMENT_NOT_PROPOSED": 19}
        assert await shop.available(member) == 70


async def test_what_is_added_expires_as_the_unit_says_pays_debts_and_has_its_funder() -> None:
    terms = {"expiry": {"policy": "duration", "days": 10}, "approval_above": 1000}
    async with open_shop(unit(**terms), rule(), funder("partner"), at="2026-06-01") as shop:
        member = await shop.enrol()
        earned = await shop.earn(member, 30)
        await shop.points.Spend(spend(member, 30))
        await shop.points.ReverseActivity(reverse(earned.activity_id))
        await shop.points.Adjust(adjust(member, 100, funder="partner"))
        assert await shop.available(member) == 70
        (lot,) = await shop.lots(member, closed=False)
        assert (lot.remaining, lot.funder, lot.activity_id) == (70, "partner", "")
        assert lot.expires_at.ToDatetime(UTC) == local("2026-06-11")
        await shop.go_to("2026-06-11")
        assert await shop.available(member) == 0
        assert await shop.findings() == []


async def test_what_is_taken_burns_lots_and_never_more_than_is_there() -> None:
    async with open_shop(unit(approval_above=1000), rule()) as shop:
        member = await shop.enrol()
        await shop.earn(member, 100)
        refusal = await refusal_of(shop.points.Adjust(adjust(member, -101)))
        assert (refusal.reason, refusal.metadata["available"]) == ("INSUFFICIENT_POINTS", "100")
        await shop.points.Adjust(adjust(member, -100))
        assert await shop.entries(member) == [("earn", 100), ("adjust", -100)]
        assert await shop.findings() == []


async def test_what_was_there_when_it_was_proposed_may_be_gone_when_it_is_approved() -> None:
    async with open_shop(unit(expiry={"policy": "duration", "days": 1}), rule(), at="2026-06-01") as shop:
        member = await shop.enrol()
        await shop.earn(member, 100)
        proposed = await shop.points.Adjust(adjust(member, -60))
        await shop.jump_to("2026-06-02")
        refusal = await refusal_of(shop.as_caller("fuel").ResolveAdjustment(approve(proposed.adjustment_id)))
        assert (refusal.reason, refusal.metadata["available"]) == ("INSUFFICIENT_POINTS", "0")
        assert (await read(shop, proposed.adjustment_id)).state == PROPOSED


async def test_what_waits_for_approval_is_listed_page_by_page_over_all_partitions() -> None:
    async with open_shop(unit(approval_above=10), rule()) as shop:
        expected = []
        for number in range(7):
            member = await shop.enrol(routing=number)
            await shop.points.Adjust(adjust(member, 5))
            proposed = [await shop.points.Adjust(adjust(member, 11)) for _ in range(2)]
            await shop.points.ResolveAdjustment(reject(proposed[0].adjustment_id))
            expected.append(proposed[1].adjustment_id)
        request, found = pb.ListProposedAdjustmentsRequest(page_size=3), []
        while True:
            page = await shop.points.ListProposedAdjustments(request)
            found += [adjustment.adjustment_id for adjustment in page.adjustments]
            request.page_token = page.next_page_token
            if not page.next_page_token:
                break
        assert found == sorted(expected)
        request.page_token = "forged"
        assert await outcome(shop.points.ListProposedAdjustments(request)) == "PAGE_TOKEN_INVALID"


async def test_a_retry_and_a_dry_run_adjust_nothing_more() -> None:
    async with open_shop(unit(approval_above=100), rule()) as shop:
        member = await shop.enrol()
        dry = await shop.points.Adjust(adjust(member, 100, validate_only=True))
        assert (dry.state, dry.balance_after, await shop.available(member)) == (APPLIED, 100, 0)
        same = adjust(member, 100)
        assert await shop.points.Adjust(same) == await shop.points.Adjust(same)
        assert await shop.available(member) == 100


async def test_bad_adjustments_are_refused_with_reasons() -> None:
    async with open_shop(unit(), rule(), *SCORE) as shop:
        member = await shop.enrol()
        for wrong, reason in (
            (adjust(member, 0), "INVALID_REQUEST"),
            (adjust(member, -(1 << 63)), "INVALID_REQUEST"),
            (adjust(member, 1, cause=""), "INVALID_REQUEST"),
            (adjust(member, 1, unit="miles"), "UNIT_UNKNOWN"),
            (adjust(member, -1, unit="points", effective_at=timestamp(local("2025-12-01"))), "TIME_OUT_OF_RANGE"),
            (adjust(member, 1, unit="score", effective_at=timestamp(local("2026-01-02"))), "TIME_OUT_OF_RANGE"),
            (adjust(member, 1, domain="travel"), "ACCOUNT_OF_ANOTHER_DOMAIN"),
        ):
            assert await outcome(shop.points.Adjust(wrong)) == reason
        huge = [await shop.points.Adjust(adjust(member, 1 << 62)) for _ in range(2)]
        approver = shop.as_caller("fuel")
        await approver.ResolveAdjustment(approve(huge[0].adjustment_id))
        assert await outcome(approver.ResolveAdjustment(approve(huge[1].adjustment_id))) == "AMOUNT_OUT_OF_RANGE"
        unknown = approve(f"adjustment_{member.member_id.removeprefix('member_')}")
        refusal = await refusal_of(shop.points.ResolveAdjustment(unknown))
        assert (refusal.code, refusal.reason) == (StatusCode.NOT_FOUND, "ADJUSTMENT_UNKNOWN")


async def test_a_score_is_corrected_with_effect_when_it_counts_and_by_two_callers_above_its_limit() -> None:
    score = unit("score", "qualifying", approval_above=50), rule("score-per-fen", "score")
    async with open_shop(*score, at="2026-06-10") as shop:
        member = await shop.enrol()
        await shop.earn(member, 100)
        day = local("2026-05-01 10:00")
        down = await shop.points.Adjust(adjust(member, -40, unit="score", effective_at=timestamp(day)))
        assert (down.state, down.balance_after) == (APPLIED, 60)
        kept = await read(shop, down.adjustment_id)
        assert kept.effective_at.ToDatetime(UTC) == day
        proposed = await shop.points.Adjust(adjust(member, 51, unit="score"))
        assert (proposed.state, proposed.balance_after) == (PROPOSED, 60)
        assert not (await read(shop, proposed.adjustment_id)).HasField("effective_at")
        await shop.go_to("2026-06-12")
        approved = await shop.as_caller("fuel").ResolveAdjustment(approve(proposed.adjustment_id))
        assert approved.balance_after == 111
        kept = await read(shop, proposed.adjustment_id)
        assert kept.effective_at.ToDatetime(UTC) == local("2026-06-12")
        assert await shop.entries(member, of="score") == [("earn", 100), ("adjust_score", -40), ("adjust_score", 51)]
        sums = (await shop.points.GetLedgerSummary(pb.GetLedgerSummaryRequest())).units
        assert [(one.unit, one.adjusted, one.outstanding) for one in sums] == [("score", 11, 111)]
        assert await shop.findings() == []


async def test_a_score_goes_down_to_zero_and_no_further() -> None:
    async with open_shop(unit(approval_above=50), unit("score", "qualifying", approval_above=500)) as shop:
        member = await shop.enrol()
        await shop.points.Adjust(adjust(member, 100, unit="score"))
        refusal = await refusal_of(shop.points.Adjust(adjust(member, -101, unit="score")))
        assert (refusal.reason, refusal.metadata) == ("SCORE_BELOW_ZERO", {"score": "100", "amount": "-101"})
        assert (await shop.points.Adjust(adjust(member, -100, unit="score"))).balance_after == 0
        assert await shop.findings() == []
