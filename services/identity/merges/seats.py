"""What becomes of seats in groups when their members are merged, and when they are unmerged."""

from collections.abc import Collection
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from services.chassis import ids
from services.identity.groups import rules as group_rules
from services.identity.groups.changes import Changed
from services.identity.groups.values import OWNER, Group, Invitation, InvitationStatus, Seat
from services.identity.merges.values import Merge, MovedSeat
from services.identity.state import State


class Moved(NamedTuple):
    """What changes in the groups of a member that is merged."""

    changes: tuple[Changed, ...]
    pairs: tuple[MovedSeat, ...]


def moved(
    state: State, merged_id: UUID, survivor_id: UUID, group_ids: Collection[UUID], by: UUID, at: datetime
) -> Moved | None:
    """The survivor takes the seats of the merged member, and is asked where that one was; None if groups are missing.

    In a group in which it has a seat itself, the other one ends: the survivor owns the group if either did.
    """
    seats = state.groups.seats(merged_id)
    asked = [one for one in state.groups.asked_of(merged_id) if group_rules.not_open(one, at) is None]
    if not {*(seat.group_id for seat in seats), *(one.group_id for one in asked)} <= set(group_ids):
        return None
    changes, pairs = [], []
    for number, seat in enumerate(seats, 1):
        group, own = state.groups.group(seat.group_id), state.groups.seat(seat.group_id, survivor_id)
        assert group is not None, "a seat's group is there, and was read with it"
        given = own or _given(seat, survivor_id, by, number, at)
        if own is None:
            pairs.append(MovedSeat(seat.seat_id, given.seat_id))
        changes.append(_handed_on(group, seat, given, at))
    return Moved((*changes, *(_readdressed(state, one, survivor_id, at) for one in asked)), tuple(pairs))


def given_back(
    state: State, merge: Merge, holder_id: UUID, group_ids: Collection[UUID], by: UUID, at: datetime
) -> tuple[Changed, ...] | None:
    """The seats that came along by a merge go back, as far as their holder still has them; None where groups are
    missing."""
    came = {pair.given for pair in merge.seats}
    seats = [seat for seat in state.groups.seats(holder_id) if seat.seat_id in came]
    if not {seat.group_id for seat in seats} <= set(group_ids):
        return None
    changes = []
    for number, seat in enumerate(seats, 1):
        group = state.groups.group(seat.group_id)
        assert group is not None, "a seat's group is there, and was read with it"
        if state.groups.seat(seat.group_id, merge.merged_id) is None:
            changes.append(_handed_on(group, seat, _given(seat, merge.merged_id, by, number, at), at))
    return tuple(changes)


def _given(seat: Seat, member_id: UUID, by: UUID, number: int, at: datetime) -> Seat:
    """The same seat for another member."""
    seat_id = ids.with_routing(ids.derived(by, number), ids.routing_of(seat.group_id))
    return seat._replace(seat_id=seat_id, member_id=member_id, joined_at=at)


def _handed_on(group: Group, seat: Seat, given: Seat, at: datetime) -> Changed:
    """One seat ends, and the other one is there in its stead; the group goes with its owner's seat."""
    ended = (seat._replace(left_at=at), group.shares)
    if group.owner_id != seat.member_id:
        return Changed(seats=(ended, (given, group.shares)))
    owner = given if given.role == OWNER else given._replace(role=OWNER, role_since=at)
    return Changed(group._replace(owner_id=given.member_id), (ended, (owner, group.shares)))


def _readdressed(state: State, invitation: Invitation, member_id: UUID, at: datetime) -> Changed:
    """An open invitation, for whom its member is now, unless that one is in the group or was asked itself."""
    is_there = state.groups.seat(invitation.group_id, member_id) is not None
    is_asked = member_id in state.groups.asked(invitation.group_id)
    if is_there or is_asked:
        return Changed(invitations=(invitation._replace(status=InvitationStatus.CANCELLED, closed_at=at),))
    return Changed(readdressed=((invitation, member_id),))
