"""What a decision makes of groups."""

from typing import NamedTuple

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

    def apply(self, state: State, moment: Moment[Config]) -> None:
        """Fold it in, and tell each half in its owner's partition."""
        if self.group is not None:
            state.groups.put_group(self.group, moment.partition_of)
            state.tell(moment.partition_of(self.group.group_id.int), events.group_changed(self.group, moment.at))
        for seat, shares in self.seats:
            state.groups.put_seat(seat, moment.partition_of)
            state.privacy.fill(seats=[seat])
            of_group, of_member = events.seat_changed(seat, shares, moment.at)
            state.tell(moment.partition_of(seat.group_id.int), of_group)
            state.tell(moment.partition_of(seat.member_id.int), of_member)
        for invitation in self.invitations:
            state.groups.put_invitation(invitation, moment.partition_of)
            state.privacy.fill(invitations=[invitation])
            of_group, of_member = events.invitation_changed(invitation)
            state.tell(moment.partition_of(invitation.group_id.int), of_group)
            state.tell(moment.partition_of(invitation.member_id.int), of_member)


NOTHING = Changed()
