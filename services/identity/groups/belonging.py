"""How it goes on: members leave or are taken out, change roles, pass on ownership; groups are dissolved."""

from datetime import datetime
from uuid import UUID

from services.chassis import ids
from services.chassis.errors import Rejection
from services.chassis.operations import Decided, Decision, Moment
from services.identity import errors as identity_errors
from services.identity import rules as identity_rules
from services.identity.groups import errors, rules, wire
from services.identity.groups.acting import acted_on
from services.identity.groups.changes import NOTHING, Changed
from services.identity.groups.commands import (
    ChangeRole,
    DissolveGroup,
    LeaveGroup,
    RemoveFromGroup,
    TransferGroupOwnership,
)
from services.identity.groups.values import GROUP, Group, GroupStatus, InvitationStatus, Seat
from services.identity.state import State
from services.identity.values import Config


def leave(state: State, command: LeaveGroup, moment: Moment[Config]) -> Decided:
    """Leave. Whether the member may be served does not matter: nobody is kept."""
    group = state.groups.group(command.group_id)
    refusal = rules.not_active(group)
    if refusal is not None or group is None:
        return refusal or errors.GROUP_UNKNOWN
    ended = _ended(state, group, command.member_id, moment.at)
    if isinstance(ended, Rejection):
        return ended
    changed = Changed(seats=((ended, group.shares),))
    return Decision(changed, lambda: wire.left_answer(ended, moment, dry=command.validate_only))


def remove(state: State, command: RemoveFromGroup, moment: Moment[Config]) -> Decided:
    """Take a member out of a group."""
    group = acted_on(state, command.group_id, command.acting_id, "remove")
    if isinstance(group, Rejection):
        return group
    ended = _ended(state, group, command.member_id, moment.at)
    if isinstance(ended, Rejection):
        return ended
    changed = Changed(seats=((ended, group.shares),))
    return Decision(changed, lambda: wire.removed_answer(ended, moment, dry=command.validate_only))


def _ended(state: State, group: Group, member_id: UUID, at: datetime) -> Seat | Rejection:
    """A member's seat as it ends, if it may give up its role."""
    seat = _given_up(state, group, member_id)
    return seat if isinstance(seat, Rejection) else seat._replace(left_at=at)


def _given_up(state: State, group: Group, member_id: UUID) -> Seat | Rejection:
    """A member's seat, if it may give up its role."""
    seat = state.groups.seat(group.group_id, member_id)
    if seat is None:
        return errors.GROUP_MEMBER_UNKNOWN
    kind, seats = state.config.group_kinds.get(group.kind), state.groups.seats(group.group_id)
    return rules.leaving_refused(kind, group, seat, seats, ids.encode(GROUP, group.group_id)) or seat


def change_role(state: State, command: ChangeRole, moment: Moment[Config]) -> Decided:
    """Give a member another role, or its seat another label and cost centre."""
    group = acted_on(state, command.group_id, command.acting_id, "change-role")
    if isinstance(group, Rejection):
        return group
    seat = state.groups.seat(group.group_id, command.member_id)
    if seat is None:
        return errors.GROUP_MEMBER_UNKNOWN
    refusal = _cannot_change(state, group, seat, command)
    if refusal is not None:
        return refusal
    since = seat.role_since if command.role == seat.role else moment.at
    new = seat._replace(role=command.role, label=command.label, cost_centre=command.cost_centre, role_since=since)
    changed = NOTHING if new == seat else Changed(seats=((new, group.shares),))
    return Decision(changed, lambda: wire.role_answer(new, moment, dry=command.validate_only))


def _cannot_change(state: State, group: Group, seat: Seat, command: ChangeRole) -> Rejection | None:
    """Why a seat cannot be made what is asked for; one that keeps its role takes no other seat."""
    if seat.member_id == group.owner_id:
        return errors.group_owner(ids.encode(GROUP, group.group_id))
    kind = state.config.group_kinds.get(group.kind)
    role = rules.role_of(kind, group.kind, command.role, command.label, command.cost_centre)
    if isinstance(role, Rejection):
        return role
    if command.role == seat.role:
        return None
    given_up = _given_up(state, group, seat.member_id)
    if isinstance(given_up, Rejection):
        return given_up
    return rules.no_seat_free(role, state.groups.seats(group.group_id))


def transfer(state: State, command: TransferGroupOwnership, moment: Moment[Config]) -> Decided:
    """Make another member the owner."""
    found = acted_on(state, command.group_id, command.acting_id, "transfer")
    if isinstance(found, Rejection):
        return found
    if found.owner_id != command.owner_id:
        return errors.GROUP_CHANGED
    if found.owner_id == command.member_id:
        return errors.group_owner(ids.encode(GROUP, found.group_id))
    member = state.member(command.member_id)
    seat, owner = (state.groups.seat(found.group_id, one) for one in (command.member_id, command.owner_id))
    if member is None or seat is None or owner is None:
        return errors.GROUP_MEMBER_UNKNOWN
    refusal = identity_rules.not_active(member.status)
    if refusal is not None:
        return refusal
    group, heir, former = rules.swapped(found, owner, seat, moment.at)
    changed = Changed(group, ((heir, group.shares), (former, group.shares)))
    return Decision(changed, lambda: wire.transferred_answer(group, heir, former, moment, dry=command.validate_only))


def dissolve(state: State, command: DissolveGroup, moment: Moment[Config]) -> Decided:
    """End a group: nobody has a seat, nobody can join. Who came in since the command was made means to begin anew."""
    found = acted_on(state, command.group_id, command.acting_id, "dissolve")
    if isinstance(found, Rejection):
        return found
    seats, asked = state.groups.seats(found.group_id), state.groups.asked(found.group_id)
    if not {*(seat.member_id for seat in seats), *asked} <= set(command.concerned):
        return errors.GROUP_CHANGED
    group = found._replace(status=GroupStatus.DISSOLVED, dissolved_at=moment.at)
    ended = [seat._replace(left_at=moment.at) for seat in seats]
    cancelled = tuple(
        invitation._replace(status=InvitationStatus.CANCELLED, closed_at=moment.at)
        for invitation in asked.values()
        if rules.not_open(invitation, moment.at) is None
    )
    changed = Changed(group, tuple((seat, group.shares) for seat in ended), cancelled)
    return Decision(changed, lambda: wire.dissolved_answer(group, ended, moment, dry=command.validate_only))


def leave_all(state: State, member_id: UUID, group_ids: tuple[UUID, ...], at: datetime) -> Changed | Rejection:
    """What becomes of the groups of a member that is closed: it leaves them, whatever minimum they have.

    `group_ids` are those in which it was when the command was made; another one since means to begin anew.
    """
    seats = state.groups.seats(member_id)
    if not {seat.group_id for seat in seats} <= set(group_ids):
        return identity_errors.ACCOUNTS_CHANGED
    ended: list[tuple[Seat, str]] = []
    for seat in seats:
        group = state.groups.group(seat.group_id)
        assert group is not None, "a seat's group is there, and was read with it"
        if group.owner_id == member_id:
            return errors.group_owner(ids.encode(GROUP, group.group_id))
        ended.append((seat._replace(left_at=at), group.shares))
    return Changed(seats=tuple(ended))
