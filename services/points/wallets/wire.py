"""Entries and lots as messages of the contract."""

from datetime import datetime
from typing import Any

from services.chassis import ids
from services.chassis.instants import timestamp
from services.points import wire
from services.points.piles import NEVER
from services.points.values import UNTIL_COMPLETED, EntryKind, Lot
from tessera.points.v1 import event_pb2
from tessera.points.v1 import points_service_pb2 as pb
from tessera.type.v1 import position_pb2

SOURCES: dict[int, str] = {
    event_pb2.ENTRY_KIND_EARN: "activity",
    event_pb2.ENTRY_KIND_SPEND: "spend",
    event_pb2.ENTRY_KIND_REFUND: "spend",
    event_pb2.ENTRY_KIND_EXPIRE: "lot",
    event_pb2.ENTRY_KIND_REFUND_EXPIRED: "spend",
    event_pb2.ENTRY_KIND_CLAWBACK: "activity",
    event_pb2.ENTRY_KIND_FORGIVE: "activity",
    event_pb2.ENTRY_KIND_CASH_DEDUCTION: "activity",
    event_pb2.ENTRY_KIND_GRANT: "grant",
    event_pb2.ENTRY_KIND_FORFEIT: "forfeit",
    event_pb2.ENTRY_KIND_CONVERT_OUT: "conversion",
    event_pb2.ENTRY_KIND_CONVERT_IN: "conversion",
    event_pb2.ENTRY_KIND_GIFT_OUT: "gift",
    event_pb2.ENTRY_KIND_GIFT_IN: "gift",
    event_pb2.ENTRY_KIND_ADJUST: "adjustment",
    event_pb2.ENTRY_KIND_ADJUST_SCORE: "adjustment",
    event_pb2.ENTRY_KIND_PARTNER_OUT: "partnerconversion",
    event_pb2.ENTRY_KIND_PARTNER_IN: "partnerconversion",
    event_pb2.ENTRY_KIND_MERGE_OUT: "movement",
    event_pb2.ENTRY_KIND_MERGE_IN: "movement",
}
"""What causes an entry of a kind, as its ID begins."""


def fill_entry(entry: pb.Entry, row: Any, partition: int) -> None:
    """An entry; `row` has position and ordinal and then the columns of the message, in its order."""
    unit, kind, amount, balance_after, counterparty, effective_at, recorded_at, account_id, source_id, level = row[2:]
    entry.unit = unit
    entry.kind = event_pb2.EntryKind.ValueType(kind)
    entry.amount = amount
    entry.balance_after = balance_after
    entry.counterparty = counterparty
    entry.effective_at.CopyFrom(timestamp(effective_at))
    entry.recorded_at.CopyFrom(timestamp(recorded_at))
    entry.account_id = wire.account_id(account_id) if account_id is not None else ""
    entry.source_id = ids.encode(SOURCES[kind], source_id)
    entry.level = level
    entry.position.CopyFrom(position_pb2.Position(service=wire.SERVICE, partition=partition, position=row[0]))


def fill_lot(message: pb.Lot, lot: Lot, gone_at: datetime, opened_by: EntryKind) -> None:
    """A lot that is gone at an instant, and was opened by an entry of a kind."""
    message.lot_id = wire.lot_id(lot.lot_id)
    message.unit = lot.unit
    message.amount = lot.amount
    message.remaining = lot.remaining
    message.held = lot.held
    if lot.available_at == UNTIL_COMPLETED:
        message.until_completed = True
    else:
        message.available_at.CopyFrom(timestamp(lot.available_at))
    if gone_at not in (NEVER, UNTIL_COMPLETED):
        message.expires_at.CopyFrom(timestamp(gone_at))
    message.funder = lot.funder
    message.source_id = ids.encode(SOURCES[opened_by], lot.source_id)
    if opened_by is EntryKind.EARN:
        message.activity_id = message.source_id
    message.merchant = lot.merchant or ""
