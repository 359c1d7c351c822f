"""Conversions with partners to messages."""

from typing import Any
from uuid import UUID

from services.chassis import ids
from services.chassis.instants import timestamp
from services.chassis.operations import Moment
from services.points import wire
from services.points.movements.terms import Exchanged
from services.points.partners.values import PartnerConversion
from tessera.points.v1 import partner_conversion_pb2 as pb


def partner_conversion_id(value: UUID) -> str:
    """A conversion's ID on the wire, which is also the reference that its partner knows."""
    return ids.encode("partnerconversion", value)


def convert_response(conversion: PartnerConversion, exchanged: Exchanged, moment: Moment[Any]) -> bytes:
    """What beginning a conversion did."""
    return pb.ConvertWithPartnerResponse(
        conversion=conversion_message(conversion),
        rate=str(exchanged.rate),
        level=exchanged.level,
        position=wire.position_of(moment),
    ).SerializeToString()


def settle_response(conversion: PartnerConversion, moment: Moment[Any]) -> bytes:
    """What an answer or a decision did."""
    return pb.SettlePartnerConversionResponse(
        conversion=conversion_message(conversion), position=wire.position_of(moment)
    ).SerializeToString()


def conversion_message(conversion: PartnerConversion) -> pb.PartnerConversion:
    """A conversion as it reads."""
    message = pb.PartnerConversion(
        partner_conversion_id=partner_conversion_id(conversion.partner_conversion_id),
        member_id=wire.member_id(conversion.member_id),
        account_id=wire.account_id(conversion.account_id),
        domain=conversion.domain,
        conversion=conversion.conversion,
        partner=conversion.partner,
        partner_account_id=wire.account_id(conversion.partner_account_id),
        incoming=conversion.incoming,
        unit=conversion.unit,
        amount=conversion.amount,
        partner_unit=conversion.partner_unit,
        partner_amount=conversion.partner_amount,
        state=pb.PartnerConversionState.ValueType(conversion.state),
        funder=conversion.funder,
        reference=conversion.reference,
        started_at=timestamp(conversion.started_at),
        booking=conversion.booking,
        reason=conversion.reason,
        settled_by=conversion.settled_by,
    )
    if conversion.closed_at is not None:
        message.closed_at.CopyFrom(timestamp(conversion.closed_at))
    return message
