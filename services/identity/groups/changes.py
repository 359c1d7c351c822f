"""What a decision makes of groups."""

from typing import NamedTuple
from uuid import UUID

from services.chassis.operations import Moment
from services.identity.groups import events
from services.identity.groups.values import Group, Invitation, Seat
from services.identity.state import State
from services.identity.values import Config


class Changed(NamedTuple):
    """A group, seats and invitations as they become."""

    group: Group | None = None
    seats: tuple[tuple[Seat, str], ...] = ()
    """Each with what its group's members share."""
    invitations: tuple[Invitation, ...] = ()
    readdressed: tuple[tuple[Invitation, UUID], ...] = ()
    """Open ones, each with the member that it is for from now on."""

    def apply(self, state: State, moment: Moment[Config]) -> None:
        """Fold it in, and tell each half in its owner's partition."""
        if self.group is not None:
            state.groups.put_group(self.group, moment.partition_of)
            state.tell(moment.partition_of(self.group.group_id.int), events.group_changed(self.group, moment.at))
        for seat, shares in self.seats:
            state.groups.put_seat(seat, moment.partition_of)
            state.privacy.fill(seats=[(seat.group_id, seat), (seat.member_id, seat)])
            of_group, of_member = events.seat_changed(seat, shares, moment.at)
            state.tell(moment.partition_of(seat.group_id.int), of_group)
            state.tell(moment.partition_of(seat.member_id.int), of_member)
        for invitation in self.invitations:
            state.groups.put_invitation(invitation, moment.partition_of)
            halves = [(invitation.group_id, invitation), (invitation.member_id, invitation)]
            state.privacy.fill(invitations=halves)
            of_group, of_member = events.invitation_changed(invitation)
            state.tell(moment.partition_of(invitation.group_id.int), of_group)
            state.tell(moment.partition_of(invitation.member_id.int), of_member)
        for invitation, member_id in self.readdressed:
            self._readdress(invitation, member_id, state, moment)

    def _readdress(self, invitation: Invitation, member_id: UUID, state: State, moment: Moment[Config]) -> None:
        """It stays the same invitation to who made it, and is cancelled to who was asked first."""
        taken, kept = state.groups.readdress(invitation, member_id, moment.at, moment.partition_of)
        of_group, of_member = events.invitation_changed(kept)
        state.tell(moment.partition_of(kept.group_id.int), of_group)
        state.tell(moment.partition_of(kept.member_id.int), of_member)
        state.tell(moment.partition_of(taken.member_id.int), events.invitation_changed(taken)[1])


NOTHING = Changed()
