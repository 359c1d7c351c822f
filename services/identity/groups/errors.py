"""Every way groups are refused beside those of identity; mirrors `tessera.identity.v1.ErrorReason`."""

from datetime import datetime, timedelta

from grpc import StatusCode

from services.chassis.errors import Rejection

GROUP_UNKNOWN = Rejection("GROUP_UNKNOWN", "no group has this ID", code=StatusCode.NOT_FOUND)
GROUP_DISSOLVED = Rejection("GROUP_DISSOLVED", "the group is dissolved")
GROUP_MEMBER_ALREADY = Rejection("GROUP_MEMBER_ALREADY", "the member is in the group already")
GROUP_MEMBER_UNKNOWN = Rejection("GROUP_MEMBER_UNKNOWN", "the member is not in the group", code=StatusCode.NOT_FOUND)
GROUP_CHANGED = Rejection(
    "GROUP_CHANGED",
    "the group changed while this was being decided; nothing was done",
    code=StatusCode.ABORTED,
    retry_after=timedelta(milliseconds=50),
)
INVITATION_UNKNOWN = Rejection(
    "INVITATION_UNKNOWN", "there is no such invitation for this member", code=StatusCode.NOT_FOUND
)


def operator_only(caller: str, permission: str) -> Rejection:
    """An operator's own hand, without a member in whose name it acts."""
    return Rejection(
        "PERMISSION_MISSING",
        f"caller {caller} lacks the permission {permission}: name the member that acts",
        code=StatusCode.PERMISSION_DENIED,
        metadata={"caller": caller, "permission": permission},
    )


def group_kind_unknown(kind: str) -> Rejection:
    """No such kind, or no longer."""
    return Rejection(
        "GROUP_KIND_UNKNOWN",
        f"no group-kind {kind} is configured",
        code=StatusCode.INVALID_ARGUMENT,
        metadata={"kind": kind},
    )


def group_role_unknown(kind: str, role: str) -> Rejection:
    """No such role, or no longer."""
    return Rejection(
        "GROUP_ROLE_UNKNOWN",
        f"the group-kind {kind} has no role {role}",
        code=StatusCode.INVALID_ARGUMENT,
        metadata={"kind": kind, "role": role},
    )


def group_right_missing(right: str, role: str) -> Rejection:
    """Not with this role; `role` is empty for who is not in the group."""
    who = f"the role {role}" if role else "who is not in the group"
    return Rejection("GROUP_RIGHT_MISSING", f"{who} has not the right {right}", metadata={"right": right, "role": role})


def group_seats_taken(role: str, seats: int) -> Rejection:
    """No seat of a role is free."""
    return Rejection(
        "GROUP_SEATS_TAKEN",
        f"all {seats} seat(s) of the role {role} are taken",
        metadata={"role": role, "seats": str(seats)},
    )


def group_seats_minimum(role: str, minimum: int) -> Rejection:
    """A role would have too few members."""
    return Rejection(
        "GROUP_SEATS_MINIMUM",
        f"the role {role} is to have {minimum} member(s) at least, and has no more",
        metadata={"role": role, "minimum": str(minimum)},
    )


def group_limit(kind: str, limit: int) -> Rejection:
    """In enough groups of the kind."""
    return Rejection(
        "GROUP_LIMIT",
        f"a member may be in {limit} group(s) of the kind {kind}",
        metadata={"kind": kind, "limit": str(limit)},
    )


def group_cool_down(kind: str, next_eligible_at: datetime) -> Rejection:
    """Too early to join another group of the kind."""
    return Rejection(
        "GROUP_COOL_DOWN",
        f"the member left another group of the kind {kind}; it may join again from {next_eligible_at.isoformat()} on",
        metadata={"kind": kind, "next_eligible_at": next_eligible_at.isoformat()},
    )


def group_identifier_differs(code: str) -> Rejection:
    """Not the same address, or whatever members of the group are known by in common."""
    return Rejection(
        "GROUP_IDENTIFIER_DIFFERS",
        f"the members of the group are known by the same {code}, by which the member is not",
        metadata={"type": code},
    )


def group_attribute_differs(attribute: str) -> Rejection:
    """Not the same region, or whatever attribute members of the group have in common."""
    return Rejection(
        "GROUP_ATTRIBUTE_DIFFERS",
        f"the members of the group agree in {attribute}, which the member lacks or has otherwise",
        metadata={"attribute": attribute},
    )


def group_owner(group_id: str) -> Rejection:
    """Not before somebody else owns the group."""
    return Rejection(
        "GROUP_OWNER",
        f"the member owns the group {group_id}: transfer it or dissolve it first",
        metadata={"group_id": group_id},
    )


def group_invitation_limit(limit: int) -> Rejection:
    """Enough invitations are open."""
    return Rejection(
        "GROUP_INVITATION_LIMIT", f"a group has {limit} open invitations at most", metadata={"limit": str(limit)}
    )


def sub_accounts_not_kept(kind: str) -> Rejection:
    """Seats without label and cost centre."""
    return Rejection(
        "SUB_ACCOUNTS_NOT_KEPT",
        f"seats of the group-kind {kind} have no label and no cost centre",
        metadata={"kind": kind},
    )


def invitation_exists(invitation_id: str) -> Rejection:
    """Asked already."""
    return Rejection(
        "INVITATION_EXISTS",
        f"the group has asked the member already: {invitation_id}",
        code=StatusCode.ALREADY_EXISTS,
        metadata={"invitation_id": invitation_id},
    )


def invitation_not_open(status: str) -> Rejection:
    """It was accepted, declined, cancelled, or its time is over."""
    return Rejection("INVITATION_NOT_OPEN", f"the invitation is {status}", metadata={"status": status})
