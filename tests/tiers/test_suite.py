"""Identity, points and tiers together: what is earned decides where one stands, and that decides what is earned."""

import itertools
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from services.chassis.instants import timestamp
from tessera.identity.v1 import identity_service_pb2 as identity_pb
from tessera.points.v1 import activity_pb2, completion_pb2, refund_pb2
from tessera.points.v1 import points_service_pb2 as points_pb
from tessera.tiers.v1 import tiers_service_pb2 as pb
from tests.support.suite import Suite, start_suite
from tests.tiers.builders import at, ladder_document, programme, summary

JAN_1 = date(2026, 1, 1)
START = at(JAN_1, 0)
_NUMBER = itertools.count(1)


def unit(code: str, kind: str) -> dict[str, Any]:
    spec = {"name": code, "kind": kind, "approval_above": 1000}
    return {"kind": "unit", "code": code, "programme": "shop", "spec": spec}


def rule(code: str, of: str, **spec: Any) -> dict[str, Any]:
    spec = {"unit": of, "rate": "1", **spec}
    return {"kind": "earn-rule", "code": code, "programme": "shop", "spec": spec}


GOLD_COUNTS_DOUBLE = {"ladder": "shopper", "by_level": {"gold": "2"}}


@pytest.fixture
async def suite() -> AsyncIterator[Suite]:
    async with start_suite("identity", "points", "tiers", clock_start=START) as started:
        domain = {"kind": "domain", "code": "grocery", "programme": "shop", "spec": {"name": "G", "owner": "g-team"}}
        await started.publish("identity", programme(), domain)
        await started.publish(
            "points",
            programme(),
            unit("points", "spendable"),
            unit("score", "qualifying"),
            rule("points", "points", multiplier=GOLD_COUNTS_DOUBLE),
            rule("score", "score"),
        )
        await started.publish("tiers", programme(), ladder_document())
        yield started


@dataclass(frozen=True, slots=True)
class Shopper:
    """A member with an account, who buys."""

    suite: Suite
    member_id: str
    account_id: str

    async def buys(self, amount: int, occurred_at: datetime, after: Any = (), type: str = "purchase") -> Any:
        """Record a purchase."""
        number = next(_NUMBER)
        activity = activity_pb2.Activity(
            member_id=self.member_id,
            account_id=self.account_id,
            domain="grocery",
            type=type,
            reference=f"order-{number}",
            occurred_at=timestamp(occurred_at),
            lines=[activity_pb2.ActivityLine(sku="tea", cash_minor=amount)],
        )
        request = points_pb.RecordActivityRequest(request_id=f"request-{number}", activity=activity, at_least=after)
        return await self.suite.points.RecordActivity(request)

    async def adjusted(self, amount: int, effective_at: datetime | None, of: str = "score") -> Any:
        """Correct a score, or points, by hand."""
        request = points_pb.AdjustRequest(
            request_id=f"request-{next(_NUMBER)}",
            member_id=self.member_id,
            account_id=self.account_id,
            domain="grocery",
            unit=of,
            amount=amount,
            cause="a mistake",
            effective_at=timestamp(effective_at) if effective_at else None,
        )
        return await self.suite.points.Adjust(request)

    async def standing(self, after: Any = ()) -> pb.Standing:
        """Where the member stands."""
        request = pb.GetStandingRequest(member_id=self.member_id, at_least=after)
        (found,) = (await self.suite.tiers.GetStanding(request)).standings
        return found


async def shopper(suite: Suite) -> Shopper:
    number = next(_NUMBER)
    request = identity_pb.ResolveAccountRequest(
        request_id=f"request-{number}", domain="grocery", external_id=f"phone-{number}", create_missing=True
    )
    answer = await suite.identity.ResolveAccount(request)
    await suite.drain()
    return Shopper(suite, answer.member_id, answer.account_id)


def earned(answer: Any, unit: str) -> int:
    return sum(entry.amount for entry in answer.earnings if entry.unit == unit)


async def test_whoever_has_earned_reads_the_new_level_by_the_position_of_the_activity(suite: Suite) -> None:
    member = await shopper(suite)
    assert (await member.standing()).level == "bronze"
    answer = await member.buys(350, START)
    found = await member.standing(after=[answer.position])
    assert (found.level, found.score) == ("gold", 350)


async def test_points_multiply_by_the_level_at_the_time_of_the_activity(suite: Suite) -> None:
    member = await shopper(suite)
    await suite.advance(at(JAN_1, 12))
    first = await member.buys(350, at(JAN_1, 12))
    await suite.drain()
    before, after = await member.buys(10, at(JAN_1, 11)), await member.buys(10, at(JAN_1, 13))
    assert [earned(answer, "points") for answer in (first, before, after)] == [350, 10, 20]
    await suite.advance(at(date(2026, 4, 2), 0))
    assert (await member.standing()).level == "bronze"
    assert earned(await member.buys(10, at(date(2026, 4, 2), 0)), "points") == 10
    assert earned(await member.buys(10, at(date(2026, 4, 1), 23)), "points") == 20


async def test_a_score_corrected_by_hand_moves_the_level_from_when_it_counts(suite: Suite) -> None:
    member = await shopper(suite)
    await suite.advance(at(date(2026, 1, 20)))
    await member.buys(60, at(date(2026, 1, 10)))
    raised = await member.adjusted(300, at(date(2026, 1, 12)))
    found = await member.standing(after=[raised.position])
    assert (found.level, found.score, found.since.ToDatetime(UTC)) == ("gold", 360, at(date(2026, 1, 12)))
    lowered = await member.adjusted(-290, at(date(2026, 1, 12)))
    assert (await member.standing(after=[lowered.position])).score == 70
    await suite.advance(at(date(2026, 4, 2), 0))
    assert (await member.standing()).level == "bronze"


async def test_a_correction_of_points_is_no_score(suite: Suite) -> None:
    member = await shopper(suite)
    corrected = await member.adjusted(900, None, "points")
    assert (await member.standing(after=[corrected.position])).score == 0


async def test_a_reversed_activity_lowers_the_level_at_the_next_evaluation(suite: Suite) -> None:
    member = await shopper(suite)
    answer = await member.buys(350, START)
    request = points_pb.ReverseActivityRequest(request_id="reverse", activity_id=answer.activity_id)
    reversed_at = (await suite.points.ReverseActivity(request)).position
    found = await member.standing(after=[reversed_at])
    assert (found.level, found.score, found.level_if_idle) == ("gold", 0, "bronze")
    await suite.advance(at(date(2026, 1, 2), 0))
    assert (await member.standing()).level == "bronze"


async def test_a_refund_of_a_part_lowers_the_score_of_the_day_of_the_activity(suite: Suite) -> None:
    member = await shopper(suite)
    first = await member.buys(350, START)
    await suite.advance(at(JAN_1, 12))
    await member.buys(20, at(JAN_1, 12))
    refund = refund_pb2.ActivityRefund(reference="return 1", amount_minor=60)
    request = refund_pb2.RefundActivityRequest(request_id="refund", activity_id=first.activity_id, refund=refund)
    refunded_at = (await suite.points.RefundActivity(request)).position
    found = await member.standing(after=[refunded_at])
    assert (found.level, found.score, found.level_if_idle) == ("gold", 310, "gold")
    refund = refund_pb2.ActivityRefund(reference="return 2", amount_minor=60)
    request = refund_pb2.RefundActivityRequest(request_id="again", activity_id=first.activity_id, refund=refund)
    refunded_at = (await suite.points.RefundActivity(request)).position
    found = await member.standing(after=[refunded_at])
    assert (found.level, found.score, found.level_if_idle) == ("gold", 250, "silver")
    await suite.advance(at(JAN_1, 12) + timedelta(days=90))
    assert (await member.standing()).score == 0, "it counts on the day it was earned, not on that of the refund"


async def test_a_stay_scores_on_the_day_it_is_completed_and_comes_back_on_that_day(suite: Suite) -> None:
    at_once = rule("score", "score", condition='activity.type == "purchase"')
    stays = rule("stays", "score", condition='activity.type == "stay"', pending="until-completed")
    await suite.publish("points", at_once, stays)
    member = await shopper(suite)
    stay = await member.buys(150, START, type="stay")
    await suite.advance(at(JAN_1, 12) + timedelta(days=10))
    completed = timestamp(at(JAN_1, 12) + timedelta(days=10))
    request = completion_pb2.CompleteActivityRequest(
        request_id="complete", activity_id=stay.activity_id, completed_at=completed
    )
    done = (await suite.points.CompleteActivity(request)).position
    found = await member.standing(after=[done])
    assert (found.level, found.score) == ("silver", 150)
    await suite.advance(at(JAN_1, 12) + timedelta(days=95))
    assert (await member.standing()).score == 150, "it counts from the completion on"
    reversal = points_pb.ReverseActivityRequest(request_id="reverse stay", activity_id=stay.activity_id)
    reversed_at = (await suite.points.ReverseActivity(reversal)).position
    assert (await member.standing(after=[reversed_at])).score == 0


async def test_what_happened_while_tiers_was_away_is_followed_once_it_is_back(suite: Suite) -> None:
    members = [await shopper(suite) for _ in range(5)]
    await members[0].buys(350, START)
    await suite.drain()
    await suite.stop("tiers")
    for member in members:
        await member.buys(150, START)
    await suite.start("tiers")
    await suite.drain()
    assert await summary(suite) == ({"bronze": 0, "silver": 4, "gold": 1, "platinum": 0}, 5, 0)
    assert [(await member.standing()).score for member in members] == [500, 150, 150, 150, 150]
    since = {(await member.standing()).since.ToDatetime(UTC) for member in members}
    assert since == {START}
