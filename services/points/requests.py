"""Requests of the contract to commands. Raises Refused for what cannot be one."""

from datetime import datetime
from uuid import UUID

from services.chassis import idempotency, ids
from services.chassis.access import Caller, require_domain
from services.chassis.errors import FieldViolation, Refused, invalid_argument
from services.chassis.instants import checked_instant, checked_occurrence, timestamp
from services.chassis.validation import item_rejection
from services.points.activities.wire import returned_of
from services.points.commands import (
    ActivityKey,
    CaptureHold,
    CompleteActivity,
    Convert,
    ExtendHold,
    Forfeit,
    Grant,
    PlaceHold,
    RecordActivity,
    RefundActivity,
    RefundSpend,
    ReleaseHold,
    ResolveParkedRefund,
    ReverseActivity,
    Spend,
)
from services.points.errors import amount_out_of_range
from services.points.groups.values import GROUP
from services.points.naming import natural_key
from services.points.specs import DEFAULT_FUNDER, MAX_AMOUNT
from tessera.points.v1 import activity_pb2, completion_pb2, movement_pb2, refund_pb2
from tessera.points.v1 import points_service_pb2 as pb

MAX_ACTIVITY_BYTES = 256 * 1024
"""An activity is kept as it was sent: a thousand lines of ordinary length fit, and a batch of large ones is small."""
NOBODY = UUID(int=0)
"""Stands for the member and the account of a simulated activity that names none."""
_ACTIVITY_TOO_LARGE = invalid_argument(
    "INVALID_REQUEST",
    f"activity: larger than {MAX_ACTIVITY_BYTES} bytes",
    (FieldViolation("activity", f"larger than {MAX_ACTIVITY_BYTES} bytes"),),
)


def decode(prefix: str, text: str, field: str) -> UUID:
    """The ID of a TypeID. Raises Refused (INVALID_REQUEST)."""
    try:
        return ids.decode(prefix, text)
    except ValueError as error:
        violation = FieldViolation(field, str(error))
        raise Refused(invalid_argument("INVALID_REQUEST", f"{field}: {error}", (violation,))) from None


def record_activity(request: pb.RecordActivityRequest, caller: Caller, received_at: datetime) -> RecordActivity:
    """The command to record an activity."""
    activity = request.activity
    require_domain(caller, activity.domain)
    member_id = decode("member", activity.member_id, "activity.member_id")
    lines = list(activity.lines)
    cash_minor = sum([line.cash_minor for line in lines])
    if cash_minor > MAX_AMOUNT:
        raise Refused(amount_out_of_range("the sum of the lines", amount=cash_minor))
    # Maps have no order on the wire; the fingerprint of a retry must not depend on it.
    body = activity.SerializeToString(deterministic=True)
    if len(body) > MAX_ACTIVITY_BYTES:
        raise Refused(_ACTIVITY_TOO_LARGE)
    routing = ids.routing_of(member_id)
    identified = idempotency.identify_body(caller.name, "points.RecordActivity", request.request_id, body)
    return RecordActivity(
        request=identified,
        activity_id=ids.hashed(identified.key.bytes, routing),
        natural_key=natural_key(member_id, activity.domain, activity.type, activity.reference),
        member_id=member_id,
        account_id=decode("account", activity.account_id, "activity.account_id"),
        domain=activity.domain,
        occurred_at=checked_occurrence(activity.occurred_at, "activity.occurred_at"),
        received_at=received_at,
        currency=activity.currency,
        cash_minor=cash_minor,
        activity=activity,
        lines=lines,
        body=body,
        validate_only=request.validate_only,
        owners=(routing,),
    )


def simulate_activity(request: pb.SimulateActivityRequest, caller: Caller, received_at: datetime) -> RecordActivity:
    """The command that would record an activity to be simulated; for what it leaves out it names nobody, and now."""
    activity = activity_pb2.Activity()
    activity.CopyFrom(request.activity)
    activity.member_id = activity.member_id or ids.encode("member", NOBODY)
    activity.account_id = activity.account_id or ids.encode("account", NOBODY)
    activity.reference = activity.reference or "simulation"
    if not activity.HasField("occurred_at"):
        activity.occurred_at.CopyFrom(timestamp(received_at))
    recording = pb.RecordActivityRequest(request_id="simulation", activity=activity, validate_only=True)
    rejection = item_rejection(recording)
    if rejection is not None:
        raise Refused(rejection)
    return record_activity(recording, caller, received_at)


def reverse_activity(request: pb.ReverseActivityRequest, caller: Caller) -> ReverseActivity:
    """The command to reverse an activity."""
    validate_only = request.validate_only
    return ReverseActivity(
        request=idempotency.identify(caller.name, "points.ReverseActivity", request),
        activity_id=decode("activity", request.activity_id, "activity_id"),
        caller=caller,
        validate_only=validate_only,
    )


def refund_activity(request: refund_pb2.RefundActivityRequest, caller: Caller) -> RefundActivity:
    """The command to refund an activity."""
    validate_only = request.validate_only
    body = request.refund.SerializeToString(deterministic=True)
    named = _named(request, caller)
    return RefundActivity(
        request=idempotency.identify(caller.name, "points.RefundActivity", request),
        activity=named,
        reference=request.refund.reference,
        returned=returned_of(request.refund),
        body=body,
        fingerprint=idempotency.digest_of(body),
        caller=caller,
        validate_only=validate_only,
    )


def complete_activity(request: completion_pb2.CompleteActivityRequest, caller: Caller) -> CompleteActivity:
    """The command to complete an activity."""
    validate_only = request.validate_only
    named = _named(request, caller)
    return CompleteActivity(
        request=idempotency.identify(caller.name, "points.CompleteActivity", request),
        activity=named,
        completed_at=checked_occurrence(request.completed_at, "completed_at"),
        caller=caller,
        validate_only=validate_only,
    )


def _named(
    request: refund_pb2.RefundActivityRequest | completion_pb2.CompleteActivityRequest, caller: Caller
) -> UUID | ActivityKey:
    """The activity that a request names."""
    if request.HasField("key"):
        return _activity_key(request.key, caller)
    return decode("activity", request.activity_id, "activity_id")


def _activity_key(key: refund_pb2.ActivityKey, caller: Caller) -> ActivityKey:
    require_domain(caller, key.domain)
    member_id = decode("member", key.member_id, "key.member_id")
    named = natural_key(member_id, key.domain, key.type, key.reference)
    return ActivityKey(member_id, key.domain, key.type, key.reference, named)


def resolve_parked_refund(request: refund_pb2.ResolveParkedRefundRequest, caller: Caller) -> ResolveParkedRefund:
    """The command to resolve a parked refund."""
    validate_only = request.validate_only
    return ResolveParkedRefund(
        request=idempotency.identify(caller.name, "points.ResolveParkedRefund", request),
        parked_refund_id=decode("parkedrefund", request.parked_refund_id, "parked_refund_id"),
        discard=request.resolution == refund_pb2.ResolveParkedRefundRequest.RESOLUTION_DISCARD,
        reason=request.reason,
        caller=caller,
        validate_only=validate_only,
    )


def spend(request: pb.SpendRequest, caller: Caller, received_at: datetime) -> Spend:
    """The command to spend."""
    require_domain(caller, request.domain)
    member_id = decode("member", request.member_id, "member_id")
    validate_only = request.validate_only
    return Spend(
        request=idempotency.identify(caller.name, "points.Spend", request),
        spend_id=ids.new_id(ids.routing_of(member_id)),
        member_id=member_id,
        account_id=decode("account", request.account_id, "account_id"),
        domain=request.domain,
        unit=request.unit,
        amount=request.amount,
        reference=request.reference,
        validate_only=validate_only,
        received_at=received_at,
        merchant=request.merchant or None,
        order_minor=request.order_minor,
        up_to=request.up_to,
        group_id=decode(GROUP, request.group_id, "group_id") if request.group_id else None,
    )


def place_hold(request: pb.HoldRequest, caller: Caller, received_at: datetime) -> PlaceHold:
    """The command to hold."""
    require_domain(caller, request.domain)
    member_id = decode("member", request.member_id, "member_id")
    validate_only = request.validate_only
    return PlaceHold(
        request=idempotency.identify(caller.name, "points.Hold", request),
        hold_id=ids.new_id(ids.routing_of(member_id)),
        member_id=member_id,
        account_id=decode("account", request.account_id, "account_id"),
        domain=request.domain,
        unit=request.unit,
        amount=request.amount,
        reference=request.reference,
        expires_at=checked_instant(request.expires_at, "expires_at"),
        validate_only=validate_only,
        received_at=received_at,
        merchant=request.merchant or None,
        order_minor=request.order_minor,
        up_to=request.up_to,
    )


def capture_hold(request: pb.CaptureHoldRequest, caller: Caller) -> CaptureHold:
    """The command to capture a hold."""
    hold_id = decode("hold", request.hold_id, "hold_id")
    validate_only = request.validate_only
    return CaptureHold(
        request=idempotency.identify(caller.name, "points.CaptureHold", request),
        hold_id=hold_id,
        spend_id=ids.new_id(ids.routing_of(hold_id)),
        amount=request.amount,
        caller=caller,
        validate_only=validate_only,
    )


def release_hold(request: pb.ReleaseHoldRequest, caller: Caller) -> ReleaseHold:
    """The command to release a hold."""
    validate_only = request.validate_only
    return ReleaseHold(
        request=idempotency.identify(caller.name, "points.ReleaseHold", request),
        hold_id=decode("hold", request.hold_id, "hold_id"),
        caller=caller,
        validate_only=validate_only,
    )


def extend_hold(request: pb.ExtendHoldRequest, caller: Caller) -> ExtendHold:
    """The command to let a hold hold longer."""
    validate_only = request.validate_only
    return ExtendHold(
        request=idempotency.identify(caller.name, "points.ExtendHold", request),
        hold_id=decode("hold", request.hold_id, "hold_id"),
        expires_at=checked_instant(request.expires_at, "expires_at"),
        caller=caller,
        validate_only=validate_only,
    )


def refund_spend(request: pb.RefundSpendRequest, caller: Caller) -> RefundSpend:
    """The command to refund a spend."""
    validate_only = request.validate_only
    return RefundSpend(
        request=idempotency.identify(caller.name, "points.RefundSpend", request),
        spend_id=decode("spend", request.spend_id, "spend_id"),
        amount=request.amount,
        order_returned_minor=request.order_returned_minor,
        caller=caller,
        validate_only=validate_only,
    )


def grant(request: movement_pb2.GrantRequest, caller: Caller) -> Grant:
    """The command to give points."""
    require_domain(caller, request.domain)
    member_id = decode("member", request.member_id, "member_id")
    validate_only = request.validate_only
    return Grant(
        request=idempotency.identify(caller.name, "points.Grant", request),
        grant_id=ids.new_id(ids.routing_of(member_id)),
        member_id=member_id,
        account_id=decode("account", request.account_id, "account_id"),
        domain=request.domain,
        unit=request.unit,
        amount=request.amount,
        funder=request.funder or DEFAULT_FUNDER,
        reference=request.reference,
        expires_at=checked_instant(request.expires_at, "expires_at") if request.HasField("expires_at") else None,
        merchant=request.merchant or None,
        validate_only=validate_only,
    )


def forfeit(request: movement_pb2.ForfeitRequest, caller: Caller) -> Forfeit:
    """The command to take points away for good."""
    member_id = decode("member", request.member_id, "member_id")
    validate_only = request.validate_only
    return Forfeit(
        request=idempotency.identify(caller.name, "points.Forfeit", request),
        forfeit_id=ids.new_id(ids.routing_of(member_id)),
        member_id=member_id,
        unit=request.unit,
        amount=request.amount,
        reason=request.reason,
        reference=request.reference,
        validate_only=validate_only,
    )


def convert(request: movement_pb2.ConvertRequest, caller: Caller, received_at: datetime) -> Convert:
    """The command to convert points."""
    require_domain(caller, request.domain)
    member_id = decode("member", request.member_id, "member_id")
    validate_only = request.validate_only
    return Convert(
        request=idempotency.identify(caller.name, "points.Convert", request),
        conversion_id=ids.new_id(ids.routing_of(member_id)),
        member_id=member_id,
        account_id=decode("account", request.account_id, "account_id"),
        domain=request.domain,
        conversion=request.conversion,
        amount=request.amount,
        reference=request.reference,
        received_at=received_at,
        validate_only=validate_only,
    )
