"""Adjustments to messages."""

from typing import Any
from uuid import UUID

from services.chassis import ids
from services.chassis.instants import timestamp
from services.chassis.operations import Moment
from services.points import wire
from services.points.values import Adjustment
from services.points.wallet import Wallet
from tessera.points.v1 import points_service_pb2 as pb

_STATES = {
    "proposed": pb.ADJUSTMENT_STATE_PROPOSED,
    "applied": pb.ADJUSTMENT_STATE_APPLIED,
    "rejected": pb.ADJUSTMENT_STATE_REJECTED,
}


def adjustment_id(value: UUID) -> str:
    """An adjustment's ID on the wire."""
    return ids.encode("adjustment", value)


def adjust_response(adjustment: Adjustment, wallet: Wallet, moment: Moment[Any]) -> bytes:
    """What adjusting did."""
    return pb.AdjustResponse(
        adjustment_id=adjustment_id(adjustment.adjustment_id),
        state=_STATES[adjustment.state],
        balance_after=wallet.balance.balance,
        position=wire.position_of(moment),
    ).SerializeToString()


def resolve_response(adjustment: Adjustment, wallet: Wallet, moment: Moment[Any]) -> bytes:
    """What resolving did."""
    return pb.ResolveAdjustmentResponse(
        state=_STATES[adjustment.state], balance_after=wallet.balance.balance, position=wire.position_of(moment)
    ).SerializeToString()


def adjustment_message(adjustment: Adjustment) -> pb.Adjustment:
    """An adjustment as it reads."""
    message = pb.Adjustment(
        adjustment_id=adjustment_id(adjustment.adjustment_id),
        member_id=wire.member_id(adjustment.member_id),
        account_id=wire.account_id(adjustment.account_id),
        domain=adjustment.domain,
        unit=adjustment.unit,
        amount=adjustment.amount,
        cause=adjustment.cause,
        funder=adjustment.funder,
        state=_STATES[adjustment.state],
        requested_by=adjustment.requested_by,
        requested_at=timestamp(adjustment.requested_at),
        resolved_by=adjustment.resolved_by,
    )
    if adjustment.resolved_at is not None:
        message.resolved_at.CopyFrom(timestamp(adjustment.resolved_at))
    if adjustment.effective_at is not None:
        message.effective_at.CopyFrom(timestamp(adjustment.effective_at))
    return message
