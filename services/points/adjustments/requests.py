"""Requests of the contract about adjustments to commands. Raises Refused for what cannot be one."""

from services.chassis import idempotency, ids
from services.chassis.access import Caller, require_domain
from services.chassis.instants import checked_occurrence
from services.points.adjustments.commands import Adjust, ResolveAdjustment
from services.points.requests import decode
from tessera.points.v1 import points_service_pb2 as pb


def adjust(request: pb.AdjustRequest, caller: Caller) -> Adjust:
    """The command to correct a wallet."""
    require_domain(caller, request.domain)
    member_id = decode("member", request.member_id, "member_id")
    validate_only = request.validate_only
    return Adjust(
        request=idempotency.identify(caller.name, "points.Adjust", request),
        adjustment_id=ids.new_id(ids.routing_of(member_id)),
        member_id=member_id,
        account_id=decode("account", request.account_id, "account_id"),
        domain=request.domain,
        unit=request.unit,
        amount=request.amount,
        cause=request.cause,
        funder=request.funder,
        effective_at=(
            checked_occurrence(request.effective_at, "effective_at") if request.HasField("effective_at") else None
        ),
        caller=caller,
        validate_only=validate_only,
    )


def resolve_adjustment(request: pb.ResolveAdjustmentRequest, caller: Caller) -> ResolveAdjustment:
    """The command to approve or reject an adjustment."""
    validate_only = request.validate_only
    return ResolveAdjustment(
        request=idempotency.identify(caller.name, "points.ResolveAdjustment", request),
        adjustment_id=decode("adjustment", request.adjustment_id, "adjustment_id"),
        approve=request.decision == pb.ResolveAdjustmentRequest.DECISION_APPROVE,
        caller=caller,
        validate_only=validate_only,
    )
