"""What points hears from the others."""

from collections.abc import Iterable
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


@dataclass(frozen=True, slots=True)
class MovedAccount:
    """An account that goes from one member to another."""

    account_id: UUID
    domain: str


@dataclass(frozen=True, slots=True)
class MergeHeard:
    """A member was merged into another, and with it those that had been merged into it before."""

    merge_id: UUID
    survivor_id: UUID
    merged_ids: tuple[UUID, ...]
    """The merged one first."""
    accounts: tuple[MovedAccount, ...]


@dataclass(frozen=True, slots=True)
class UnmergeHeard:
    """A member takes back what came through some accounts, or (`whole`) all that is left of what it brought."""

    unmerge_id: UUID
    holder_id: UUID
    member_id: UUID
    absorbed_ids: tuple[UUID, ...]
    """Members that had been merged into it; with `whole` they are so again."""
    accounts: tuple[MovedAccount, ...]
    staying: tuple[UUID, ...]
    """Accounts that came along and stay where they are."""
    whole: bool


@dataclass(frozen=True, slots=True)
class ErasureHeard:
    """A member was erased: it is nobody any more."""

    member_id: UUID


Heard = ErasureHeard | MemberHeard | AccountHeard | StandingHeard | GroupSeat | MergeHeard | UnmergeHeard

ACTIVE = int(identity_service_pb2.MEMBER_STATUS_ACTIVE)
CLOSED = int(identity_service_pb2.MEMBER_STATUS_CLOSED)
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
        case "member_merged":
            return _merge(event.member_merged)
        case "member_erased":
            return ErasureHeard(from_bytes(event.member_erased.member_id))
        case "member_unmerged":
            return _unmerge(event.member_unmerged)
        case "group_member_changed":
            return seat_heard(event.group_member_changed, event.group_member_changed.group_id)
        case "member_group_changed":
            return seat_heard(event.member_group_changed, event.member_group_changed.member_id)
        case _:
            return None


def _merge(event: identity_pb.MemberMerged) -> MergeHeard:
    return MergeHeard(
        merge_id=from_bytes(event.merge_id),
        survivor_id=from_bytes(event.survivor_id),
        merged_ids=tuple(map(from_bytes, (event.merged_id, *event.absorbed_ids))),
        accounts=_moved(event.accounts),
    )


def _unmerge(event: identity_pb.MemberUnmerged) -> UnmergeHeard:
    return UnmergeHeard(
        unmerge_id=from_bytes(event.unmerge_id),
        holder_id=from_bytes(event.holder_id),
        member_id=from_bytes(event.member_id),
        absorbed_ids=tuple(map(from_bytes, event.absorbed_ids)),
        accounts=_moved(event.accounts),
        staying=tuple(map(from_bytes, event.staying_account_ids)),
        whole=event.whole,
    )


def _moved(accounts: Iterable[identity_pb.MovedAccount]) -> tuple[MovedAccount, ...]:
    return tuple(MovedAccount(from_bytes(account.account_id), account.domain) for account in accounts)


def parse_tiers(raw: bytes) -> Heard | None:
    """An event of tiers; None for what does not concern points."""
    event = tiers_pb.Event.FromString(raw)
    if event.WhichOneof("event") != "standing_changed":
        return None
    changed = event.standing_changed
    effective_from = from_microseconds(changed.effective_from_us)
    assert effective_from is not None
    return StandingHeard(from_bytes(changed.member_id), changed.ladder, changed.level, effective_from)
