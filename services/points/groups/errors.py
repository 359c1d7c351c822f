"""Every way pooled spends are refused beside those of points; mirrors `tessera.points.v1.ErrorReason`."""

from grpc import StatusCode

from services.chassis.errors import Rejection


def unit_not_pooled(unit: str) -> Rejection:
    """Not for groups."""
    return Rejection("UNIT_NOT_POOLED", f"groups do not spend {unit} together", metadata={"unit": unit})


def not_in_group(group_id: str) -> Rejection:
    """Not now, as far as was heard."""
    return Rejection("NOT_IN_GROUP", "the member is not in this group", metadata={"group_id": group_id})


def group_shares_no_points(group_id: str) -> Rejection:
    """It shares other things, or nothing."""
    return Rejection(
        "GROUP_SHARES_NO_POINTS", "the members of this group do not share points", metadata={"group_id": group_id}
    )


def group_unknown(group_id: str) -> Rejection:
    """Nobody is in it."""
    return Rejection(
        "GROUP_UNKNOWN",
        "there is no such group, or nobody is in it",
        code=StatusCode.NOT_FOUND,
        metadata={"group_id": group_id},
    )


def spend_is_contribution(pooled_spend_id: str) -> Rejection:
    """A part of a spend of several."""
    return Rejection(
        "SPEND_IS_CONTRIBUTION",
        "what a member gave to a pooled spend is refunded with the pooled spend",
        metadata={"pooled_spend_id": pooled_spend_id},
    )
