"""Requests of the contract about gifts to commands. Raises Refused for what cannot be one."""

from datetime import datetime

from services.chassis import idempotency, ids
from services.chassis.access import Caller, require_domain
from services.points.gifts.commands import AcceptGift, CancelGift, Give
from services.points.requests import decode
from tessera.points.v1 import points_service_pb2 as pb


def give(request: pb.GiftRequest, caller: Caller, received_at: datetime) -> Give:
    """The command to give."""
    require_domain(caller, request.domain)
    member_id = decode("member", request.member_id, "member_id")
    validate_only = request.validate_only
    return Give(
        request=idempotency.identify(caller.name, "points.Gift", request),
        gift_id=ids.new_id(ids.routing_of(member_id)),
        member_id=member_id,
        account_id=decode("account", request.account_id, "account_id"),
        domain=request.domain,
        to_member_id=decode("member", request.to_member_id, "to_member_id"),
        to_account_id=decode("account", request.to_account_id, "to_account_id"),
        unit=request.unit,
        amount=request.amount,
        reference=request.reference,
        received_at=received_at,
        validate_only=validate_only,
    )


def accept_gift(request: pb.AcceptGiftRequest, caller: Caller) -> AcceptGift:
    """The command to accept a gift."""
    validate_only = request.validate_only
    return AcceptGift(
        request=idempotency.identify(caller.name, "points.AcceptGift", request),
        gift_id=decode("gift", request.gift_id, "gift_id"),
        member_id=decode("member", request.member_id, "member_id"),
        caller=caller,
        validate_only=validate_only,
    )


def cancel_gift(request: pb.CancelGiftRequest, caller: Caller) -> CancelGift:
    """The command to end an offer."""
    validate_only = request.validate_only
    return CancelGift(
        request=idempotency.identify(caller.name, "points.CancelGift", request),
        gift_id=decode("gift", request.gift_id, "gift_id"),
        by_receiver=request.by == pb.CancelGiftRequest.PARTY_RECEIVER,
        caller=caller,
        validate_only=validate_only,
    )
