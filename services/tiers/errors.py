"""Every way the tiers service says no; mirrors `tessera.tiers.v1.ErrorReason`."""

from datetime import timedelta

from grpc import StatusCode

from services.chassis.errors import Rejection

SOON = timedelta(milliseconds=250)
"""How soon a new member may have arrived."""


def member_unknown(member_id: str) -> Rejection:
    """No such member has been heard of, yet."""
    return Rejection(
        "MEMBER_UNKNOWN",
        "no such member has been heard of; a new one may still be on its way",
        code=StatusCode.NOT_FOUND,
        metadata={"member_id": member_id},
        retry_after=SOON,
    )


def ladder_unknown(ladder: str) -> Rejection:
    """No such ladder."""
    return Rejection(
        "LADDER_UNKNOWN",
        f"no ladder {ladder} is configured",
        code=StatusCode.INVALID_ARGUMENT,
        metadata={"ladder": ladder},
    )
