"""Ladders, feeds and answers of tiers tests, in the words of the domain."""

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, time
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from services.chassis import ids
from services.chassis.clock import to_microseconds
from services.chassis.documents import Document
from services.chassis.feed_batch import FeedBatch, FeedGroup, FollowedRecord
from services.chassis.instants import timestamp
from services.tiers.documents import compile_documents
from services.tiers.events import parse_identity, parse_points
from services.tiers.values import Ladder
from tessera.identity.v1 import event_pb2 as identity_pb
from tessera.identity.v1 import identity_service_pb2
from tessera.points.v1 import event_pb2 as points_pb
from tessera.tiers.v1 import tiers_service_pb2 as pb
from tests.support.suite import Suite

SHANGHAI = ZoneInfo("Asia/Shanghai")
NEW_YORK = ZoneInfo("America/New_York")
LEVELS = {"bronze": 0, "silver": 100, "gold": 300, "platinum": 600}


def programme(code: str = "shop", zone: ZoneInfo = SHANGHAI) -> dict[str, Any]:
    """A programme's document."""
    spec = {"name": code.capitalize(), "time_zone": zone.key, "currency": "CNY"}
    return {"kind": "programme", "code": code, "programme": code, "spec": spec}


def ladder_document(
    code: str = "shopper", *, levels: Mapping[str, int] = LEVELS, programme: str = "shop", **spec: Any
) -> dict[str, Any]:
    """A ladder's document: four levels on 90 days of `score`, unless said otherwise."""
    given = {
        "unit": "score",
        "window": {"days": 90},
        "levels": [{"code": level, "at": at} for level, at in levels.items()],
        **spec,
    }
    return {"kind": "ladder", "code": code, "programme": programme, "spec": given}


def ladder(code: str = "shopper", zone: ZoneInfo = SHANGHAI, **spec: Any) -> Ladder:
    """A compiled ladder."""
    documents = [programme(zone=zone), ladder_document(code, **spec)]
    return compile_documents([Document(**document) for document in documents]).ladders[code]


def at(day: date, hour: int = 12, minute: int = 0, zone: ZoneInfo = SHANGHAI) -> datetime:
    """An instant of a civil day."""
    return datetime.combine(day, time(hour, minute), zone).astimezone(UTC)


def new_member(routing: int = 0) -> UUID:
    """The ID of a member; its partition follows from `routing`."""
    return ids.new_id(routing)


def enrolled(member_id: UUID, enrolled_at: datetime) -> bytes:
    """Identity's event that a member was enrolled."""
    event = identity_pb.MemberEnrolled(member_id=member_id.bytes, enrolled_at_us=to_microseconds(enrolled_at))
    return identity_pb.Event(member_enrolled=event).SerializeToString()


def suspended(member_id: UUID, changed_at: datetime) -> bytes:
    """Identity's event that a member was suspended."""
    event = identity_pb.MemberStatusChanged(
        member_id=member_id.bytes,
        status=identity_service_pb2.MEMBER_STATUS_SUSPENDED,
        changed_at_us=to_microseconds(changed_at),
    )
    return identity_pb.Event(member_status_changed=event).SerializeToString()


def activity(
    member_id: UUID,
    effective_at: datetime,
    amount: int,
    *,
    unit: str = "score",
    activity_id: UUID | None = None,
    account_id: UUID | None = None,
) -> bytes:
    """Points' event of an activity that earned a score, and some points that can be spent."""
    event = points_pb.ActivityRecorded(
        activity_id=(activity_id or ids.derived(member_id, 1)).bytes,
        member_id=member_id.bytes,
        account_id=b"" if account_id is None else account_id.bytes,
        effective_at_us=to_microseconds(effective_at),
        earned=[
            points_pb.ActivityRecorded.Earned(
                ordinal=1, unit="points", amount=5, lot_id=ids.derived(member_id, 2).bytes
            ),
            points_pb.ActivityRecorded.Earned(ordinal=2, unit=unit, amount=amount),
        ],
    )
    return points_pb.Event(activity_recorded=event).SerializeToString()


def reversal(
    member_id: UUID,
    activity_id: UUID,
    effective_at: datetime,
    reversed_at: datetime,
    amount: int,
    *,
    account_id: UUID | None = None,
) -> list[bytes]:
    """Points' events of the reversal of an activity that earned `amount`, and points."""
    booked = [
        points_pb.EntryBooked(
            ordinal=number,
            member_id=member_id.bytes,
            unit=unit,
            kind=points_pb.ENTRY_KIND_CLAWBACK,
            amount=-taken,
            effective_at_us=to_microseconds(reversed_at),
            source_id=activity_id.bytes,
            account_id=b"" if account_id is None else account_id.bytes,
        )
        for number, (unit, taken) in enumerate((("points", 5), ("score", amount)), 1)
    ]
    event = points_pb.ActivityReversed(
        activity_id=activity_id.bytes,
        member_id=member_id.bytes,
        effective_at_us=to_microseconds(effective_at),
        reversed_at_us=to_microseconds(reversed_at),
    )
    return [
        *(points_pb.Event(entry_booked=entry).SerializeToString() for entry in booked),
        points_pb.Event(activity_reversed=event).SerializeToString(),
    ]


class Feeds:
    """Hands records to a started tiers service as its followers do: in the lane of their partition, in order."""

    def __init__(self, suite: Suite, partitions: int = 8) -> None:
        self._suite = suite
        self._mask = partitions - 1
        self._positions: dict[tuple[str, int], int] = {}

    async def identity(self, routing: int, *records: Sequence[bytes]) -> None:
        """Records of identity, one batch of events each."""
        await self._follow("identity", routing, parse_identity, records)

    async def points(self, routing: int, *records: Sequence[bytes]) -> None:
        """Records of points."""
        await self._follow("points", routing, parse_points, records)

    async def enrol(self, enrolled_at: datetime, routing: int = 0) -> UUID:
        """A new member."""
        member_id = new_member(routing)
        await self.identity(routing, [enrolled(member_id, enrolled_at)])
        return member_id

    async def score(self, member_id: UUID, effective_at: datetime, amount: int) -> None:
        """A member scores."""
        await self.points(ids.routing_of(member_id), [activity(member_id, effective_at, amount)])

    async def identity_group(self, halves: Mapping[UUID, Sequence[bytes]]) -> None:
        """Events of identity that are one transaction over the partitions of some members, by whose events they are."""
        by_partition: dict[int, list[bytes]] = {}
        for member_id, events in halves.items():
            by_partition.setdefault(ids.routing_of(member_id) & self._mask, []).extend(events)
        parts = []
        for partition, events in by_partition.items():
            position = self._positions["identity", partition] = self._positions.get(("identity", partition), 0) + 1
            parsed = [event for raw in events if (event := parse_identity(raw)) is not None]
            parts.append(FeedBatch("identity", partition, [FollowedRecord(position, parsed)]))
        await self._submit(parts[0] if len(parts) == 1 else FeedGroup(tuple(parts)))

    @staticmethod
    def batch(source: str, partition: int, position: int, events: Sequence[bytes]) -> FeedBatch:
        """One record as a command."""
        parse = parse_identity if source == "identity" else parse_points
        parsed = [event for raw in events if (event := parse(raw)) is not None]
        return FeedBatch(source, partition, [FollowedRecord(position, parsed)])

    async def _follow(self, source: str, routing: int, parse: Any, records: Sequence[Sequence[bytes]]) -> None:
        partition = routing & self._mask
        followed = []
        for events in records:
            position = self._positions[source, partition] = self._positions.get((source, partition), 0) + 1
            parsed = [event for raw in events if (event := parse(raw)) is not None]
            followed.append(FollowedRecord(position, parsed))
        await self._submit(FeedBatch(source, partition, followed))

    async def _submit(self, command: FeedBatch | FeedGroup) -> None:
        (outcome,) = await self._suite.lanes("tiers").submit([command])
        if isinstance(outcome, BaseException):
            raise outcome
        assert outcome.code == 0, outcome.status()


async def standing(suite: Suite, member_id: UUID, effective_at: datetime | None = None, **fields: Any) -> pb.Standing:
    """Where a member stands on its only ladder."""
    request = pb.GetStandingRequest(member_id=ids.encode("member", member_id), **fields)
    if effective_at is not None:
        request.effective_at.CopyFrom(timestamp(effective_at))
    (found,) = (await suite.tiers.GetStanding(request)).standings
    return found


async def history(suite: Suite, member_id: UUID, ladder: str = "shopper") -> list[tuple[str, datetime]]:
    """The levels of a member and since when, the first one first."""
    request = pb.ListStandingsRequest(member_id=ids.encode("member", member_id), ladder=ladder)
    answer = await suite.tiers.ListStandings(request)
    return [(i.level, i.effective_from.ToDatetime(UTC)) for i in reversed(answer.intervals)]


async def summary(suite: Suite, ladder: str = "shopper") -> tuple[dict[str, int], int, int]:
    """How many members stand on each level of a ladder, and how often members rose and fell."""
    (found,) = (await suite.tiers.GetLadderSummary(pb.GetLadderSummaryRequest(ladder=ladder))).ladders
    return {level.level: level.members for level in found.levels}, found.rises, found.falls
