"""What tiers tells the others, and what it hears from them."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final, NamedTuple
from uuid import UUID

from services.chassis.clock import EPOCH, from_microseconds, to_microseconds
from services.chassis.ids import from_bytes
from services.tiers.merges.values import ErasureHeard, MergeHeard, UnmergeHeard
from services.tiers.values import Standing
from tessera.identity.v1 import event_pb2 as identity_pb
from tessera.identity.v1 import identity_service_pb2
from tessera.points.v1 import event_pb2 as points_pb
from tessera.tiers.v1 import event_pb2 as pb

ACTIVE: Final = int(identity_service_pb2.MEMBER_STATUS_ACTIVE)


@dataclass(frozen=True, slots=True)
class Enrolled:
    """A member is new."""

    member_id: UUID
    enrolled_at: datetime


@dataclass(frozen=True, slots=True)
class StatusChanged:
    """A member's status is another one."""

    member_id: UUID
    status: int


class Scored(NamedTuple):
    """An activity scored, or a score was corrected by hand: the amount in each qualifying unit that it touched.

    It is below zero where a score was corrected downwards.
    """

    member_id: UUID
    at: datetime
    amounts: tuple[tuple[str, int], ...]
    account_id: UUID | None = None
    """The account it came through; None where it came through none."""


@dataclass(frozen=True, slots=True)
class Reversed:
    """An activity came back, in whole or in part. What that takes back of each unit stands beside it in its record."""

    activity_id: bytes
    counted_at: datetime
    completed_units: tuple[str, ...] = ()
    """Units that counted only from when it was completed on."""
    completed_at: datetime = EPOCH

    def counted(self, unit: str) -> datetime:
        """When what it scored of a unit counted."""
        return self.completed_at if unit in self.completed_units else self.counted_at


@dataclass(frozen=True, slots=True)
class TakenBack:
    """A part of a unit was taken back from a member, because of an activity; the unit may be one that is no score."""

    member_id: UUID
    unit: str
    amount: int
    at: datetime
    activity_id: bytes
    account_id: UUID | None = None


_SCORING = (points_pb.ENTRY_KIND_EARN, points_pb.ENTRY_KIND_ADJUST_SCORE)
"""Entries by which scores alone move: what counts from its activity's completion on, and what is corrected by hand."""

HeardOfIdentity = Enrolled | StatusChanged | MergeHeard | UnmergeHeard | ErasureHeard
HeardOfPoints = Scored | Reversed | TakenBack


def parse_identity(raw: bytes) -> HeardOfIdentity | None:
    """An event of identity; None for what does not concern tiers."""
    event = identity_pb.Event.FromString(raw)
    match event.WhichOneof("event"):
        case "member_enrolled":
            enrolled = event.member_enrolled
            return Enrolled(from_bytes(enrolled.member_id), _instant(enrolled.enrolled_at_us))
        case "member_status_changed":
            changed = event.member_status_changed
            return StatusChanged(from_bytes(changed.member_id), int(changed.status))
        case "member_merged" | "member_unmerged" | "member_erased":
            return _rearranged(event)
        case _:
            return None


def _rearranged(event: identity_pb.Event) -> MergeHeard | UnmergeHeard | ErasureHeard:
    """That IDs mean somebody else, or nobody. Where each of them leads follows, so it need not be heard beside it."""
    if event.HasField("member_merged"):
        merged = event.member_merged
        return MergeHeard(
            survivor_id=from_bytes(merged.survivor_id),
            merged_id=from_bytes(merged.merged_id),
            absorbed_ids=tuple(map(from_bytes, merged.absorbed_ids)),
            account_ids=tuple(from_bytes(account.account_id) for account in merged.accounts),
            at=_instant(merged.merged_at_us),
        )
    if event.HasField("member_unmerged"):
        unmerged = event.member_unmerged
        return UnmergeHeard(
            holder_id=from_bytes(unmerged.holder_id),
            member_id=from_bytes(unmerged.member_id),
            absorbed_ids=tuple(map(from_bytes, unmerged.absorbed_ids)),
            account_ids=tuple(from_bytes(account.account_id) for account in unmerged.accounts),
            whole=unmerged.whole,
            at=_instant(unmerged.unmerged_at_us),
        )
    return ErasureHeard(from_bytes(event.member_erased.member_id), _instant(event.member_erased.erased_at_us))


def parse_points(raw: bytes) -> HeardOfPoints | None:
    """An event of points; None for what is no score. What a unit that is a score receives opens no lot."""
    event = points_pb.Event.FromString(raw)
    match event.WhichOneof("event"):
        case "activity_recorded":
            return _scored(event.activity_recorded)
        case "entry_booked" if event.entry_booked.kind == points_pb.ENTRY_KIND_CLAWBACK:
            booked = event.entry_booked
            return TakenBack(
                from_bytes(booked.member_id),
                booked.unit,
                booked.amount,
                _instant(booked.effective_at_us),
                booked.source_id,
                _account(booked.account_id),
            )
        case "entry_booked" if event.entry_booked.kind in _SCORING:
            booked = event.entry_booked
            score = (booked.unit, booked.amount)
            return Scored(
                from_bytes(booked.member_id),
                _instant(booked.effective_at_us),
                (score,),
                _account(booked.account_id),
            )
        case "activity_reversed":
            reversal = event.activity_reversed
            return Reversed(reversal.activity_id, _instant(reversal.effective_at_us))
        case "activity_refunded":
            refund = event.activity_refunded
            return Reversed(
                refund.activity_id,
                _instant(refund.effective_at_us),
                tuple(refund.completed_units),
                _instant(refund.completed_at_us),
            )
        case _:
            return None


def _scored(recorded: points_pb.ActivityRecorded) -> Scored | None:
    found = [(earned.unit, earned.amount) for earned in recorded.earned if not earned.lot_id and earned.amount]
    if not found:
        return None
    if len(found) > 1:
        found = list(_summed(found).items())
    return Scored(
        from_bytes(recorded.member_id),
        _instant(recorded.effective_at_us),
        tuple(found),
        _account(recorded.account_id),
    )


def _summed(amounts: list[tuple[str, int]]) -> dict[str, int]:
    """Several funders may give of one unit: it is one score."""
    sums: dict[str, int] = {}
    for unit, amount in amounts:
        sums[unit] = sums.get(unit, 0) + amount
    return sums


def _account(raw: bytes) -> UUID | None:
    return from_bytes(raw) if raw else None


def _instant(value_us: int) -> datetime:
    return from_microseconds(value_us) or EPOCH


def standing_changed(standing: Standing) -> bytes:
    """A member stands on a level from an instant on."""
    return pb.Event(
        standing_changed=pb.StandingChanged(
            member_id=standing.member_id.bytes,
            ladder=standing.ladder,
            level=standing.level,
            rank=standing.rank,
            effective_from_us=to_microseconds(standing.effective_from),
            valid_until_us=to_microseconds(standing.valid_until),
            previous_level=standing.previous_level,
            previous_rank=standing.previous_rank,
            score=standing.score,
        )
    ).SerializeToString()
