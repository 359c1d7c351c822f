"""Every way gifts are refused beside those of points; mirrors `tessera.points.v1.ErrorReason`."""

from grpc import StatusCode

from services.chassis.errors import Rejection


def unit_not_transferable(unit: str) -> Rejection:
    """Not for giving."""
    return Rejection("UNIT_NOT_TRANSFERABLE", f"members cannot give {unit} to each other", metadata={"unit": unit})


GIFT_TO_ONESELF = Rejection(
    "GIFT_TO_ONESELF", "giver and receiver are the same member", code=StatusCode.INVALID_ARGUMENT
)


def gift_limit_exceeded(limit: str, allowed: int, requested: int) -> Rejection:
    """Less or more than the unit lets members give; `allowed` is what would be within the limit."""
    return Rejection(
        "GIFT_LIMIT_EXCEEDED",
        f"{requested} were to be given, {limit} allows {allowed}",
        metadata={"limit": limit, "allowed": str(allowed), "requested": str(requested)},
    )


def gift_unknown(gift_id: str) -> Rejection:
    """No such gift, for this member."""
    return Rejection(
        "GIFT_UNKNOWN",
        "there is no such gift for this member",
        code=StatusCode.NOT_FOUND,
        metadata={"gift_id": gift_id},
    )


def gift_not_open(state: str) -> Rejection:
    """It is not offered any more."""
    return Rejection("GIFT_NOT_OPEN", f"the gift is {state}", metadata={"state": state})
