"""What points tells the others, and what it hears from them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from services.chassis.clock import from_microseconds, to_microseconds
from services.chassis.ids import from_bytes
from services.points.values import Entry, Hold, Lot
from tessera.identity.v1 import event_pb2 as identity_pb
from tessera.identity.v1 import identity_service_pb2
from tessera.points.v1 import event_pb2 as pb
from tessera.tiers.v1 import event_pb2 as tiers_pb


@dataclass(frozen=True, slots=True)
class MemberHeard:
    """A member and its status, as identity tells it."""

    member_id: UUID
    status: int


@dataclass(frozen=True, slots=True)
class AccountHeard:
    """An account and whose it is; not `linked` any more when it was taken from its member."""

    account_id: UUID
    member_id: UUID
    domain: str
    linked: bool


@dataclass(frozen=True, slots=True)
class StandingHeard:
    """A member stands on a level from an instant on."""

    member_id: UUID
    ladder: str
    level: str
    effective_from: datetime


Heard = MemberHeard | AccountHeard | StandingHeard

ACTIVE = int(identity_service_pb2.MEMBER_STATUS_ACTIVE)
SUSPENDED = int(identity_service_pb2.MEMBER_STATUS_SUSPENDED)


def parse_identity(raw: bytes) -> Heard | None:
    """An event of identity; None for what does not concern points."""
    event = identity_pb.Event.FromString(raw)
    match event.WhichOneof("event"):
        case "member_enrolled":
            return MemberHeard(from_bytes(event.member_enrolled.member_id), ACTIVE)
        case "member_status_changed":
            changed = event.member_status_changed
            return MemberHeard(from_bytes(changed.member_id), int(changed.status))
        case "account_linked":
            linked = event.account_linked
            return AccountHeard(from_bytes(linked.account_id), from_bytes(linked.member_id), linked.domain, True)
        case "account_unlinked":
            unlinked = event.account_unlinked
            return AccountHeard(from_bytes(unlinked.account_id), from_bytes(unlinked.member_id), "", False)
        case _:
            return None


def parse_tiers(raw: bytes) -> Heard | None:
    """An event of tiers; None for what does not concern points."""
    event = tiers_pb.Event.FromString(raw)
    if event.WhichOneof("event") != "standing_changed":
        return None
    changed = event.standing_changed
    effective_from = from_microseconds(changed.effective_from_us)
    assert effective_from is not None
    return StandingHeard(from_bytes(changed.member_id), changed.ladder, changed.level, effective_from)


@dataclass(frozen=True, slots=True)
class EarnedEntry:
    """An entry of kind "earn", its number, and the lot that it opened."""

    ordinal: int
    entry: Entry
    lot: Lot | None


def activity_recorded(
    activity_id: UUID,
    member_id: UUID,
    account_id: UUID,
    domain: str,
    activity_type: str,
    effective_at: datetime,
    claimed_at: datetime | None,
    cash_minor: int,
    digest: bytes,
    earned: Sequence[EarnedEntry],
) -> bytes:
    """An activity was recorded."""
    return pb.Event(
        activity_recorded=pb.ActivityRecorded(
            activity_id=activity_id.bytes,
            member_id=member_id.bytes,
            account_id=account_id.bytes,
            domain=domain,
            type=activity_type,
            effective_at_us=to_microseconds(effective_at),
            claimed_at_us=to_microseconds(claimed_at),
            cash_minor=cash_minor,
            digest=digest,
            earned=[_earned(item) for item in earned],
        )
    ).SerializeToString()


def _earned(item: EarnedEntry) -> pb.ActivityRecorded.Earned:
    entry, lot = item.entry, item.lot
    earned = pb.ActivityRecorded.Earned(
        ordinal=item.ordinal,
        unit=entry.unit,
        amount=entry.amount,
        balance_after=entry.balance_after,
        counterparty=entry.counterparty,
        level=entry.level,
    )
    if lot is not None:
        earned.lot_id = lot.lot_id.bytes
        earned.lot_remaining = lot.remaining
        earned.available_at_us = to_microseconds(lot.available_at)
        earned.expires_at_us = to_microseconds(lot.expires_at)
    return earned


def activity_reversed(activity_id: UUID, member_id: UUID, effective_at: datetime, reversed_at: datetime) -> bytes:
    """An activity was reversed."""
    return pb.Event(
        activity_reversed=pb.ActivityReversed(
            activity_id=activity_id.bytes,
            member_id=member_id.bytes,
            effective_at_us=to_microseconds(effective_at),
            reversed_at_us=to_microseconds(reversed_at),
        )
    ).SerializeToString()


def entry_booked(ordinal: int, entry: Entry) -> bytes:
    """Points moved."""
    return pb.Event(
        entry_booked=pb.EntryBooked(
            ordinal=ordinal,
            member_id=entry.member_id.bytes,
            account_id=entry.account_id.bytes if entry.account_id is not None else b"",
            unit=entry.unit,
            kind=pb.EntryKind.ValueType(entry.kind),
            amount=entry.amount,
            counterparty=entry.counterparty,
            balance_after=entry.balance_after,
            effective_at_us=to_microseconds(entry.effective_at),
            source_id=entry.source_id.bytes,
            level=entry.level,
        )
    ).SerializeToString()


def lot_changed(lot: Lot) -> bytes:
    """A lot, as it is now."""
    return pb.Event(
        lot_changed=pb.LotChanged(
            lot_id=lot.lot_id.bytes,
            member_id=lot.member_id.bytes,
            unit=lot.unit,
            amount=lot.amount,
            remaining=lot.remaining,
            held=lot.held,
            available_at_us=to_microseconds(lot.available_at),
            expires_at_us=to_microseconds(lot.expires_at),
        )
    ).SerializeToString()


def hold_changed(hold: Hold) -> bytes:
    """A hold, as it is now."""
    return pb.Event(
        hold_changed=pb.HoldChanged(
            hold_id=hold.hold_id.bytes,
            member_id=hold.member_id.bytes,
            unit=hold.unit,
            amount=hold.amount,
            captured=hold.captured,
            state=hold.state,
            expires_at_us=to_microseconds(hold.expires_at),
        )
    ).SerializeToString()
