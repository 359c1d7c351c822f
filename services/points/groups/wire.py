"""Groups and pooled spends to messages."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from services.chassis import ids
from services.chassis.instants import timestamp
from services.chassis.operations import Moment
from services.points import wire
from services.points.groups.rules import Part, PoolRefunded, parts_of
from services.points.groups.values import GROUP, PooledSpend
from services.points.traces.values import UsedLot
from services.points.values import LotUse
from services.points.wallet import Wallet
from tessera.points.v1 import points_service_pb2 as pb
from tessera.type.v1 import position_pb2


def group_id(value: UUID) -> str:
    """A group's ID on the wire."""
    return ids.encode(GROUP, value)


def _position(owned: UUID, moment: Moment[Any]) -> position_pb2.Position:
    """Where the half of an ID's owner is committed."""
    return wire.position_of(moment.within(moment.partition_of(owned.int)))


def contribution(part: Part[Any]) -> pb.Contribution:
    """What one wallet gave, or got back."""
    one, uses = part
    return pb.Contribution(
        member_id=wire.member_id(one.member_id),
        spend_id=wire.spend_id(one.spend_id),
        amount=one.amount,
        refunded=one.refunded,
        lots=[pb.LotPart(lot_id=wire.lot_id(use.lot_id), amount=use.amount) for use in uses],
    )


def _contributions(parts: Sequence[Part[LotUse]], moment: Moment[Any]) -> list[pb.Contribution]:
    messages = []
    for part in parts:
        message = contribution(part)
        message.position.CopyFrom(_position(part.contribution.member_id, moment))
        messages.append(message)
    return messages


def spend_response(pooled: PooledSpend, parts: Sequence[Part[LotUse]], spender: Wallet, moment: Moment[Any]) -> bytes:
    """What spending together did."""
    return pb.SpendResponse(
        spend_id=wire.spend_id(pooled.spend_id),
        balance_after=spender.balance.balance,
        lots=wire.parts([use for part in parts for use in part.uses]),
        position=_position(pooled.member_id, moment),
        amount=pooled.amount,
        contributions=_contributions(parts, moment),
    ).SerializeToString()


def refund_response(refunded: PoolRefunded, spender: Wallet, moment: Moment[Any]) -> bytes:
    """What refunding that did."""
    return pb.RefundSpendResponse(
        refunded=refunded.amount,
        expired=refunded.expired,
        balance_after=spender.balance.balance,
        lots=wire.parts([use for part in refunded.parts for use in part.uses]),
        position=_position(refunded.pooled.member_id, moment),
        contributions=_contributions(refunded.parts, moment),
    ).SerializeToString()


def traced_pooled_spend(
    pooled: PooledSpend, lots: Mapping[UUID, Sequence[UsedLot]]
) -> tuple[pb.TraceSpendResponse, list[UsedLot]]:
    """A pooled spend as a trace tells it, and its lots in the order in which they burnt; `lots` are by spend."""
    parts = parts_of(pooled.contributions, lots)
    response = pb.TraceSpendResponse(
        member_id=wire.member_id(pooled.member_id),
        account_id=wire.account_id(pooled.account_id),
        domain=pooled.domain,
        unit=pooled.unit,
        reference=pooled.reference,
        amount=pooled.amount,
        refunded=pooled.refunded,
        used_at=timestamp(pooled.spent_at),
        state="spent",
        group_id=group_id(pooled.group_id),
        contributions=map(contribution, parts),
    )
    return response, [lot for part in parts for lot in part.uses]
