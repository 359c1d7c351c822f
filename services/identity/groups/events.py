"""What groups tell the others: each half in its own partition, so that each can be followed alone.

Labels and cost centres may be personal and a journal is never changed, so they are not told.
"""

from datetime import datetime

from services.chassis.clock import to_microseconds
from services.identity.groups.values import Group, Invitation, Seat
from tessera.identity.v1 import event_pb2 as pb
from tessera.identity.v1 import group_pb2


def group_changed(group: Group, at: datetime) -> bytes:
    """A group was founded, transferred or dissolved."""
    event = pb.GroupChanged(
        group_id=group.group_id.bytes,
        kind=group.kind,
        status=group_pb2.GroupStatus.ValueType(group.status),
        owner_id=group.owner_id.bytes,
        shares=group.shares.split(),
        created_at_us=to_microseconds(group.created_at),
        changed_at_us=to_microseconds(at),
    )
    return pb.Event(group_changed=event).SerializeToString()


def seat_changed(seat: Seat, shares: str, at: datetime) -> tuple[bytes, bytes]:
    """A seat was given, changed or ended: what the group tells of it, and what the member."""
    event = pb.SeatChanged(
        seat_id=seat.seat_id.bytes,
        group_id=seat.group_id.bytes,
        member_id=seat.member_id.bytes,
        kind=seat.kind,
        role=seat.role,
        role_since_us=to_microseconds(seat.role_since),
        joined_at_us=to_microseconds(seat.joined_at),
        left_at_us=to_microseconds(seat.left_at),
        changed_at_us=to_microseconds(at),
        shares=shares.split(),
    )
    told = (pb.Event(group_member_changed=event), pb.Event(member_group_changed=event))
    return told[0].SerializeToString(), told[1].SerializeToString()


def invitation_changed(invitation: Invitation) -> tuple[bytes, bytes]:
    """An invitation was made or came to an end: what the group tells of it, and what the member."""
    event = pb.InvitationChanged(
        invitation_id=invitation.invitation_id.bytes,
        group_id=invitation.group_id.bytes,
        member_id=invitation.member_id.bytes,
        kind=invitation.kind,
        role=invitation.role,
        invited_by=b"" if invitation.invited_by is None else invitation.invited_by.bytes,
        status=group_pb2.InvitationStatus.ValueType(invitation.status),
        created_at_us=to_microseconds(invitation.created_at),
        expires_at_us=to_microseconds(invitation.expires_at),
        closed_at_us=to_microseconds(invitation.closed_at),
    )
    told = (pb.Event(group_invitation_changed=event), pb.Event(member_invitation_changed=event))
    return told[0].SerializeToString(), told[1].SerializeToString()
