"""A benefits service on its own, to which identity and tiers are told by their real events; and documents."""

import itertools
import os
import uuid
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from google.protobuf.json_format import MessageToDict

from services.benefits import definition
from services.benefits.events import parse_identity_event, parse_tiers_event
from services.benefits.servicer import BenefitsServicer
from services.chassis import ids
from services.chassis.app import Platform
from services.chassis.clock import to_microseconds
from services.chassis.feed_batch import FeedBatch, FeedGroup, FollowedRecord
from services.chassis.verdicts import Verdict
from tessera.benefits.v1 import benefits_service_pb2 as pb
from tessera.benefits.v1 import event_pb2
from tessera.events.v1 import event_feed_pb2, journal_pb2
from tessera.identity.v1 import event_pb2 as identity_pb
from tessera.identity.v1 import identity_service_pb2
from tessera.tiers.v1 import event_pb2 as tiers_pb
from tests.support import merging
from tests.support.merging import Halves
from tests.support.suite import Suite, start_suite

NEW_YORK = "America/New_York"
PROGRAMME = {
    "kind": "programme",
    "code": "club",
    "programme": "club",
    "spec": {"name": "Club", "time_zone": NEW_YORK, "currency": "USD"},
}
LEVELS = ("bronze", "silver", "gold", "platinum")
LADDERS = [
    {
        "kind": "ladder",
        "code": code,
        "programme": "club",
        "spec": {"unit": "score", "window": {"days": 90}, "levels": [{"code": level} for level in LEVELS]},
    }
    for code in ("shopper", "traveller")
]
NOON = datetime(2026, 3, 10, 16, tzinfo=UTC)
"""12:00 in New York."""
_PARSERS = {"identity": parse_identity_event, "tiers": parse_tiers_event}


def coupon(code: str = "coffee", **spec: Any) -> dict[str, Any]:
    """A coupon that is issued to lists, unless `spec` says otherwise."""
    body = {"name": code, "kind": "coupon", "issue": [{"when": "listed"}], **spec}
    return {"kind": "benefit", "code": code, "programme": "club", "spec": body}


def quota(code: str = "delivery", uses: int = 4, period: str = "month", **spec: Any) -> dict[str, Any]:
    """A quota."""
    body = {"name": code, "kind": "quota", "quota": {"uses": uses, "period": period}, **spec}
    return {"kind": "benefit", "code": code, "programme": "club", "spec": body}


def new_member_id() -> str:
    """The ID of somebody new."""
    return ids.encode("member", ids.new_id(int.from_bytes(os.urandom(2), "big")))


def raw(text: str) -> UUID:
    """The UUID of an ID of any kind."""
    return ids.decode(text.partition("_")[0], text)


@dataclass
class Benefits:
    """A started benefits service and what tests tell it."""

    suite: Suite
    platforms: list[Platform[Any]]
    _positions: dict[tuple[str, int], int] = field(default_factory=dict)
    _numbers: Iterable[int] = field(default_factory=lambda: itertools.count(1))

    @property
    def stub(self) -> Any:
        """Its methods."""
        return self.suite.benefits

    @property
    def platform(self) -> Platform[Any]:
        """What the service that runs now was given."""
        return self.platforms[-1]

    async def publish(self, *documents: Mapping[str, Any]) -> None:
        """Put documents in force beside those there are."""
        await self.suite.publish("benefits", PROGRAMME, *LADDERS, *documents)

    async def tell(self, source: str, told: Sequence[tuple[UUID, bytes]]) -> None:
        """Let the service follow events of a source, each of a member, in one record a partition."""
        records: dict[int, list[bytes]] = {}
        for member_id, event in told:
            partition = ids.routing_of(member_id) & (self.platform.settings.partitions - 1)
            records.setdefault(partition, []).append(event)
        batches = []
        for partition, events in records.items():
            position = self._positions.get((source, partition), 0) + 1
            self._positions[source, partition] = position
            parsed = [_PARSERS[source](event) for event in events]
            batches.append(FeedBatch(source, partition, [FollowedRecord(position, parsed)]))
        for outcome in await self.platform.lanes.submit(batches):
            assert isinstance(outcome, Verdict), outcome
            assert outcome.code == 0, outcome.status()

    async def rearrange(self, halves: Halves) -> None:
        """Identity tells of a merge, an unmerge or an erasure: one transaction over the partitions of some members."""
        by_partition: dict[int, list[bytes]] = {}
        for member_id, events in halves.items():
            partition = ids.routing_of(member_id) & (self.platform.settings.partitions - 1)
            by_partition.setdefault(partition, []).extend(events)
        parts = []
        for partition, told in by_partition.items():
            position = self._positions["identity", partition] = self._positions.get(("identity", partition), 0) + 1
            parsed = [event for one in told if (event := parse_identity_event(one)) is not None]
            parts.append(FeedBatch("identity", partition, [FollowedRecord(position, parsed)]))
        (outcome,) = await self.platform.lanes.submit([parts[0] if len(parts) == 1 else FeedGroup(tuple(parts))])
        assert isinstance(outcome, Verdict), outcome
        assert outcome.code == 0, outcome.status()

    async def merge(self, survivor: str, merged: str, *accounts: str, absorbed: Sequence[str] = ()) -> None:
        """A member is merged into another, with its accounts and those that had been merged into it."""
        going, others = [raw(each) for each in accounts], [raw(each) for each in absorbed]
        await self.rearrange(merging.merged(raw(survivor), raw(merged), NOON, going, others, domain="cafe"))

    async def unmerge(
        self, holder: str, member: str, *accounts: str, absorbed: Sequence[str] = (), whole: bool = True
    ) -> None:
        """A member takes back what came through some accounts; if whole, all that it had brought."""
        going, others = [raw(each) for each in accounts], [raw(each) for each in absorbed]
        await self.rearrange(
            merging.unmerged(raw(holder), raw(member), NOON, going, others, whole=whole, domain="cafe")
        )

    async def enrol(self, count: int = 1, at: datetime = datetime(2025, 1, 1, tzinfo=UTC)) -> list[str]:
        """New members, of whom identity has told."""
        members = [new_member_id() for _ in range(count)]
        await self.tell("identity", [(raw(member), enrolled(member, at)) for member in members])
        return members

    async def set_status(self, member: str, status: str) -> None:
        """Identity tells that a member is now suspended, closed or active."""
        event = identity_pb.Event(
            member_status_changed=identity_pb.MemberStatusChanged(
                member_id=raw(member).bytes,
                status=identity_service_pb2.MemberStatus.Value(f"MEMBER_STATUS_{status.upper()}"),
            )
        )
        await self.tell("identity", [(raw(member), event.SerializeToString())])

    async def link(self, member: str, domain: str, account_id: UUID | None = None) -> str:
        """Identity tells of a member's new account in a domain."""
        account_id = account_id or ids.new_id(ids.routing_of(raw(member)))
        event = identity_pb.AccountLinked(account_id=account_id.bytes, member_id=raw(member).bytes, domain=domain)
        await self.tell("identity", [(raw(member), identity_pb.Event(account_linked=event).SerializeToString())])
        return ids.encode("account", account_id)

    async def unlink(self, member: str, account: str) -> None:
        """Identity tells that an account is the member's no more."""
        event = identity_pb.AccountUnlinked(account_id=raw(account).bytes, member_id=raw(member).bytes)
        await self.tell("identity", [(raw(member), identity_pb.Event(account_unlinked=event).SerializeToString())])

    async def stand(self, member: str, level: str, at: datetime = NOON, ladder: str = "shopper") -> None:
        """Tiers tells that a member stands on a level from an instant on."""
        await self.tell("tiers", [(raw(member), standing(member, level, at, ladder))])

    async def issue(self, member: str, benefit: str = "coffee", reference: str = "", **fields: Any) -> Any:
        """IssueEntitlement."""
        fields.setdefault("request_id", str(uuid.uuid4()))
        request = pb.IssueEntitlementRequest(member_id=member, benefit=benefit, reference=reference, **fields)
        return await self.stub.IssueEntitlement(request)

    async def check(self, member: str, benefit: str, domain: str = "") -> Any:
        """CheckEntitlement."""
        return await self.stub.CheckEntitlement(
            pb.CheckEntitlementRequest(member_id=member, benefit=benefit, domain=domain)
        )

    async def redeem(self, member: str, benefit: str = "coffee", **fields: Any) -> Any:
        """Redeem."""
        return await self.stub.Redeem(redemption(member, benefit, **fields))

    async def reverse(self, redemption_id: str, **fields: Any) -> Any:
        """ReverseRedemption."""
        fields.setdefault("request_id", str(uuid.uuid4()))
        return await self.stub.ReverseRedemption(pb.ReverseRedemptionRequest(redemption_id=redemption_id, **fields))

    async def entitlements(self, member: str, **fields: Any) -> list[Any]:
        """ListEntitlements, closed ones included."""
        fields.setdefault("include_closed", True)
        answer = await self.stub.ListEntitlements(pb.ListEntitlementsRequest(member_id=member, **fields))
        return list(answer.entitlements)

    async def summary(self) -> dict[str, dict[str, int]]:
        """GetBenefitSummary: the counts that are not zero, by benefit."""
        answer = await self.stub.GetBenefitSummary(pb.GetBenefitSummaryRequest())
        return {
            counts.benefit: {name: int(value) for name, value in MessageToDict(counts).items() if name != "benefit"}
            for counts in answer.benefits
        }

    async def advance(self, to: datetime) -> None:
        """The clock step."""
        await self.suite.advance(to)

    async def told(self) -> list[tuple[str, Any]]:
        """Every event that the service has in its feed: its kind and what it says."""
        partitions = range(self.platform.settings.partitions)
        request = event_feed_pb2.ReadRequest(
            cursors=[event_feed_pb2.Cursor(partition=partition) for partition in partitions], max_records=1000
        )
        answer = await self.suite.feed("benefits").Read(request)
        events = [
            event_pb2.Event.FromString(event)
            for record in answer.records
            for event in journal_pb2.Journal.FromString(record.payload).events
        ]
        return [(kind, getattr(event, kind)) for event in events if (kind := event.WhichOneof("event"))]


def enrolled(member: str, at: datetime) -> bytes:
    """Identity's event of an enrolment."""
    event = identity_pb.MemberEnrolled(member_id=raw(member).bytes, enrolled_at_us=to_microseconds(at))
    return identity_pb.Event(member_enrolled=event).SerializeToString()


def standing(member: str, level: str, at: datetime, ladder: str = "shopper") -> bytes:
    """Tiers' event of a member standing on a level from an instant on."""
    event = tiers_pb.StandingChanged(
        member_id=raw(member).bytes,
        ladder=ladder,
        level=level,
        rank=LEVELS.index(level),
        effective_from_us=to_microseconds(at),
    )
    return tiers_pb.Event(standing_changed=event).SerializeToString()


def redemption(member: str, benefit: str = "coffee", **fields: Any) -> pb.RedeemRequest:
    """A request to redeem, in the domain "cafe" unless it says otherwise."""
    fields = {"request_id": str(uuid.uuid4()), "domain": "cafe", **fields}
    return pb.RedeemRequest(member_id=member, benefit=benefit, **fields)


@asynccontextmanager
async def start_benefits(*documents: Mapping[str, Any], **settings: Any) -> AsyncIterator[Benefits]:
    """A benefits service with these documents in force; the clock stands at NOON unless the settings say otherwise."""
    platforms: list[Platform[Any]] = []

    def servicer(platform: Platform[Any]) -> BenefitsServicer:
        platforms.append(platform)
        return BenefitsServicer(platform)

    original = definition.DEFINITION
    definition.DEFINITION = replace(original, servicer=servicer)
    try:
        async with start_suite("benefits", **{"clock_start": NOON, **settings}) as suite:
            benefits = Benefits(suite, platforms)
            await benefits.publish(*documents)
            yield benefits
    finally:
        definition.DEFINITION = original
