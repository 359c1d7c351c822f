"""Requests and answers of tests about groups, in the words of the domain."""

from typing import Any

from google.protobuf import json_format

from tessera.config.v1 import config_service_pb2 as config_pb
from tessera.identity.v1 import group_pb2 as pb
from tests.identity.builders import domain, enrol, programme, request_id
from tests.support.suite import Suite

HOUSEHOLD: dict[str, Any] = {
    "name": "Household",
    "roles": [
        {"code": "adult", "seats": {"max": 2}, "may": ["invite"]},
        {"code": "child", "seats": {"max": 3}},
    ],
    "cool_down_days": 30,
    "shares": ["points", "benefits"],
}


def kind(code: str, **spec: Any) -> dict[str, Any]:
    """A kind of group: a household, but for what is said."""
    return {"kind": "group-kind", "code": code, "programme": "shop", "spec": {**HOUSEHOLD, **spec}}


KINDS = (
    kind("household"),
    kind(
        "club",
        roles=[
            {
                "code": "steward",
                "seats": {"max": 5},
                "may": ["invite", "remove", "change-role", "transfer", "dissolve"],
            },
            {"code": "guest", "seats": {"min": 2, "max": 100}},
        ],
        groups_per_member="unlimited",
        cool_down_days=0,
        shares=[],
    ),
    kind("neighbours", same_identifier="address", groups_per_member="unlimited", cool_down_days=0),
    kind("region-club", same_attribute="region", groups_per_member="unlimited", cool_down_days=0),
    kind(
        "enterprise",
        roles=[{"code": "employee", "seats": {"max": 200}}],
        groups_per_member="unlimited",
        cool_down_days=0,
        sub_accounts=True,
    ),
)


ADDRESS = {"name": "Address", "normaliser": "address", "strength": "hint", "limit": 2}
"""The type of identifiers that neighbours have in common."""


async def publish_kinds(suite: Suite, *kinds: dict[str, Any]) -> None:
    """The kinds of groups of these tests, or other ones, beside the domain in which members enrol."""
    address = {"kind": "identifier-type", "code": "address", "programme": "shop", "spec": ADDRESS}
    await suite.publish("identity", programme(), domain("grocery"), domain("fuel"), address, *(kinds or KINDS))


async def publish_no_kinds(suite: Suite) -> None:
    """The programme and its domain, and no kinds of groups any more."""
    request = config_pb.PublishDocumentsRequest(request_id=request_id(), complete=True)
    for document in (programme(), domain("grocery")):
        json_format.ParseDict(document, request.documents.add())
    await suite.config("identity").PublishDocuments(request)


async def person(suite: Suite, **fields: Any) -> str:
    """The ID of a new member."""
    return str((await enrol(suite, **fields)).member_id)


async def found(suite: Suite, owner: str, code: str = "household", **fields: Any) -> Any:
    """Found a group."""
    fields.setdefault("request_id", request_id())
    return await suite.identity.CreateGroup(pb.CreateGroupRequest(member_id=owner, kind=code, **fields))


async def group_of(suite: Suite, owner: str, code: str = "household") -> str:
    """The ID of a new group."""
    return str((await found(suite, owner, code)).group.group_id)


def inviting(group: str, acting: str, member: str, role: str = "adult", **fields: Any) -> Any:
    """A request to ask a member to join."""
    fields.setdefault("request_id", request_id())
    return pb.InviteToGroupRequest(group_id=group, acting_member_id=acting, member_id=member, role=role, **fields)


async def invite(suite: Suite, group: str, acting: str, member: str, role: str = "adult", **fields: Any) -> Any:
    """Ask a member to join."""
    return await suite.identity.InviteToGroup(inviting(group, acting, member, role, **fields))


async def asked(suite: Suite, group: str, acting: str, member: str, role: str = "adult") -> str:
    """The ID of a new invitation."""
    return str((await invite(suite, group, acting, member, role)).invitation.invitation_id)


async def accept(suite: Suite, invitation: str, member: str, **fields: Any) -> Any:
    """Join."""
    fields.setdefault("request_id", request_id())
    request = pb.AcceptInvitationRequest(invitation_id=invitation, member_id=member, **fields)
    return await suite.identity.AcceptInvitation(request)


async def join(suite: Suite, group: str, acting: str, member: str, role: str = "adult") -> Any:
    """Ask a member, which joins."""
    return await accept(suite, await asked(suite, group, acting, member, role), member)


async def decline(suite: Suite, invitation: str, member: str, **fields: Any) -> Any:
    """Do not join."""
    fields.setdefault("request_id", request_id())
    request = pb.DeclineInvitationRequest(invitation_id=invitation, member_id=member, **fields)
    return await suite.identity.DeclineInvitation(request)


async def cancel(suite: Suite, invitation: str, acting: str, **fields: Any) -> Any:
    """Take an invitation back."""
    fields.setdefault("request_id", request_id())
    request = pb.CancelInvitationRequest(invitation_id=invitation, acting_member_id=acting, **fields)
    return await suite.identity.CancelInvitation(request)


async def leave(suite: Suite, group: str, member: str, **fields: Any) -> Any:
    """Leave."""
    fields.setdefault("request_id", request_id())
    return await suite.identity.LeaveGroup(pb.LeaveGroupRequest(group_id=group, member_id=member, **fields))


async def remove(suite: Suite, group: str, acting: str, member: str, **fields: Any) -> Any:
    """Take a member out."""
    fields.setdefault("request_id", request_id())
    request = pb.RemoveFromGroupRequest(group_id=group, acting_member_id=acting, member_id=member, **fields)
    return await suite.identity.RemoveFromGroup(request)


async def change_role(suite: Suite, group: str, acting: str, member: str, role: str, **fields: Any) -> Any:
    """Give another role."""
    fields.setdefault("request_id", request_id())
    request = pb.ChangeRoleRequest(group_id=group, acting_member_id=acting, member_id=member, role=role, **fields)
    return await suite.identity.ChangeRole(request)


async def transfer(suite: Suite, group: str, acting: str, member: str, **fields: Any) -> Any:
    """Pass on ownership."""
    fields.setdefault("request_id", request_id())
    request = pb.TransferGroupOwnershipRequest(group_id=group, acting_member_id=acting, member_id=member, **fields)
    return await suite.identity.TransferGroupOwnership(request)


async def dissolve(suite: Suite, group: str, acting: str, **fields: Any) -> Any:
    """End a group."""
    fields.setdefault("request_id", request_id())
    return await suite.identity.DissolveGroup(
        pb.DissolveGroupRequest(group_id=group, acting_member_id=acting, **fields)
    )


async def get_group(suite: Suite, group: str) -> Any:
    """A group and how its seats are taken."""
    return await suite.identity.GetGroup(pb.GetGroupRequest(group_id=group))


async def roles_of(suite: Suite, group: str) -> dict[str, str]:
    """Who is in a group, with which role."""
    response = await suite.identity.ListGroupMembers(pb.ListGroupMembersRequest(group_id=group))
    return {seat.member_id: seat.role for seat in response.seats}


async def invitations_of(suite: Suite, **of: Any) -> list[Any]:
    """The invitations of a group or a member."""
    return list((await suite.identity.ListInvitations(pb.ListInvitationsRequest(**of))).invitations)
