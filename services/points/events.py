"""What points tells the others."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from google.protobuf.internal.containers import RepeatedCompositeFieldContainer

from services.chassis.clock import to_microseconds
from services.chassis.idempotency import days_since_epoch, digest_of
from services.points.budgets.events import fill_draws
from services.points.budgets.values import Draw
from services.points.commands import RecordActivity
from services.points.values import (
    ActivityRow,
    Adjustment,
    Booked,
    CapKey,
    Clawback,
    Completion,
    Entry,
    Gift,
    Hold,
    Lot,
    LotUse,
    Movement,
    ParkedRefund,
    RefundRow,
    Spend,
)
from tessera.points.v1 import event_pb2 as pb


def activity_recorded(
    command: RecordActivity, row: ActivityRow, booked: Sequence[Booked], draws: Sequence[Draw], first_ordinal: int
) -> bytes:
    """An activity was recorded. Its entries have the ordinals from `first_ordinal` on."""
    event = pb.Event()
    recorded = event.activity_recorded
    recorded.activity_id = row.activity_id.bytes
    recorded.member_id = row.member_id.bytes
    recorded.account_id = command.account_id.bytes
    recorded.domain = command.domain
    recorded.type = command.activity.type
    recorded.effective_at_us = to_microseconds(row.effective_at)
    if command.occurred_at > row.effective_at:
        recorded.claimed_at_us = to_microseconds(command.occurred_at)
    recorded.cash_minor = command.cash_minor
    recorded.digest = digest_of(row.fingerprint + row.answer)
    for ordinal, (entry, lot, _) in enumerate(booked, first_ordinal):
        _fill_earned(recorded.earned.add(), ordinal, entry, lot)
    if draws:
        fill_draws(recorded.draws, draws)
    return event.SerializeToString()


def _fill_earned(earned: pb.ActivityRecorded.Earned, ordinal: int, entry: Entry, lot: Lot | None) -> None:
    earned.ordinal = ordinal
    earned.unit = entry.unit
    earned.amount = entry.amount
    earned.balance_after = entry.balance_after
    earned.counterparty = entry.counterparty
    if entry.level:
        earned.level = entry.level
    if lot is not None:
        earned.lot_id = lot.lot_id.bytes
        earned.lot_remaining = lot.remaining
        earned.available_at_us = to_microseconds(lot.available_at)
        earned.expires_at_us = to_microseconds(lot.expires_at)
        if lot.slides:
            earned.slides = True


def activity_reversed(activity_id: UUID, member_id: UUID, effective_at: datetime, reversed_at: datetime) -> bytes:
    """An activity was reversed."""
    return pb.Event(
        activity_reversed=pb.ActivityReversed(
            activity_id=activity_id.bytes,
            member_id=member_id.bytes,
            effective_at_us=to_microseconds(effective_at),
            reversed_at_us=to_microseconds(reversed_at),
        )
    ).SerializeToString()


def activity_refunded(
    refund: RefundRow,
    effective_at: datetime,
    completion: Completion | None,
    completed_units: Sequence[str],
    draws: Sequence[Draw],
) -> bytes:
    """An activity came back, in whole or in part; `draws` are what budgets get back."""
    event = pb.Event(
        activity_refunded=pb.ActivityRefunded(
            activity_id=refund.activity_id.bytes,
            ordinal=refund.ordinal,
            member_id=refund.member_id.bytes,
            effective_at_us=to_microseconds(effective_at),
            refunded_at_us=to_microseconds(refund.refunded_at),
            digest=digest_of(refund.fingerprint + digest_of(refund.reference.encode()) + refund.answer),
            completed_at_us=to_microseconds(completion.completed_at if completion is not None else None),
            completed_units=completed_units,
        )
    )
    fill_draws(event.activity_refunded.draws, draws)
    return event.SerializeToString()


def activity_completed(completion: Completion) -> bytes:
    """An activity was completed."""
    return pb.Event(
        activity_completed=pb.ActivityCompleted(
            activity_id=completion.activity_id.bytes,
            member_id=completion.member_id.bytes,
            completed_at_us=to_microseconds(completion.completed_at),
            recorded_at_us=to_microseconds(completion.recorded_at),
            released=completion.released or b"",
        )
    ).SerializeToString()


def parked_refund_changed(parked: ParkedRefund) -> bytes:
    """A parked refund, as it is now."""
    event = pb.Event()
    changed = event.parked_refund_changed
    changed.parked_refund_id = parked.parked_refund_id.bytes
    changed.natural_key = parked.natural_key.bytes
    changed.ordinal = parked.ordinal
    changed.member_id = parked.member_id.bytes
    changed.domain = parked.domain
    changed.type = parked.type
    changed.state = parked.state
    changed.parked_at_us = to_microseconds(parked.parked_at)
    changed.closed_at_us = to_microseconds(parked.closed_at)
    # The refund's own reference is in its body.
    told = (parked.activity_reference.encode(), parked.body, parked.answer, parked.reason.encode())
    changed.digest = digest_of(b"".join(map(digest_of, told)))
    return event.SerializeToString()


def entry_booked(ordinal: int, entry: Entry) -> bytes:
    """Points moved."""
    event = pb.Event()
    booked = event.entry_booked
    booked.ordinal = ordinal
    booked.member_id = entry.member_id.bytes
    if entry.account_id is not None:
        booked.account_id = entry.account_id.bytes
    booked.unit = entry.unit
    booked.kind = pb.EntryKind.ValueType(entry.kind)
    booked.amount = entry.amount
    booked.counterparty = entry.counterparty
    booked.balance_after = entry.balance_after
    booked.effective_at_us = to_microseconds(entry.effective_at)
    booked.source_id = entry.source_id.bytes
    if entry.level:
        booked.level = entry.level
    return event.SerializeToString()


def lot_changed(lot: Lot) -> bytes:
    """A lot, as it is now."""
    event = pb.Event()
    changed = event.lot_changed
    changed.lot_id = lot.lot_id.bytes
    changed.member_id = lot.member_id.bytes
    changed.unit = lot.unit
    changed.amount = lot.amount
    changed.remaining = lot.remaining
    changed.held = lot.held
    changed.expired = lot.expired
    changed.available_at_us = to_microseconds(lot.available_at)
    changed.expires_at_us = to_microseconds(lot.expires_at)
    changed.funder = lot.funder
    changed.source_id = lot.source_id.bytes
    if lot.account_id is not None:
        changed.account_id = lot.account_id.bytes
    if lot.slides:
        changed.slides = True
    if lot.origin_lot is not None:
        changed.origin_lot = lot.origin_lot.bytes
    if lot.merchant is not None:
        changed.merchant = lot.merchant
    return event.SerializeToString()


def hold_changed(hold: Hold) -> bytes:
    """A hold, as it is now."""
    event = pb.Event()
    changed = event.hold_changed
    changed.hold_id = hold.hold_id.bytes
    changed.member_id = hold.member_id.bytes
    changed.account_id = hold.account_id.bytes
    changed.domain = hold.domain
    changed.unit = hold.unit
    changed.amount = hold.amount
    changed.captured = hold.captured
    changed.state = hold.state
    changed.reference_digest = digest_of(hold.reference.encode())
    changed.placed_at_us = to_microseconds(hold.placed_at)
    changed.expires_at_us = to_microseconds(hold.expires_at)
    changed.closed_at_us = to_microseconds(hold.closed_at)
    changed.order_minor = hold.order_minor or 0
    _fill_uses(changed.uses, hold.uses)
    return event.SerializeToString()


def spend_changed(spend: Spend) -> bytes:
    """A spend, as it is now."""
    event = pb.Event()
    changed = event.spend_changed
    changed.spend_id = spend.spend_id.bytes
    changed.member_id = spend.member_id.bytes
    changed.account_id = spend.account_id.bytes
    changed.domain = spend.domain
    changed.unit = spend.unit
    changed.amount = spend.amount
    changed.refunded = spend.refunded
    changed.reference_digest = digest_of(spend.reference.encode())
    changed.spent_at_us = to_microseconds(spend.spent_at)
    changed.order_minor = spend.order_minor or 0
    changed.order_returned_minor = spend.order_returned or 0
    if spend.pooled_spend_id is not None:
        changed.pooled_spend_id = spend.pooled_spend_id.bytes
    _fill_uses(changed.uses, spend.uses)
    return event.SerializeToString()


def gift_changed(gift: Gift) -> bytes:
    """A gift, as it is now."""
    event = pb.Event()
    changed = event.gift_changed
    changed.gift_id = gift.gift_id.bytes
    changed.member_id = gift.member_id.bytes
    changed.account_id = gift.account_id.bytes
    changed.domain = gift.domain
    changed.to_member_id = gift.to_member_id.bytes
    changed.to_account_id = gift.to_account_id.bytes
    changed.to_domain = gift.to_domain
    changed.unit = gift.unit
    changed.amount = gift.amount
    changed.state = gift.state
    changed.reference_digest = digest_of(gift.reference.encode())
    changed.given_at_us = to_microseconds(gift.given_at)
    changed.expires_at_us = to_microseconds(gift.expires_at)
    changed.closed_at_us = to_microseconds(gift.closed_at)
    _fill_uses(changed.uses, gift.uses)
    return event.SerializeToString()


def adjustment_changed(adjustment: Adjustment) -> bytes:
    """An adjustment, as it is now."""
    event = pb.Event()
    changed = event.adjustment_changed
    changed.adjustment_id = adjustment.adjustment_id.bytes
    changed.member_id = adjustment.member_id.bytes
    changed.account_id = adjustment.account_id.bytes
    changed.domain = adjustment.domain
    changed.unit = adjustment.unit
    changed.amount = adjustment.amount
    changed.funder = adjustment.funder
    changed.state = adjustment.state
    changed.requested_by = adjustment.requested_by
    changed.requested_at_us = to_microseconds(adjustment.requested_at)
    changed.resolved_by = adjustment.resolved_by
    changed.resolved_at_us = to_microseconds(adjustment.resolved_at)
    changed.effective_at_us = to_microseconds(adjustment.effective_at)
    changed.cause_digest = digest_of(adjustment.cause.encode())
    _fill_uses(changed.uses, adjustment.uses)
    return event.SerializeToString()


def clawback_changed(clawback: Clawback) -> bytes:
    """A clawback, as it is now."""
    event = pb.Event()
    changed = event.clawback_changed
    changed.clawback_id = clawback.clawback_id.bytes
    changed.member_id = clawback.member_id.bytes
    changed.account_id = clawback.account_id.bytes
    changed.unit = clawback.unit
    changed.activity_id = clawback.activity_id.bytes
    changed.funder = clawback.funder
    changed.amount = clawback.amount
    changed.owed = clawback.owed
    changed.taken_at_us = to_microseconds(clawback.taken_at)
    _fill_uses(changed.uses, clawback.uses)
    return event.SerializeToString()


def movement_booked(movement: Movement) -> bytes:
    """Points were granted, forfeited or converted."""
    event = pb.Event()
    booked = event.movement_booked
    booked.movement_id = movement.movement_id.bytes
    booked.member_id = movement.member_id.bytes
    if movement.account_id is not None:
        booked.account_id = movement.account_id.bytes
    booked.domain = movement.domain
    booked.kind = pb.EntryKind.ValueType(movement.kind)
    booked.unit = movement.unit
    booked.amount = movement.amount
    booked.conversion = movement.conversion
    booked.credited = movement.credited
    booked.moved_at_us = to_microseconds(movement.moved_at)
    booked.reference_digest = digest_of(movement.reference.encode())
    booked.reason_digest = digest_of(movement.reason.encode())
    _fill_uses(booked.uses, movement.uses)
    return event.SerializeToString()


def cap_used(key: CapKey, used: int) -> bytes:
    """So much of a cap is used now."""
    return pb.Event(
        cap_used=pb.CapUsed(
            member_id=key.member_id.bytes,
            rule=key.rule,
            period_start=days_since_epoch(key.period_start),
            used=used,
        )
    ).SerializeToString()


def wallet_slid(member_id: UUID, unit: str, until: datetime) -> bytes:
    """The lots of a sliding unit live longer."""
    return pb.Event(
        wallet_slid=pb.WalletSlid(member_id=member_id.bytes, unit=unit, until_us=to_microseconds(until))
    ).SerializeToString()


def _fill_uses(messages: RepeatedCompositeFieldContainer[pb.LotUse], uses: Sequence[LotUse]) -> None:
    for use in uses:
        message = messages.add()
        message.lot_id = use.lot_id.bytes
        message.amount = use.amount
        if use.refunded:
            message.refunded = use.refunded
