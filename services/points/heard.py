"""What points hears from the others."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from services.chassis.clock import from_microseconds
from services.chassis.ids import from_bytes
from services.points.groups.events import seat_heard
from services.points.groups.values import GroupSeat
from tessera.identity.v1 import event_pb2 as identity_pb
from tessera.identity.v1 import identity_service_pb2
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


Heard = MemberHeard | AccountHeard | StandingHeard | GroupSeat

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
        case "group_member_changed":
            return seat_heard(event.group_member_changed, event.group_member_changed.group_id)
        case "member_group_changed":
            return seat_heard(event.member_group_changed, event.member_group_changed.member_id)
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
