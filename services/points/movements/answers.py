"""What movements are answered with."""

from google.protobuf.timestamp_pb2 import Timestamp

from services.chassis import ids
from services.chassis.instants import timestamp
from services.points import wire
from services.points.movements.rules import Converted, Granted
from services.points.piles import NEVER, expiry_of
from services.points.values import Balance, Lot, Movement
from tessera.points.v1 import movement_pb2 as pb
from tessera.type.v1 import position_pb2


def granted(done: Granted, balance: Balance, position: position_pb2.Position) -> bytes:
    """What granting did."""
    return pb.GrantResponse(
        grant_id=ids.encode("grant", done.grant.movement_id),
        lot_id=wire.lot_id(done.lot.lot_id),
        balance_after=balance.balance,
        expires_at=_expiry(done.lot, balance),
        position=position,
    ).SerializeToString()


def forfeited(done: Movement | None, balance: Balance, position: position_pb2.Position) -> bytes:
    """What forfeiting did; None is nothing."""
    response = pb.ForfeitResponse(balance_after=balance.balance, position=position)
    if done is not None:
        response.forfeit_id = ids.encode("forfeit", done.movement_id)
        response.forfeited = done.amount
        for use in done.uses:
            response.lots.add(lot_id=wire.lot_id(use.lot_id), amount=use.amount)
    return response.SerializeToString()


def converted(
    done: Converted, source_balance: Balance, target_balance: Balance, position: position_pb2.Position
) -> bytes:
    """What converting did."""
    response = pb.ConvertResponse(
        conversion_id=ids.encode("conversion", done.conversion.movement_id),
        debited=done.conversion.amount,
        credited=done.conversion.credited,
        from_balance_after=source_balance.balance,
        to_balance_after=target_balance.balance,
        position=position,
        rate=str(done.exchanged.rate),
        level=done.exchanged.level,
    )
    for use, lot in done.parts:
        response.lots.add(
            from_lot_id=wire.lot_id(use.lot_id),
            debited=use.amount,
            lot_id=wire.lot_id(lot.lot_id) if lot is not None else "",
            credited=lot.amount if lot is not None else 0,
            expires_at=_expiry(lot, target_balance) if lot is not None else None,
        )
    return response.SerializeToString()


def _expiry(lot: Lot, balance: Balance) -> Timestamp | None:
    expires_at = expiry_of(lot, balance)
    return None if expires_at == NEVER else timestamp(expires_at)
