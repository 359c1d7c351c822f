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


def score_below_zero(score: int, amount: int) -> Rejection:
    """More than a score has."""
    return Rejection(
        "SCORE_BELOW_ZERO",
        f"the score is {score}, and was to be corrected by {amount}",
        metadata={"score": str(score), "amount": str(amount)},
    )


def _effective_at(why: str) -> Rejection:
    return Rejection("TIME_OUT_OF_RANGE", why, code=StatusCode.INVALID_ARGUMENT, metadata={"field": "effective_at"})


EFFECTIVE_IN_FUTURE = _effective_at("effective_at must not be in the future")
POINTS_ARE_CORRECTED_NOW = _effective_at("only a score is corrected with effect at another instant")


def approval_by_requester(requested_by: str) -> Rejection:
    """Four eyes are wanted."""
    return Rejection(
        "APPROVAL_BY_REQUESTER",
        "who asked for an adjustment cannot approve it",
        code=StatusCode.PERMISSION_DENIED,
        metadata={"requested_by": requested_by},
    )
