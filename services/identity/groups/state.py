"""Groups as a batch loads and changes them."""

from collections.abc import Callable, Collection, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from services.identity.groups.values import Group, Invitation, InvitationStatus, Left, Seat

Change = Callable[[int, str, Any, tuple[Any, ...]], None]
"""Takes a row that is new or changed: its partition, its table, its key there, and what it is."""
PartitionOf = Callable[[int], int]
"""The partition of an owner, by the number of its ID."""


class GroupState:
    """The groups, seats and invitations that the commands of a batch concern, and what became of them.

    Seats and invitations are rows twice: in the partition of their group, and in that of their member.
    """

    def __init__(self, change: Change) -> None:
        self._change = change
        self._groups: dict[UUID, Group] = {}
        self._seats: dict[UUID, dict[UUID, Seat]] = {}
        """Those that are taken, of a group by its members and of a member by its groups."""
        self._left: dict[UUID, dict[tuple[str, UUID], Left]] = {}
        self._invitations: dict[UUID, Invitation] = {}
        self._asked: dict[UUID, dict[UUID, Invitation]] = {}
        """Those of which no end is booked, of a group by who was asked: the last one of each."""

    def fill_groups(self, groups: Collection[Group]) -> None:
        """Take over groups that were read."""
        self._groups |= {group.group_id: group for group in groups}

    def fill_seats(self, seats: Collection[tuple[UUID, Seat]]) -> None:
        """Take over seats that are taken, each with whose half was read: the group's or the member's."""
        for owner_id, seat in seats:
            self._seats.setdefault(owner_id, {})[_other(owner_id, seat)] = seat

    def fill_left(self, left: Collection[Left]) -> None:
        """Take over when members last left groups."""
        for gone in left:
            self._left.setdefault(gone.member_id, {})[gone.kind, gone.group_id] = gone

    def fill_invitations(self, invitations: Collection[Invitation]) -> None:
        """Take over invitations that were read."""
        for invitation in invitations:
            self._fold(invitation)

    def group(self, group_id: UUID) -> Group | None:
        """A group, if there is one of this ID."""
        return self._groups.get(group_id)

    def seats(self, owner_id: UUID) -> Collection[Seat]:
        """The seats of a group that are taken, or those that a member has."""
        return self._seats.get(owner_id, {}).values()

    def seat(self, group_id: UUID, member_id: UUID) -> Seat | None:
        """The seat of a member in a group."""
        return self._seats.get(group_id, {}).get(member_id)

    def left(self, member_id: UUID) -> Collection[Left]:
        """When a member last left groups."""
        return self._left.get(member_id, {}).values()

    def invitation(self, invitation_id: UUID) -> Invitation | None:
        """An invitation, if there is one of this ID."""
        return self._invitations.get(invitation_id)

    def asked(self, group_id: UUID) -> Mapping[UUID, Invitation]:
        """The invitations of a group of which no end is booked, by who was asked."""
        return self._asked.get(group_id, {})

    def asked_of(self, member_id: UUID) -> list[Invitation]:
        """The invitations to a member of which no end is booked."""
        return [asked[member_id] for asked in self._asked.values() if member_id in asked]

    def put_group(self, group: Group, partition_of: PartitionOf) -> None:
        """A group is new or changed."""
        self._groups[group.group_id] = group
        self._change(partition_of(group.group_id.int), "groups", group.group_id, group)

    def put_seat(self, seat: Seat, partition_of: PartitionOf) -> None:
        """A seat is given, changed or ended."""
        for owner_id in (seat.group_id, seat.member_id):
            seats = self._seats.setdefault(owner_id, {})
            if seat.left_at is None:
                seats[_other(owner_id, seat)] = seat
            else:
                seats.pop(_other(owner_id, seat), None)
            self._change(partition_of(owner_id.int), "seats", (owner_id, seat.seat_id), (owner_id, *seat))
        if seat.left_at is not None:
            gone = Left(seat.member_id, seat.kind, seat.group_id, seat.left_at)
            self._left.setdefault(seat.member_id, {})[seat.kind, seat.group_id] = gone

    def put_invitation(self, invitation: Invitation, partition_of: PartitionOf) -> None:
        """An invitation is made or came to an end."""
        self._fold(invitation)
        for owner_id in (invitation.group_id, invitation.member_id):
            key = (owner_id, invitation.invitation_id)
            self._change(partition_of(owner_id.int), "invitations", key, (owner_id, *invitation))

    def readdress(
        self, invitation: Invitation, member_id: UUID, at: datetime, partition_of: PartitionOf
    ) -> tuple[Invitation, Invitation]:
        """An open invitation is for another member now: how it ends for the first one, and how it is for the other."""
        taken = invitation._replace(status=InvitationStatus.CANCELLED, closed_at=at)
        self._fold(taken)
        key = (taken.member_id, taken.invitation_id)
        self._change(partition_of(taken.member_id.int), "invitations", key, (taken.member_id, *taken))
        kept = invitation._replace(member_id=member_id)
        self.put_invitation(kept, partition_of)
        return taken, kept

    def _fold(self, invitation: Invitation) -> None:
        self._invitations[invitation.invitation_id] = invitation
        asked = self._asked.setdefault(invitation.group_id, {})
        last = asked.get(invitation.member_id)
        if invitation.status is InvitationStatus.OPEN:
            if last is None or last.expires_at <= invitation.expires_at:
                asked[invitation.member_id] = invitation
        elif last is not None and last.invitation_id == invitation.invitation_id:
            del asked[invitation.member_id]


def _other(owner_id: UUID, seat: Seat) -> UUID:
    """Of a group's seats the member, of a member's the group."""
    return seat.member_id if owner_id == seat.group_id else seat.group_id
