"""Requests of the contract about groups to commands. Raises Refused for what cannot be one."""

from uuid import UUID

from google.protobuf.message import Message

from services.chassis import idempotency, ids
from services.chassis.access import Caller
from services.chassis.errors import Refused
from services.chassis.idempotency import Request
from services.identity.groups import errors
from services.identity.groups.commands import (
    AcceptInvitation,
    CancelInvitation,
    ChangeRole,
    CreateGroup,
    DeclineInvitation,
    DissolveGroup,
    InviteToGroup,
    LeaveGroup,
    RemoveFromGroup,
    TransferGroupOwnership,
)
from services.identity.groups.values import GROUP, INVITATION
from services.identity.values import MEMBER
from services.identity.vault import Vault
from tessera.identity.v1 import group_pb2 as pb

MANAGE = "identity.groups.manage"
"""What an operator needs who acts in nobody's name."""


def create(request: pb.CreateGroupRequest, caller: Caller, vault: Vault) -> CreateGroup:
    """The command to found a group."""
    member_id = _member(request.member_id)
    routing = ids.routing_of(member_id)
    validate_only = request.validate_only
    return CreateGroup(
        request=_identified(caller, "CreateGroup", request),
        group_id=ids.new_id(routing),
        seat_id=ids.new_id(routing),
        kind=request.kind,
        member_id=member_id,
        label=request.label,
        cost_centre=request.cost_centre,
        vault=vault,
        keys={},
        validate_only=validate_only,
    )


def invite(request: pb.InviteToGroupRequest, caller: Caller) -> InviteToGroup:
    """The command to ask a member to join."""
    group_id, acting_id = group_of(request.group_id), acting(request.acting_member_id, caller)
    validate_only = request.validate_only
    return InviteToGroup(
        request=_identified(caller, "InviteToGroup", request),
        group_id=group_id,
        validate_only=validate_only,
        acting_id=acting_id,
        member_id=_member(request.member_id),
        invitation_id=ids.new_id(ids.routing_of(group_id)),
        role=request.role,
        label=request.label,
        cost_centre=request.cost_centre,
    )


def accept(request: pb.AcceptInvitationRequest, caller: Caller, group_id: UUID, vault: Vault) -> AcceptInvitation:
    """The command to join the group that asked."""
    validate_only = request.validate_only
    return AcceptInvitation(
        request=_identified(caller, "AcceptInvitation", request),
        group_id=group_id,
        validate_only=validate_only,
        invitation_id=invitation_of(request.invitation_id),
        member_id=_member(request.member_id),
        seat_id=ids.new_id(ids.routing_of(group_id)),
        vault=vault,
        keys={},
    )


def decline(request: pb.DeclineInvitationRequest, caller: Caller, group_id: UUID) -> DeclineInvitation:
    """The command not to join."""
    validate_only = request.validate_only
    return DeclineInvitation(
        request=_identified(caller, "DeclineInvitation", request),
        group_id=group_id,
        validate_only=validate_only,
        invitation_id=invitation_of(request.invitation_id),
        member_id=_member(request.member_id),
    )


def cancel(request: pb.CancelInvitationRequest, caller: Caller, group_id: UUID, member_id: UUID) -> CancelInvitation:
    """The command to take an invitation back; `member_id` was asked."""
    acting_id = acting(request.acting_member_id, caller)
    validate_only = request.validate_only
    return CancelInvitation(
        request=_identified(caller, "CancelInvitation", request),
        group_id=group_id,
        validate_only=validate_only,
        acting_id=acting_id,
        member_id=member_id,
        invitation_id=invitation_of(request.invitation_id),
    )


def leave(request: pb.LeaveGroupRequest, caller: Caller) -> LeaveGroup:
    """The command to leave."""
    validate_only = request.validate_only
    return LeaveGroup(
        request=_identified(caller, "LeaveGroup", request),
        group_id=group_of(request.group_id),
        validate_only=validate_only,
        member_id=_member(request.member_id),
    )


def remove(request: pb.RemoveFromGroupRequest, caller: Caller) -> RemoveFromGroup:
    """The command to take a member out."""
    acting_id = acting(request.acting_member_id, caller)
    validate_only = request.validate_only
    return RemoveFromGroup(
        request=_identified(caller, "RemoveFromGroup", request),
        group_id=group_of(request.group_id),
        validate_only=validate_only,
        acting_id=acting_id,
        member_id=_member(request.member_id),
    )


def change_role(request: pb.ChangeRoleRequest, caller: Caller) -> ChangeRole:
    """The command to give another role."""
    acting_id = acting(request.acting_member_id, caller)
    validate_only = request.validate_only
    return ChangeRole(
        request=_identified(caller, "ChangeRole", request),
        group_id=group_of(request.group_id),
        validate_only=validate_only,
        acting_id=acting_id,
        member_id=_member(request.member_id),
        role=request.role,
        label=request.label,
        cost_centre=request.cost_centre,
    )


def transfer(request: pb.TransferGroupOwnershipRequest, identified: Request, owner_id: UUID) -> TransferGroupOwnership:
    """The command to pass on ownership; `owner_id` has it now."""
    return TransferGroupOwnership(
        request=identified,
        group_id=group_of(request.group_id),
        validate_only=request.validate_only,
        acting_id=_acting(request.acting_member_id),
        member_id=_member(request.member_id),
        owner_id=owner_id,
    )


def dissolve(request: pb.DissolveGroupRequest, identified: Request, concerned: tuple[UUID, ...]) -> DissolveGroup:
    """The command to end a group; `concerned` are in it, or asked to join."""
    return DissolveGroup(
        request=identified,
        group_id=group_of(request.group_id),
        validate_only=request.validate_only,
        acting_id=_acting(request.acting_member_id),
        concerned=concerned,
    )


def identified_copy(caller: Caller, method: str, message: Message) -> Request:
    """How idempotency knows a request that is made a command more than once; the message stays as it is."""
    copy = type(message)()
    copy.CopyFrom(message)
    return _identified(caller, method, copy)


def acting(member_id: str, caller: Caller) -> UUID | None:
    """Who acts: a member, or the operator (None). Raises Refused (PERMISSION_MISSING)."""
    if not member_id and not caller.has_permission(MANAGE):
        raise Refused(errors.operator_only(caller.name, MANAGE))
    return _acting(member_id)


def _acting(member_id: str) -> UUID | None:
    return _member(member_id) if member_id else None


def group_of(group_id: str) -> UUID:
    """The ID of a group; the contract has checked its form."""
    return ids.decode(GROUP, group_id)


def invitation_of(invitation_id: str) -> UUID:
    """The ID of an invitation; the contract has checked its form."""
    return ids.decode(INVITATION, invitation_id)


def _member(member_id: str) -> UUID:
    return ids.decode(MEMBER, member_id)


def _identified(caller: Caller, method: str, message: Message) -> Request:
    return idempotency.identify(caller.name, f"identity.{method}", message)
