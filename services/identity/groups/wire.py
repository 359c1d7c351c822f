"""Messages and values of groups, one made of the other. Nothing in them is personal."""

from collections.abc import Sequence
from datetime import datetime
from typing import TypeVar
from uuid import UUID

from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from services.chassis import ids
from services.chassis.instants import timestamp
from services.chassis.operations import Moment
from services.chassis.replies import Serialised
from services.identity.groups.rules import taken
from services.identity.groups.values import (
    GROUP,
    INVITATION,
    SEAT,
    Group,
    GroupKind,
    Invitation,
    InvitationStatus,
    Seat,
)
from services.identity.values import MEMBER, Config
from tessera.identity.v1 import group_pb2 as pb
from tessera.type.v1 import position_pb2

SERVICE = "identity"
Answer = TypeVar("Answer", bound=Message)


def group_message(group: Group) -> pb.Group:
    """A group."""
    return pb.Group(
        group_id=ids.encode(GROUP, group.group_id),
        kind=group.kind,
        status=pb.GroupStatus.ValueType(group.status),
        owner_member_id=ids.encode(MEMBER, group.owner_id),
        shares=group.shares.split(),
        created_at=timestamp(group.created_at),
        dissolved_at=_timestamp(group.dissolved_at),
    )


def seat_message(seat: Seat) -> pb.Seat:
    """A seat."""
    return pb.Seat(
        seat_id=ids.encode(SEAT, seat.seat_id),
        group_id=ids.encode(GROUP, seat.group_id),
        kind=seat.kind,
        member_id=ids.encode(MEMBER, seat.member_id),
        role=seat.role,
        label=seat.label,
        cost_centre=seat.cost_centre,
        joined_at=timestamp(seat.joined_at),
        role_since=timestamp(seat.role_since),
        left_at=_timestamp(seat.left_at),
    )


def invitation_message(invitation: Invitation, status: InvitationStatus) -> pb.Invitation:
    """An invitation, and how far it is at the time of the answer."""
    is_over = status is InvitationStatus.EXPIRED
    return pb.Invitation(
        invitation_id=ids.encode(INVITATION, invitation.invitation_id),
        group_id=ids.encode(GROUP, invitation.group_id),
        kind=invitation.kind,
        member_id=ids.encode(MEMBER, invitation.member_id),
        role=invitation.role,
        label=invitation.label,
        cost_centre=invitation.cost_centre,
        invited_by_member_id="" if invitation.invited_by is None else ids.encode(MEMBER, invitation.invited_by),
        status=pb.InvitationStatus.ValueType(status),
        created_at=timestamp(invitation.created_at),
        expires_at=timestamp(invitation.expires_at),
        closed_at=_timestamp(invitation.expires_at if is_over else invitation.closed_at),
    )


def role_messages(kind: GroupKind | None, seats: Sequence[Seat]) -> list[pb.RoleSeats]:
    """How seats are taken, role by role as their kind has them, and then by those that it no longer has."""
    roles = {} if kind is None else kind.roles
    former = sorted({seat.role for seat in seats} - roles.keys())
    counted = [
        pb.RoleSeats(role=role.code, taken=taken(role.code, seats), seats=role.seats, minimum=role.minimum)
        for role in roles.values()
    ]
    return [*counted, *(pb.RoleSeats(role=role, taken=taken(role, seats)) for role in former)]


def _timestamp(at: datetime | None) -> Timestamp | None:
    return None if at is None else timestamp(at)


def created_answer(group: Group, seat: Seat, moment: Moment[Config], *, dry: bool) -> bytes:
    """A new group with its owner's seat."""
    response = pb.CreateGroupResponse(group=group_message(group), seat=seat_message(seat))
    if dry:
        response.group.group_id = response.seat.group_id = response.seat.seat_id = ""
    return _answer(response, moment, dry=dry, position=group.group_id)


def invited_answer(invitation: Invitation, moment: Moment[Config], *, dry: bool) -> bytes:
    """A new invitation."""
    response = pb.InviteToGroupResponse(invitation=invitation_message(invitation, invitation.status))
    if dry:
        response.invitation.invitation_id = ""
    return _halves(response, invitation, moment, dry=dry)


def accepted_answer(seat: Seat, moment: Moment[Config], *, dry: bool) -> bytes:
    """A member that has joined."""
    response = pb.AcceptInvitationResponse(seat=seat_message(seat))
    if dry:
        response.seat.seat_id = ""
    return _halves(response, seat, moment, dry=dry)


def declined_answer(invitation: Invitation, moment: Moment[Config], *, dry: bool) -> bytes:
    """An invitation that was declined."""
    response = pb.DeclineInvitationResponse(invitation=invitation_message(invitation, invitation.status))
    return _halves(response, invitation, moment, dry=dry)


def cancelled_answer(invitation: Invitation, moment: Moment[Config], *, dry: bool) -> bytes:
    """An invitation that was taken back."""
    response = pb.CancelInvitationResponse(invitation=invitation_message(invitation, invitation.status))
    return _halves(response, invitation, moment, dry=dry)


def left_answer(seat: Seat, moment: Moment[Config], *, dry: bool) -> bytes:
    """A seat whose member left."""
    return _halves(pb.LeaveGroupResponse(seat=seat_message(seat)), seat, moment, dry=dry)


def removed_answer(seat: Seat, moment: Moment[Config], *, dry: bool) -> bytes:
    """A seat whose member was taken out."""
    return _halves(pb.RemoveFromGroupResponse(seat=seat_message(seat)), seat, moment, dry=dry)


def role_answer(seat: Seat, moment: Moment[Config], *, dry: bool) -> bytes:
    """A seat with another role; one that changes nothing is committed nowhere."""
    return _halves(pb.ChangeRoleResponse(seat=seat_message(seat)), seat, moment, dry=dry)


def transferred_answer(group: Group, heir: Seat, former: Seat, moment: Moment[Config], *, dry: bool) -> bytes:
    """A group with another owner."""
    response = pb.TransferGroupOwnershipResponse(
        group=group_message(group), seat=seat_message(heir), former_owner_seat=seat_message(former)
    )
    return _answer(
        response,
        moment,
        dry=dry,
        position=group.group_id,
        member_position=heir.member_id,
        former_owner_position=former.member_id,
    )


def dissolved_answer(group: Group, seats: Sequence[Seat], moment: Moment[Config], *, dry: bool) -> bytes:
    """A group that ended, and its seats with it."""
    response = pb.DissolveGroupResponse(group=group_message(group), seats=map(seat_message, seats))
    if not dry:
        home = moment.partition_of(group.group_id.int)
        others = {moment.partition_of(seat.member_id.int) for seat in seats} - {home}
        response.member_positions.extend(_position(partition, moment) for partition in sorted(others))
    return _answer(response, moment, dry=dry, position=group.group_id)


def _halves(response: Message, of: Seat | Invitation, moment: Moment[Config], *, dry: bool) -> bytes:
    return _answer(response, moment, dry=dry, position=of.group_id, member_position=of.member_id)


def _answer(response: Message, moment: Moment[Config], *, dry: bool, **positions: UUID) -> bytes:
    """A response, with the position where the half of each owner was committed; a dry run is committed nowhere.

    Answers are kept for retries, and labels and cost centres may be personal: the servicer adds those that it knows.
    """
    for _, value in response.ListFields():
        for one in [value] if isinstance(value, Message) else value:
            if isinstance(one, pb.Seat | pb.Invitation):
                one.label = one.cost_centre = ""
    if not dry:
        for field, owner_id in positions.items():
            getattr(response, field).CopyFrom(_position(moment.partition_of(owner_id.int), moment))
    return response.SerializeToString()


def with_texts(response: Answer, reply: Serialised, of: str, label: str, cost_centre: str) -> Answer:
    """An answer with the texts that are not kept with it; `of` is its field that has them."""
    response.ParseFromString(reply.answer)
    seat = getattr(response, of)
    seat.label, seat.cost_centre = label, cost_centre
    return response


def _position(partition: int, moment: Moment[Config]) -> position_pb2.Position:
    return position_pb2.Position(service=SERVICE, partition=partition, position=moment.positions[partition])
