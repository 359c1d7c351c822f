"""Every way conversions with partners are refused beside those of points; mirrors `tessera.points.v1.ErrorReason`."""

from grpc import StatusCode

from services.chassis.errors import Rejection


def partner_conversion_unknown(partner_conversion_id: str) -> Rejection:
    """No such conversion."""
    return Rejection(
        "PARTNER_CONVERSION_UNKNOWN",
        "there is no such conversion with a partner",
        code=StatusCode.NOT_FOUND,
        metadata={"partner_conversion_id": partner_conversion_id},
    )


def partner_conversion_closed(state: str) -> Rejection:
    """Nothing is left to settle."""
    return Rejection("PARTNER_CONVERSION_CLOSED", f"the conversion is {state}", metadata={"state": state})
