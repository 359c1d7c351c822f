"""A shop that gives and takes points, spoken to in few words."""

import itertools
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from hashlib import blake2b
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from google.protobuf import duration_pb2, struct_pb2
from google.rpc import error_details_pb2, status_pb2
from grpc import StatusCode, aio

from services.chassis import ids
from services.chassis.civil import start_of_day
from services.chassis.feed_batch import FeedBatch, FollowedRecord
from services.chassis.instants import timestamp
from services.points.groups.values import GroupSeat
from services.points.heard import ACTIVE, AccountHeard, Heard, MemberHeard, StandingHeard
from tessera.config.v1 import config_service_pb2
from tessera.points.v1 import activity_pb2, movement_pb2, partner_conversion_pb2, points_service_pb2_grpc, seal_pb2
from tessera.points.v1 import points_service_pb2 as pb
from tests.support.suite import Suite, channel_to, start_suite

SHANGHAI = ZoneInfo("Asia/Shanghai")
PROGRAMME = "shop"
PARTITIONS = 8
_NUMBER = itertools.count(1)


def local(text: str, zone: ZoneInfo = SHANGHAI) -> datetime:
    """A civil time such as "2026-06-01 10:00" (or a day, from its start) in the shop's zone."""
    return datetime.fromisoformat(text).replace(tzinfo=zone).astimezone(UTC)


# Documents


def programme(time_zone: str = "Asia/Shanghai", currency: str = "CNY", code: str = PROGRAMME) -> dict[str, Any]:
    """A programme's document."""
    spec = {"name": "Shop", "time_zone": time_zone, "currency": currency}
    return {"kind": "programme", "code": code, "programme": code, "spec": spec}


def unit(code: str = "points", kind: str = "spendable", **spec: Any) -> dict[str, Any]:
    """A unit's document."""
    return {"kind": "unit", "code": code, "programme": PROGRAMME, "spec": {"name": code, "kind": kind, **spec}}


def rule(code: str = "per-fen", of: str = "points", rate: str = "1", **spec: Any) -> dict[str, Any]:
    """An earn rule's document: a point for each minor unit paid, unless it is said otherwise."""
    spec = {"unit": of, "rate": rate, **spec}
    return {"kind": "earn-rule", "code": code, "programme": PROGRAMME, "spec": spec}


def conversion(
    code: str = "to-miles", source: str = "points", target: str = "miles", rate: Any = "1/3", **spec: Any
) -> dict[str, Any]:
    """A conversion's document; without a rate when it is None."""
    spec = {"from": source, "to": target, **({} if rate is None else {"rate": rate}), **spec}
    return {"kind": "conversion", "code": code, "programme": PROGRAMME, "spec": spec}


def budget(code: str, amount: int, of: str = "points", **spec: Any) -> dict[str, Any]:
    """An earn budget's document."""
    spec = {"unit": of, "amount": amount, **spec}
    return {"kind": "budget", "code": code, "programme": PROGRAMME, "spec": spec}


def funder(code: str) -> dict[str, Any]:
    """A funder's document."""
    return {"kind": "funder", "code": code, "programme": PROGRAMME, "spec": {"name": code}}


def partner(
    code: str = "skyline", address: str = "127.0.0.1:1", domain: str = "air", **exchange: Any
) -> dict[str, Any]:
    """A partner's document; nobody listens at its address unless one is given."""
    reached = {"address": address, "tls": False, "timeout_ms": 300, **exchange}
    spec = {"name": "Skyline", "domain": domain, "exchange": reached}
    return {"kind": "partner", "code": code, "programme": PROGRAMME, "spec": spec}


SCORE = (unit("score", "qualifying"), rule("score-per-fen", "score"))


# Members


@dataclass(frozen=True, slots=True)
class Member:
    """A member with one account."""

    uuid: UUID
    account_uuid: UUID
    domain: str

    @property
    def member_id(self) -> str:
        return ids.encode("member", self.uuid)

    @property
    def account_id(self) -> str:
        return ids.encode("account", self.account_uuid)

    @property
    def partition(self) -> int:
        return ids.routing_of(self.uuid) % PARTITIONS


def someone(domain: str = "fuel", routing: int = 0, number: int | None = None) -> Member:
    """A member nobody has heard of yet; the same one for the same number."""
    digest = None if number is None else blake2b(str(number).encode(), digest_size=16).digest()
    member_id = ids.new_id(routing) if digest is None else ids.hashed(digest, routing)
    return Member(member_id, ids.derived(member_id, 1), domain)


def request_id() -> str:
    """One never used before."""
    return f"request-{next(_NUMBER)}"


def reference() -> str:
    """An order number never used before."""
    return f"order-{next(_NUMBER)}"


# Requests


def line(paid: int = 0, **fields: Any) -> activity_pb2.ActivityLine:
    """A line for which so much was paid."""
    return activity_pb2.ActivityLine(cash_minor=paid, **fields)


def activity(member: Member, paid: int | Sequence[activity_pb2.ActivityLine], at: datetime, **fields: Any) -> Any:
    """A purchase."""
    values: dict[str, Any] = {
        "member_id": member.member_id,
        "account_id": member.account_id,
        "domain": member.domain,
        "type": "purchase",
        "reference": reference(),
        "occurred_at": timestamp(at),
        "lines": [line(paid)] if isinstance(paid, int) else paid,
    }
    return activity_pb2.Activity(**{**values, **fields})


def record(purchase: Any, **fields: Any) -> pb.RecordActivityRequest:
    """A request to record an activity."""
    return pb.RecordActivityRequest(**{"request_id": request_id(), "activity": purchase, **fields})


def spend(member: Member, amount: int, **fields: Any) -> pb.SpendRequest:
    """A request to spend."""
    values: dict[str, Any] = {
        "request_id": request_id(),
        "member_id": member.member_id,
        "account_id": member.account_id,
        "domain": member.domain,
        "unit": "points",
        "amount": amount,
    }
    return pb.SpendRequest(**{**values, **fields})


def hold(member: Member, amount: int, until: datetime, **fields: Any) -> pb.HoldRequest:
    """A request to hold."""
    values: dict[str, Any] = {
        "request_id": request_id(),
        "member_id": member.member_id,
        "account_id": member.account_id,
        "domain": member.domain,
        "unit": "points",
        "amount": amount,
        "expires_at": timestamp(until),
    }
    return pb.HoldRequest(**{**values, **fields})


def capture(hold_id: str, amount: int = 0, **fields: Any) -> pb.CaptureHoldRequest:
    """A request to capture a hold."""
    return pb.CaptureHoldRequest(**{"request_id": request_id(), "hold_id": hold_id, "amount": amount, **fields})


def release(hold_id: str, **fields: Any) -> pb.ReleaseHoldRequest:
    """A request to release a hold."""
    return pb.ReleaseHoldRequest(**{"request_id": request_id(), "hold_id": hold_id, **fields})


def extend(hold_id: str, until: datetime, **fields: Any) -> pb.ExtendHoldRequest:
    """A request to let a hold hold longer."""
    values = {"request_id": request_id(), "hold_id": hold_id, "expires_at": timestamp(until)}
    return pb.ExtendHoldRequest(**{**values, **fields})


def grant(member: Member, amount: int, until: datetime | None = None, **fields: Any) -> movement_pb2.GrantRequest:
    """A request to give points."""
    values: dict[str, Any] = {
        "request_id": request_id(),
        "member_id": member.member_id,
        "account_id": member.account_id,
        "domain": member.domain,
        "unit": "points",
        "amount": amount,
        "expires_at": None if until is None else timestamp(until),
    }
    return movement_pb2.GrantRequest(**{**values, **fields})


def forfeit(member: Member, amount: int = 0, **fields: Any) -> movement_pb2.ForfeitRequest:
    """A request to take points away."""
    values: dict[str, Any] = {
        "request_id": request_id(),
        "member_id": member.member_id,
        "unit": "points",
        "amount": amount,
        "reason": "abuse",
    }
    return movement_pb2.ForfeitRequest(**{**values, **fields})


def convert(member: Member, amount: int, conversion: str = "to-miles", **fields: Any) -> movement_pb2.ConvertRequest:
    """A request to convert."""
    values: dict[str, Any] = {
        "request_id": request_id(),
        "member_id": member.member_id,
        "account_id": member.account_id,
        "domain": member.domain,
        "conversion": conversion,
        "amount": amount,
    }
    return movement_pb2.ConvertRequest(**{**values, **fields})


def at_partner(member: Member) -> str:
    """The ID of the member's account at a partner, once it is heard of."""
    return ids.encode("account", ids.derived(member.uuid, 2))


def convert_with_partner(
    member: Member, amount: int, conversion: str = "to-skyline", **fields: Any
) -> partner_conversion_pb2.ConvertWithPartnerRequest:
    """A request to convert to or from a unit of a partner."""
    values: dict[str, Any] = {
        "request_id": request_id(),
        "member_id": member.member_id,
        "account_id": member.account_id,
        "domain": member.domain,
        "conversion": conversion,
        "amount": amount,
        "partner_account_id": at_partner(member),
    }
    return partner_conversion_pb2.ConvertWithPartnerRequest(**{**values, **fields})


def settle_with_partner(
    partner_conversion_id: str, decision: str = "booked", **fields: Any
) -> partner_conversion_pb2.SettlePartnerConversionRequest:
    """A request to settle a conversion with a partner by decision: booked, or refused."""
    values = {
        "request_id": request_id(),
        "partner_conversion_id": partner_conversion_id,
        "decision": f"DECISION_{decision.upper()}",
        "reason": "their statement says so",
    }
    return partner_conversion_pb2.SettlePartnerConversionRequest(**{**values, **fields})


def in_group(group_id: UUID) -> str:
    """A group's ID on the wire."""
    return ids.encode("group", group_id)


def refund(spend_id: str, amount: int = 0, **fields: Any) -> pb.RefundSpendRequest:
    """A request to refund a spend."""
    return pb.RefundSpendRequest(**{"request_id": request_id(), "spend_id": spend_id, "amount": amount, **fields})


def give(member: Member, to: Member, amount: int, **fields: Any) -> pb.GiftRequest:
    """A request to give points to another member."""
    values: dict[str, Any] = {
        "request_id": request_id(),
        "member_id": member.member_id,
        "account_id": member.account_id,
        "domain": member.domain,
        "unit": "points",
        "amount": amount,
        "to_member_id": to.member_id,
        "to_account_id": to.account_id,
    }
    return pb.GiftRequest(**{**values, **fields})


def accept(gift_id: str, member: Member, **fields: Any) -> pb.AcceptGiftRequest:
    """A request to accept a gift."""
    return pb.AcceptGiftRequest(
        **{"request_id": request_id(), "gift_id": gift_id, "member_id": member.member_id, **fields}
    )


def take_back(gift_id: str, **fields: Any) -> pb.CancelGiftRequest:
    """A request of the giver to end an offer."""
    by = pb.CancelGiftRequest.PARTY_GIVER
    return pb.CancelGiftRequest(**{"request_id": request_id(), "gift_id": gift_id, "by": by, **fields})


def decline(gift_id: str, **fields: Any) -> pb.CancelGiftRequest:
    """A request of the receiver to end an offer."""
    return take_back(gift_id, by=pb.CancelGiftRequest.PARTY_RECEIVER, **fields)


def adjust(member: Member, amount: int, **fields: Any) -> pb.AdjustRequest:
    """A request to correct a wallet."""
    values: dict[str, Any] = {
        "request_id": request_id(),
        "member_id": member.member_id,
        "account_id": member.account_id,
        "domain": member.domain,
        "unit": "points",
        "amount": amount,
        "cause": "complaint",
    }
    return pb.AdjustRequest(**{**values, **fields})


def approve(adjustment_id: str, **fields: Any) -> pb.ResolveAdjustmentRequest:
    """A request to approve an adjustment."""
    decision = pb.ResolveAdjustmentRequest.DECISION_APPROVE
    values = {"request_id": request_id(), "adjustment_id": adjustment_id, "decision": decision}
    return pb.ResolveAdjustmentRequest(**{**values, **fields})


def reject(adjustment_id: str, **fields: Any) -> pb.ResolveAdjustmentRequest:
    """A request to reject an adjustment."""
    return approve(adjustment_id, decision=pb.ResolveAdjustmentRequest.DECISION_REJECT, **fields)


def reverse(activity_id: str, **fields: Any) -> pb.ReverseActivityRequest:
    """A request to reverse an activity."""
    return pb.ReverseActivityRequest(**{"request_id": request_id(), "activity_id": activity_id, **fields})


# Refusals


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a call was refused."""

    code: StatusCode
    reason: str
    metadata: dict[str, str]
    may_retry: bool
    fields: tuple[str, ...]


async def refusal_of(call: Any) -> Refusal:
    """Why a call is refused; AssertionError when it is not."""
    try:
        answer = await call
    except aio.AioRpcError as error:
        for key, value in error.trailing_metadata():
            if key == "grpc-status-details-bin":
                return refusal_in(status_pb2.Status.FromString(value))
        raise
    raise AssertionError(f"not refused: {answer}")


def refusal_in(status: status_pb2.Status) -> Refusal:
    """Why an item of a bulk call was refused."""
    info, retry, bad = error_details_pb2.ErrorInfo(), error_details_pb2.RetryInfo(), error_details_pb2.BadRequest()
    kinds = {message.DESCRIPTOR.full_name: message for message in (info, retry, bad)}
    for detail in status.details:
        detail.Unpack(kinds[detail.TypeName()])
    code = next(code for code in StatusCode if code.value[0] == status.code)
    fields = tuple(violation.field for violation in bad.field_violations)
    may_retry = retry.retry_delay != duration_pb2.Duration()
    return Refusal(code, info.reason, dict(info.metadata), may_retry, fields)


async def outcome(call: Any) -> str:
    """Why a call is refused; empty when it is not."""
    try:
        await call
    except aio.AioRpcError as error:
        return (await refusal_of(_again(error))).reason
    return ""


async def _again(error: aio.AioRpcError) -> None:
    raise error


# The shop


@dataclass
class Shop:
    """A running points service with its documents published, and the members it has heard of."""

    suite: Suite
    heard: dict[tuple[str, int], int] = field(default_factory=dict)
    joined: dict[UUID, datetime] = field(default_factory=dict)
    """When seats were first taken."""

    @property
    def points(self) -> Any:
        return self.suite.points

    def as_caller(self, caller: str) -> Any:
        """The service as another caller sees it."""
        return self.suite.stub("points", caller)

    async def publish(self, *documents: dict[str, Any]) -> None:
        """Publish documents beside those that are."""
        await self.suite.publish("points", *documents)

    async def publish_only(self, *documents: dict[str, Any]) -> None:
        """Publish documents in place of all there are."""
        request = config_service_pb2.PublishDocumentsRequest(request_id=request_id(), complete=True)
        for document in documents:
            spec = struct_pb2.Struct()
            spec.update(document["spec"])
            request.documents.add(kind=document["kind"], code=document["code"], programme=PROGRAMME, spec=spec)
        await self.suite.config("points").PublishDocuments(request)

    async def hear(self, source: str, partition: int, *events: Heard) -> None:
        """Events of another service arrive."""
        position = self.heard[source, partition] = self.heard.get((source, partition), 0) + 1
        batch = FeedBatch(source, partition, [FollowedRecord(position, events)])
        (outcome,) = await self.suite.lanes("points").submit([batch])
        if isinstance(outcome, BaseException):
            raise outcome

    async def enrol(self, domain: str = "fuel", routing: int = 0, number: int | None = None) -> Member:
        """A new member with an account in a domain."""
        member = someone(domain, routing, number)
        await self.introduce(member)
        return member

    async def introduce(self, member: Member) -> None:
        """A member and its account are heard of."""
        await self.hear(
            "identity",
            member.partition,
            MemberHeard(member.uuid, ACTIVE),
            AccountHeard(member.account_uuid, member.uuid, member.domain, True),
        )

    async def second_account(self, member: Member, domain: str = "travel") -> Member:
        """The member, as it is known by another account."""
        account_id = ids.derived(member.uuid, 3)
        await self.hear("identity", member.partition, AccountHeard(account_id, member.uuid, domain, True))
        return Member(member.uuid, account_id, domain)

    async def open_account_at_partner(self, member: Member, domain: str = "air") -> None:
        """The member has an account in the domain of a partner."""
        heard = AccountHeard(ids.derived(member.uuid, 2), member.uuid, domain, True)
        await self.hear("identity", member.partition, heard)

    async def seat(
        self, group_id: UUID, member: Member, role: str = "adult", *, shares: bool = True, left: bool = False
    ) -> None:
        """A member has joined a group, or has left it; both halves are heard."""
        seat_id = ids.hashed(blake2b(group_id.bytes + member.uuid.bytes, digest_size=16).digest(), 0)
        now = await self.now()
        joined_at = self.joined.setdefault(seat_id, now)
        for owner_id in (group_id, member.uuid):
            seat = GroupSeat(owner_id, seat_id, group_id, member.uuid, role, joined_at, now if left else None, shares)
            await self.hear("identity", ids.routing_of(owner_id) % PARTITIONS, seat)

    async def found(self, *members: Member, shares: bool = True, routing: int | None = None) -> UUID:
        """A new group of some members, the first of whom founds it."""
        group_id = ids.new_id(ids.routing_of(members[0].uuid) if routing is None else routing)
        for number, member in enumerate(members):
            await self.seat(group_id, member, "adult" if number else "owner", shares=shares)
        return group_id

    async def raise_to(self, member: Member, level: str, since: datetime, ladder: str = "shopper") -> None:
        """A member stands on a level."""
        await self.hear("tiers", member.partition, StandingHeard(member.uuid, ladder, level, since))

    async def now(self) -> datetime:
        """The virtual time."""
        now: datetime = await self.suite.running["points"].platform.clock.now()
        return now

    async def go_to(self, to: str | datetime) -> None:
        """Time passes; due jobs run on the way."""
        await self.suite.advance(local(to) if isinstance(to, str) else to)

    async def jump_to(self, to: str | datetime) -> None:
        """Time passes, and no job has run yet."""
        at = local(to) if isinstance(to, str) else to
        await self.suite.running["points"].platform.pool.execute("UPDATE clock SET now = $1 WHERE now < $1", at)

    async def earn(self, member: Member, paid: int, at: datetime | None = None, **fields: Any) -> Any:
        """A purchase is recorded, now unless it is said when."""
        return await self.points.RecordActivity(record(activity(member, paid, at or await self.now(), **fields)))

    async def lot(self, member: Member, amount: int, expires: date, **spec: Any) -> str:
        """The member receives points that expire at 00:00 of a day; returns the lot."""
        today = (await self.now()).astimezone(SHANGHAI).date()
        days = (expires - today).days
        await self.publish(unit(expiry={"policy": "duration", "days": days}, **spec))
        earning = next(e for e in (await self.earn(member, amount)).earnings if e.unit == "points")
        assert earning.expires_at == timestamp(start_of_day(expires, SHANGHAI))
        lot_id: str = earning.lot_id
        return lot_id

    async def balance(self, member: Member, of: str = "points", at: datetime | None = None) -> Any:
        """A balance."""
        request = pb.GetBalanceRequest(member_id=member.member_id, unit=of)
        if at is not None:
            request.effective_at.CopyFrom(timestamp(at))
        (found,) = (await self.points.GetBalance(request)).balances
        return found

    async def available(self, member: Member, of: str = "points", at: datetime | None = None) -> int:
        """What can be spent."""
        available: int = (await self.balance(member, of, at)).available
        return available

    async def lots(self, member: Member, *, of: str = "points", closed: bool = True) -> list[Any]:
        """The member's lots in the order in which they burn."""
        request = pb.ListLotsRequest(member_id=member.member_id, unit=of, include_closed=closed, page_size=1000)
        return list((await self.points.ListLots(request)).lots)

    async def remaining(self, member: Member) -> dict[str, int]:
        """What is left in each lot."""
        return {lot.lot_id: lot.remaining for lot in await self.lots(member)}

    async def entries(self, member: Member, of: str = "points") -> list[tuple[str, int]]:
        """Kind and amount of each entry, the first one first."""
        request = pb.ListEntriesRequest(member_id=member.member_id, unit=of, page_size=1000)
        entries = (await self.points.ListEntries(request)).entries
        kinds = pb.Entry.DESCRIPTOR.fields_by_name["kind"].enum_type.values_by_number
        return [(kinds[e.kind].name.removeprefix("ENTRY_KIND_").lower(), e.amount) for e in reversed(entries)]

    async def findings(self, **fields: Any) -> list[str]:
        """What the proof of the ledger finds."""
        answers = self.points.VerifyLedger(pb.VerifyLedgerRequest(**fields))
        return [finding async for answer in answers for finding in answer.findings]

    async def seal(self, **fields: Any) -> list[Any]:
        """Seal the ledger; returns the last answer of each partition."""
        answers = [answer async for answer in self.points.SealLedger(seal_pb2.SealLedgerRequest(**fields))]
        return [answer for answer in answers if answer.done]


@asynccontextmanager
async def open_shop(
    *documents: dict[str, Any], at: str = "2026-01-01", zone: str = "Asia/Shanghai", **settings: Any
) -> AsyncIterator[Shop]:
    """A shop that opens at a civil time; a plain spendable unit and a rule for it unless documents are given."""
    start = local(at, ZoneInfo(zone))
    async with start_suite("points", clock_start=start, **settings) as suite:
        shop = Shop(suite)
        await shop.publish(programme(zone), *(documents or (unit(), rule())))
        yield shop


@asynccontextmanager
async def connections(shop: Shop, count: int = 2) -> AsyncIterator[list[Any]]:
    """So many clients with a connection of their own each."""
    channels = [channel_to(shop.suite.addresses["points"]) for _ in range(count)]
    yield [points_service_pb2_grpc.PointsServiceStub(channel) for channel in channels]
    for channel in channels:
        await channel.close()
