"""Gifts to messages."""

from typing import Any
from uuid import UUID

from services.chassis import ids
from services.chassis.instants import timestamp
from services.chassis.operations import Moment
from services.points import wire
from services.points.gifts.rules import hold_of, received_lot
from services.points.values import Gift, LotUse
from services.points.wallet import Wallet
from tessera.points.v1 import points_service_pb2 as pb
from tessera.type.v1 import position_pb2

_STATES = {
    "offered": pb.GIFT_STATE_OFFERED,
    "accepted": pb.GIFT_STATE_ACCEPTED,
    "declined": pb.GIFT_STATE_DECLINED,
    "cancelled": pb.GIFT_STATE_CANCELLED,
    "expired": pb.GIFT_STATE_EXPIRED,
}


def gift_id(value: UUID) -> str:
    """A gift's ID on the wire."""
    return ids.encode("gift", value)


def _position(owned: UUID, moment: Moment[Any]) -> position_pb2.Position:
    """Where the half of an ID's owner is committed."""
    return wire.position_of(moment.within(moment.partition_of(owned.int)))


def gift_response(gift: Gift, giver: Wallet, moment: Moment[Any]) -> bytes:
    """What giving did."""
    uses = gift.uses or giver.holds[hold_of(gift.gift_id)].uses
    response = pb.GiftResponse(
        gift_id=gift_id(gift.gift_id),
        state=_STATES[gift.state],
        balance_after=giver.balance.balance,
        lots=wire.parts(uses),
        position=_position(gift.member_id, moment),
    )
    if gift.expires_at is None:
        response.to_position.CopyFrom(_position(gift.to_member_id, moment))
    else:
        response.expires_at.CopyFrom(timestamp(gift.expires_at))
    return response.SerializeToString()


def accept_response(gift: Gift, receiver: Wallet, moment: Moment[Any]) -> bytes:
    """What accepting did."""
    lots = [LotUse(received_lot(gift, number), use.amount) for number, use in enumerate(gift.uses)]
    return pb.AcceptGiftResponse(
        amount=gift.amount,
        balance_after=receiver.balance.balance,
        lots=wire.parts(lots),
        position=_position(gift.member_id, moment),
        to_position=_position(gift.to_member_id, moment),
    ).SerializeToString()


def cancel_response(gift: Gift, expired: int, moment: Moment[Any]) -> bytes:
    """What ending an offer did."""
    return pb.CancelGiftResponse(
        state=_STATES[gift.state], released=gift.amount, expired=expired, position=_position(gift.member_id, moment)
    ).SerializeToString()


def gift_message(gift: Gift, state: str) -> pb.Gift:
    """A gift as it reads, in the state that it has now."""
    message = pb.Gift(
        gift_id=gift_id(gift.gift_id),
        member_id=wire.member_id(gift.member_id),
        account_id=wire.account_id(gift.account_id),
        to_member_id=wire.member_id(gift.to_member_id),
        to_account_id=wire.account_id(gift.to_account_id),
        unit=gift.unit,
        amount=gift.amount,
        state=_STATES[state],
        reference=gift.reference,
        given_at=timestamp(gift.given_at),
    )
    if gift.expires_at is not None:
        message.expires_at.CopyFrom(timestamp(gift.expires_at))
    closed_at = gift.expires_at if state == "expired" else gift.closed_at
    if closed_at is not None:
        message.closed_at.CopyFrom(timestamp(closed_at))
    return message
