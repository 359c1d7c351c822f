"""Every way adjustments are refused beside those of points; mirrors `tessera.points.v1.ErrorReason`."""

from grpc import StatusCode

from services.chassis.errors import Rejection


def adjustment_unknown(adjustment_id: str) -> Rejection:
    """No such adjustment."""
    return Rejection(
        "ADJUSTMENT_UNKNOWN",
        "there is no such adjustment",
        code=StatusCode.NOT_FOUND,
        metadata={"adjustment_id": adjustment_id},
    )


def adjustment_not_proposed(state: str) -> Rejection:
    """It is decided."""
    return Rejection("ADJUSTMENT_NOT_PROPOSED", f"the adjustment is {state}", metadata={"state": state})


def approval_by_requester(requested_by: str) -> Rejection:
    """Four eyes are wanted."""
    return Rejection(
        "APPROVAL_BY_REQUESTER",
        "who asked for an adjustment cannot approve it",
        code=StatusCode.PERMISSION_DENIED,
        metadata={"requested_by": requested_by},
    )
