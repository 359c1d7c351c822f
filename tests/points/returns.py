"""Requests about activities that come back or are completed, in few words."""

from datetime import datetime
from typing import Any

from services.chassis.instants import timestamp
from tessera.points.v1 import activity_pb2, completion_pb2, refund_pb2
from tests.points.builders import local, reference, request_id


def returning(activity_id: str = "", **fields: Any) -> refund_pb2.RefundActivityRequest:
    """A request to refund an activity: the whole, unless `lines` or `amount_minor` is given; by its ID, or by `key`."""
    values: dict[str, Any] = {"request_id": request_id()}
    if activity_id:
        values["activity_id"] = activity_id
    told: dict[str, Any] = {"reference": fields.pop("reference", None) or reference()}
    if "lines" in fields:
        told["lines"] = refund_pb2.ReturnedLines(lines=fields.pop("lines"))
    elif "amount_minor" in fields:
        told["amount_minor"] = fields.pop("amount_minor")
    else:
        told["whole"] = True
    return refund_pb2.RefundActivityRequest(**{**values, "refund": refund_pb2.ActivityRefund(**told), **fields})


def part(number: int, cash_minor: int = 0, quantity: int = 0) -> refund_pb2.ReturnedLine:
    """A part of a line that comes back; all that is left of it unless it is said how much."""
    return refund_pb2.ReturnedLine(line=number, cash_minor=cash_minor, quantity=quantity)


def key_of(purchase: activity_pb2.Activity) -> refund_pb2.ActivityKey:
    """How a domain names an activity."""
    return refund_pb2.ActivityKey(
        member_id=purchase.member_id, domain=purchase.domain, type=purchase.type, reference=purchase.reference
    )


def resolve(parked_refund_id: str, **fields: Any) -> refund_pb2.ResolveParkedRefundRequest:
    """A request to resolve a parked refund: to try it again, unless `resolution` says otherwise."""
    values: dict[str, Any] = {
        "request_id": request_id(),
        "parked_refund_id": parked_refund_id,
        "resolution": refund_pb2.ResolveParkedRefundRequest.RESOLUTION_RETRY,
        "reason": "the shop says so",
    }
    return refund_pb2.ResolveParkedRefundRequest(**{**values, **fields})


def complete(activity_id: str = "", at: datetime | None = None, **fields: Any) -> Any:
    """A request to complete an activity, by its ID or by `key`; long ago means when it happened."""
    values: dict[str, Any] = {"request_id": request_id(), "completed_at": timestamp(at or local("2025-01-01"))}
    if activity_id:
        values["activity_id"] = activity_id
    return completion_pb2.CompleteActivityRequest(**{**values, **fields})
