"""The rows that events say the tables must have, in the order of the columns that `queries.py` reads."""

from datetime import UTC, datetime
from typing import Any

from services.chassis.clock import to_microseconds
from tessera.points.v1 import event_pb2 as pb

Row = tuple[Any, ...]
_DATABASE_EPOCH_US = to_microseconds(datetime(2000, 1, 1, tzinfo=UTC))


def database_time(event_us: int) -> int | None:
    """The time of an event as the database counts it; None where an event has none."""
    return event_us - _DATABASE_EPOCH_US if event_us else None


def parked(parked: pb.ParkedRefundChanged) -> Row:
    return (
        parked.parked_refund_id,
        parked.natural_key,
        parked.ordinal,
        parked.member_id,
        parked.domain,
        parked.type,
        parked.state,
        database_time(parked.parked_at_us),
        database_time(parked.closed_at_us),
        parked.digest,
    )


def booked(entry: pb.EntryBooked, position: int, recorded_at: int) -> Row:
    return (
        position,
        entry.ordinal,
        entry.member_id,
        entry.account_id or None,
        entry.unit,
        entry.kind,
        entry.amount,
        entry.balance_after,
        entry.counterparty,
        database_time(entry.effective_at_us),
        entry.source_id,
        entry.level,
        recorded_at,
    )


def lot(lot: pb.LotChanged) -> Row:
    return (
        lot.lot_id,
        lot.member_id,
        lot.unit,
        lot.amount,
        lot.remaining,
        lot.held,
        lot.expired,
        database_time(lot.available_at_us),
        database_time(lot.expires_at_us),
        lot.funder,
        lot.source_id,
        lot.account_id or None,
        lot.slides,
        lot.origin_lot or None,
        lot.merchant or None,
    )


def hold(hold: pb.HoldChanged) -> Row:
    return (
        hold.hold_id,
        hold.member_id,
        hold.account_id,
        hold.domain,
        hold.unit,
        hold.amount,
        hold.captured,
        hold.state,
        database_time(hold.placed_at_us),
        database_time(hold.expires_at_us),
        database_time(hold.closed_at_us),
        hold.order_minor or None,
        hold.reference_digest,
    )


def spend(spend: pb.SpendChanged) -> Row:
    return (
        spend.spend_id,
        spend.member_id,
        spend.account_id,
        spend.domain,
        spend.unit,
        spend.amount,
        spend.refunded,
        database_time(spend.spent_at_us),
        spend.order_minor or None,
        spend.order_returned_minor or None,
        spend.pooled_spend_id or None,
        spend.reference_digest,
    )


def pooled_spend(pooled: pb.PooledSpendChanged) -> Row:
    return (
        pooled.spend_id,
        pooled.group_id,
        pooled.member_id,
        pooled.account_id,
        pooled.domain,
        pooled.unit,
        pooled.amount,
        pooled.refunded,
        database_time(pooled.spent_at_us),
        pooled.order_minor or None,
        pooled.order_returned_minor or None,
        pooled.reference_digest,
    )


def gift(gift: pb.GiftChanged) -> Row:
    return (
        gift.gift_id,
        gift.member_id,
        gift.account_id,
        gift.domain,
        gift.to_member_id,
        gift.to_account_id,
        gift.to_domain,
        gift.unit,
        gift.amount,
        gift.state,
        database_time(gift.given_at_us),
        database_time(gift.expires_at_us),
        database_time(gift.closed_at_us),
        gift.reference_digest,
    )


def adjustment(adjustment: pb.AdjustmentChanged) -> Row:
    return (
        adjustment.adjustment_id,
        adjustment.member_id,
        adjustment.account_id,
        adjustment.domain,
        adjustment.unit,
        adjustment.amount,
        adjustment.funder,
        adjustment.state,
        adjustment.requested_by,
        database_time(adjustment.requested_at_us),
        adjustment.resolved_by,
        database_time(adjustment.resolved_at_us),
        database_time(adjustment.effective_at_us),
        adjustment.cause_digest,
    )


def partner_conversion(conversion: pb.PartnerConversionChanged) -> Row:
    return (
        conversion.partner_conversion_id,
        conversion.member_id,
        conversion.account_id,
        conversion.domain,
        conversion.conversion,
        conversion.partner,
        conversion.partner_account_id,
        conversion.incoming,
        conversion.unit,
        conversion.amount,
        conversion.partner_unit,
        conversion.partner_amount,
        conversion.state,
        conversion.funder,
        database_time(conversion.started_at_us),
        database_time(conversion.closed_at_us),
        conversion.settled_by,
        conversion.reference_digest,
        conversion.booking_digest,
        conversion.reason_digest,
    )


def clawback(clawback: pb.ClawbackChanged) -> Row:
    return (
        clawback.clawback_id,
        clawback.member_id,
        clawback.account_id,
        clawback.unit,
        clawback.activity_id,
        clawback.funder,
        clawback.amount,
        clawback.owed,
        database_time(clawback.taken_at_us),
    )


def movement(movement: pb.MovementBooked) -> Row:
    return (
        movement.movement_id,
        movement.member_id,
        movement.account_id or None,
        movement.domain,
        movement.kind,
        movement.unit,
        movement.amount,
        movement.conversion,
        movement.credited,
        database_time(movement.moved_at_us),
        movement.reason_digest,
        movement.reference_digest,
    )
