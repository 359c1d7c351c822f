"""With the services that benefits follows: who enrols may use at once, who buys gets gifts, who is suspended none."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import grpc
import pytest

from services.chassis.instants import timestamp
from tessera.benefits.v1 import benefits_service_pb2 as pb
from tessera.errors import error_of_call
from tessera.identity.v1 import identity_service_pb2
from tessera.points.v1 import activity_pb2, points_service_pb2
from tests.benefits.builders import NOON, coupon, quota
from tests.support.suite import Suite, start_suite

PROGRAMME = {
    "kind": "programme",
    "code": "club",
    "programme": "club",
    "spec": {"name": "Club", "time_zone": "America/New_York", "currency": "USD"},
}
DOMAIN = {"kind": "domain", "code": "cafe", "programme": "club", "spec": {"name": "Café", "owner": "cafe-team"}}
UNIT = {"kind": "unit", "code": "score", "programme": "club", "spec": {"name": "Score", "kind": "qualifying"}}
RULE = {"kind": "earn-rule", "code": "score", "programme": "club", "spec": {"unit": "score", "rate": "1"}}
LEVELS = {"bronze": 0, "silver": 10_000, "gold": 30_000}
LADDER = {
    "kind": "ladder",
    "code": "shopper",
    "programme": "club",
    "spec": {
        "unit": "score",
        "window": {"days": 90},
        "levels": [{"code": level, "at": at} for level, at in LEVELS.items()],
    },
}
GIFT = coupon("gift", issue=[{"when": "level-up", "ladder": "shopper", "gifts": "all-crossed"}], validity={"days": 30})
DELIVERY = quota(eligibility='level.shopper == "gold"')
EVERYBODY = quota("greeting", eligibility='level.shopper == "bronze"')
DAY = timedelta(days=1)


@asynccontextmanager
async def club() -> AsyncIterator[Suite]:
    """All four services with a café."""
    async with start_suite(clock_start=NOON) as suite:
        await suite.publish("identity", PROGRAMME, DOMAIN)
        await suite.publish("points", PROGRAMME, UNIT, RULE)
        await suite.publish("tiers", PROGRAMME, LADDER)
        await suite.publish("benefits", PROGRAMME, LADDER, GIFT, DELIVERY, EVERYBODY, coupon())
        yield suite


async def enrol(suite: Suite, name: str = "guest") -> Any:
    """A new member with an account in the café."""
    return await suite.identity.ResolveAccount(
        identity_service_pb2.ResolveAccountRequest(
            request_id=str(uuid.uuid4()), domain="cafe", external_id=name, create_missing=True
        )
    )


async def buy(suite: Suite, guest: Any, cash_minor: int, at: datetime) -> Any:
    """A purchase in the café."""
    activity = activity_pb2.Activity(
        member_id=guest.member_id,
        account_id=guest.account_id,
        domain="cafe",
        type="purchase",
        reference=str(uuid.uuid4()),
        occurred_at=timestamp(at),
        currency="USD",
        lines=[activity_pb2.ActivityLine(quantity=1, gross_minor=cash_minor, cash_minor=cash_minor)],
    )
    return await suite.points.RecordActivity(
        points_service_pb2.RecordActivityRequest(
            request_id=str(uuid.uuid4()), activity=activity, at_least=[guest.position]
        )
    )


def use(guest: Any, benefit: str, **fields: Any) -> pb.RedeemRequest:
    """A request to use a benefit in the café."""
    return pb.RedeemRequest(
        request_id=str(uuid.uuid4()), member_id=guest.member_id, benefit=benefit, domain="cafe", **fields
    )


async def check(suite: Suite, guest: Any, benefit: str) -> Any:
    """May it be used now?"""
    return await suite.benefits.CheckEntitlement(
        pb.CheckEntitlementRequest(member_id=guest.member_id, benefit=benefit, at_least=[guest.position])
    )


async def issued(suite: Suite, guest: Any, benefit: str) -> list[str]:
    """The references of what a guest has."""
    answer = await suite.benefits.ListEntitlements(
        pb.ListEntitlementsRequest(member_id=guest.member_id, benefit=benefit, include_closed=True)
    )
    return sorted(entitlement.reference for entitlement in answer.entitlements)


async def test_who_enrols_stands_on_the_lowest_level_and_may_use_a_benefit_at_once() -> None:
    async with club() as suite:
        guest = await enrol(suite)
        used = await suite.benefits.Redeem(
            use(guest, "greeting", account_id=guest.account_id, at_least=[guest.position]), timeout=10
        )
        assert used.uses_left == 3
        assert (await check(suite, guest, "delivery")).reason == "NOT_ELIGIBLE"


async def test_a_purchase_brings_gifts_and_rights_and_their_loss_takes_the_rights() -> None:
    async with club() as suite:
        guest = await enrol(suite)
        await buy(suite, guest, 30_000, NOON)
        await suite.drain()
        assert await issued(suite, guest, "gift") == ["shopper:gold", "shopper:silver"]
        assert (await suite.benefits.Redeem(use(guest, "delivery", account_id=guest.account_id))).uses_left == 3
        await suite.benefits.Redeem(use(guest, "gift", account_id=guest.account_id))
        await suite.advance(NOON + 91 * DAY)
        assert (await check(suite, guest, "delivery")).reason == "NOT_ELIGIBLE"
        assert (await check(suite, guest, "greeting")).allowed
        await buy(suite, guest, 30_000, NOON + 91 * DAY)
        await suite.drain()
        assert (await check(suite, guest, "delivery")).allowed
        assert await issued(suite, guest, "gift") == ["shopper:gold", "shopper:silver"]


async def test_suspended_members_are_refused_until_they_are_reinstated() -> None:
    async with club() as suite:
        guest = await enrol(suite)
        suspended = await suite.identity.SuspendMember(
            identity_service_pb2.SuspendMemberRequest(request_id="stop", member_id=guest.member_id, cause="fraud")
        )
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await suite.benefits.Redeem(use(guest, "greeting", at_least=[suspended.position]))
        assert error_of_call(refused.value).reason == "MEMBER_SUSPENDED"
        reinstated = await suite.identity.ReinstateMember(
            identity_service_pb2.ReinstateMemberRequest(request_id="go", member_id=guest.member_id)
        )
        await suite.benefits.Redeem(use(guest, "greeting", at_least=[reinstated.position]))


async def test_nothing_is_lost_or_doubled_when_benefits_is_away_for_a_while() -> None:
    async with club() as suite:
        guests = await asyncio.gather(*(enrol(suite, f"guest {number}") for number in range(20)))
        await suite.drain()
        await suite.stop("benefits")
        await asyncio.gather(*(buy(suite, guest, 10_000, NOON) for guest in guests))
        await suite.start("benefits")
        await suite.drain()
        assert [await issued(suite, guest, "gift") for guest in guests] == [["shopper:silver"]] * 20
        await suite.stop("benefits")
        await suite.start("benefits")
        await suite.drain()
        assert [await issued(suite, guest, "gift") for guest in guests] == [["shopper:silver"]] * 20


async def test_a_lifetime_of_gifts_counts_from_the_day_of_the_rise() -> None:
    async with club() as suite:
        guest = await enrol(suite)
        await suite.advance(NOON + DAY)
        await buy(suite, guest, 10_000, NOON + DAY)
        await suite.drain()
        answer = await suite.benefits.ListEntitlements(pb.ListEntitlementsRequest(member_id=guest.member_id))
        (gift,) = answer.entitlements
        assert gift.valid_from.ToDatetime(UTC) == NOON + DAY
        assert gift.valid_until.ToDatetime(UTC) == datetime(2026, 4, 10, 4, tzinfo=UTC)
