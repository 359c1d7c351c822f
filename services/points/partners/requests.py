"""Requests of the contract about conversions with partners to commands. Raises Refused for what cannot be one."""

from datetime import datetime

from services.chassis import idempotency, ids
from services.chassis.access import Caller, require_domain
from services.points.partners.commands import SettlePartnerConversion, StartPartnerConversion
from services.points.partners.values import Answer, State
from services.points.requests import decode
from tessera.points.v1 import partner_conversion_pb2 as pb


def convert_with_partner(
    request: pb.ConvertWithPartnerRequest, caller: Caller, received_at: datetime
) -> StartPartnerConversion:
    """The command to begin a conversion."""
    require_domain(caller, request.domain)
    member_id = decode("member", request.member_id, "member_id")
    validate_only = request.validate_only
    return StartPartnerConversion(
        request=idempotency.identify(caller.name, "points.ConvertWithPartner", request),
        partner_conversion_id=ids.new_id(ids.routing_of(member_id)),
        member_id=member_id,
        account_id=decode("account", request.account_id, "account_id"),
        domain=request.domain,
        conversion=request.conversion,
        amount=request.amount,
        partner_account_id=decode("account", request.partner_account_id, "partner_account_id"),
        reference=request.reference,
        received_at=received_at,
        validate_only=validate_only,
    )


def settle_partner_conversion(request: pb.SettlePartnerConversionRequest, caller: Caller) -> SettlePartnerConversion:
    """The command to settle a conversion by decision."""
    is_booked = request.decision == pb.SettlePartnerConversionRequest.DECISION_BOOKED
    validate_only = request.validate_only
    return SettlePartnerConversion(
        request=idempotency.identify(caller.name, "points.SettlePartnerConversion", request),
        partner_conversion_id=decode("partnerconversion", request.partner_conversion_id, "partner_conversion_id"),
        answer=Answer(State.DONE if is_booked else State.REFUSED, reason=request.reason),
        settled_by=caller.name,
        validate_only=validate_only,
    )
