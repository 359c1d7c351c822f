"""Every way merges are refused beside those of identity; mirrors `tessera.identity.v1.ErrorReason`."""

from datetime import timedelta

from grpc import StatusCode

from services.chassis.errors import Rejection

MERGE_WITH_ITSELF = Rejection("MERGE_WITH_ITSELF", "a member cannot be merged with itself")
MERGE_UNKNOWN = Rejection("MERGE_UNKNOWN", "no merge has this ID", code=StatusCode.NOT_FOUND)


def already_merged(merge_id: str) -> Rejection:
    """The two are one already."""
    return Rejection(
        "ALREADY_MERGED",
        f"the two are one member already, by {merge_id}",
        code=StatusCode.ALREADY_EXISTS,
        metadata={"merge_id": merge_id},
    )


def member_merged(survivor_id: str) -> Rejection:
    """Who is to be merged is part of somebody else."""
    return Rejection(
        "MEMBER_MERGED",
        f"the member was merged into {survivor_id}: name that one, or unmerge first",
        metadata={"survivor_id": survivor_id},
    )


def real_names_differ(code: str) -> Rejection:
    """They are two persons."""
    return Rejection(
        "REAL_NAMES_DIFFER",
        f"both have a verified {code}, and not the same: they are two persons",
        metadata={"type": code},
    )


def account_not_of_merge(account_id: str) -> Rejection:
    """An account that did not come along."""
    return Rejection(
        "ACCOUNT_NOT_OF_MERGE",
        f"{account_id} did not come along by this merge",
        code=StatusCode.INVALID_ARGUMENT,
        metadata={"account_id": account_id},
    )


def merge_superseded(merge_id: str) -> Rejection:
    """The member was merged again since."""
    return Rejection(
        "MERGE_SUPERSEDED",
        f"the member was merged again, by {merge_id}: unmerge that first",
        metadata={"merge_id": merge_id},
    )


def unmerge_blocked(service: str, code: str, details: str) -> Rejection:
    """Something stands in the way in another service."""
    return Rejection(
        "UNMERGE_BLOCKED",
        f"{service} cannot give back yet: {code} {details}",
        metadata={"service": service, "blocker": code, "details": details},
    )


def neighbour_unavailable(service: str) -> Rejection:
    """A service that has to be asked does not answer."""
    return Rejection(
        "NEIGHBOUR_UNAVAILABLE",
        f"{service} has to be asked and does not answer; nothing was done",
        code=StatusCode.UNAVAILABLE,
        metadata={"service": service},
        retry_after=timedelta(seconds=1),
    )
