"""Pure decisions on groups: who may do what to them, who may join, who may leave."""

from collections.abc import Collection, Iterable
from datetime import datetime, timedelta
from uuid import UUID

from services.chassis import civil
from services.chassis.errors import Rejection
from services.identity.groups import errors
from services.identity.groups.values import (
    OWNER,
    Group,
    GroupKind,
    GroupStatus,
    Invitation,
    InvitationStatus,
    Left,
    Right,
    Role,
    Seat,
)

MAX_OPEN_INVITATIONS = 1_000
"""Of a group: dissolving it ends them all in one transaction."""


def not_active(group: Group | None) -> Rejection | None:
    """Why nothing can be done with a group."""
    if group is None:
        return errors.GROUP_UNKNOWN
    return errors.GROUP_DISSOLVED if group.status is GroupStatus.DISSOLVED else None


def right_missing(kind: GroupKind | None, group: Group, seat: Seat | None, right: Right) -> Rejection | None:
    """Why whoever has a seat may not do this to its group. An owner may do everything, whatever became of the kind."""
    if seat is None:
        return errors.group_right_missing(right, "")
    if seat.member_id == group.owner_id:
        return None
    role = None if kind is None else kind.roles.get(seat.role)
    return None if role is not None and right in role.may else errors.group_right_missing(right, seat.role)


def role_of(kind: GroupKind | None, kind_code: str, role: str, label: str, cost_centre: str) -> Role | Rejection:
    """The role of a seat that is to be given, if the kind has such seats."""
    if kind is None:
        return errors.group_kind_unknown(kind_code)
    found = kind.roles.get(role)
    if found is None:
        return errors.group_role_unknown(kind.code, role)
    if (label or cost_centre) and not kind.sub_accounts:
        return errors.sub_accounts_not_kept(kind.code)
    return found


def no_seat_free(role: Role, seats: Iterable[Seat]) -> Rejection | None:
    """Why nobody more can have a role. `seats` are those of the group that are taken, in whatever role."""
    return errors.group_seats_taken(role.code, role.seats) if taken(role.code, seats) >= role.seats else None


def taken(role: str, seats: Iterable[Seat]) -> int:
    """How many have a role."""
    return sum(seat.role == role for seat in seats)


def join_refusal(
    kind: GroupKind, group_id: UUID | None, seats: Iterable[Seat], left: Iterable[Left], at: datetime
) -> Rejection | None:
    """Why a member cannot join a group of a kind, or found one (None), for what it was and is in otherwise.

    `seats` are those that it has, `left` is when it last left groups. It may come back to a group any time: the
    cool-down is for who goes to another one.
    """
    limit = kind.groups_per_member
    if limit is not None and sum(seat.kind == kind.code for seat in seats) >= limit:
        return errors.group_limit(kind.code, limit)
    others = [gone.left_at for gone in left if gone.kind == kind.code and gone.group_id != group_id]
    if not others:
        return None
    eligible_at = _days_after(max(others), kind.cool_down_days, kind)
    return errors.group_cool_down(kind.code, eligible_at) if kind.cool_down_days and at < eligible_at else None


def expires_at(kind: GroupKind, at: datetime) -> datetime:
    """Until when an invitation made now can be accepted."""
    return _days_after(at, kind.invitation_days, kind)


def _days_after(at: datetime, days: int, kind: GroupKind) -> datetime:
    """So many civil days from the start of the day (cases.md, default 5)."""
    return civil.start_of_day(civil.civil_day(at, kind.zone) + timedelta(days=days), kind.zone)


def status_at(invitation: Invitation, at: datetime) -> InvitationStatus:
    """How far an invitation is, whether or not it was booked that its time is over."""
    is_over = invitation.status is InvitationStatus.OPEN and invitation.expires_at <= at
    return InvitationStatus.EXPIRED if is_over else invitation.status


def not_open(invitation: Invitation | None, at: datetime) -> Rejection | None:
    """Why an invitation can be neither accepted nor declined nor cancelled."""
    if invitation is None:
        return errors.INVITATION_UNKNOWN
    status = status_at(invitation, at)
    return None if status is InvitationStatus.OPEN else errors.invitation_not_open(status.name.lower())


def too_many_asked(asked: Collection[Invitation], at: datetime) -> Rejection | None:
    """Why a group cannot ask anybody more. `asked` are its invitations of which no end is booked."""
    if len(asked) < MAX_OPEN_INVITATIONS:
        return None
    is_full = sum(not_open(invitation, at) is None for invitation in asked) >= MAX_OPEN_INVITATIONS
    return errors.group_invitation_limit(MAX_OPEN_INVITATIONS) if is_full else None


def leaving_refused(
    kind: GroupKind | None, group: Group, seat: Seat, seats: Collection[Seat], group_name: str
) -> Rejection | None:
    """Why a member cannot give up its role in a group. `seats` are all of the group that are taken.

    A minimum holds once it is reached: a group that still grows keeps nobody.
    """
    if seat.member_id == group.owner_id:
        return errors.group_owner(group_name)
    role = None if kind is None else kind.roles.get(seat.role)
    if role is not None and taken(role.code, seats) == role.minimum:
        return errors.group_seats_minimum(role.code, role.minimum)
    return None


def is_complete(kind: GroupKind | None, seats: Collection[Seat]) -> bool:
    """Whether every role has as many members as it is to have."""
    return kind is None or all(taken(role.code, seats) >= role.minimum for role in kind.roles.values())


def swapped(group: Group, owner: Seat, heir: Seat, at: datetime) -> tuple[Group, Seat, Seat]:
    """A group with another owner, and the seats of the heir and of the former owner: they swap their roles."""
    return (
        group._replace(owner_id=heir.member_id),
        heir._replace(role=OWNER, role_since=at),
        owner._replace(role=heir.role, role_since=at),
    )
