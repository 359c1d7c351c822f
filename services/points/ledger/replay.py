"""What the journal says: its events folded into the rows that the tables must have."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from services.chassis.clock import from_microseconds
from services.chassis.ids import from_bytes
from services.points.values import EntryKind
from tessera.points.v1 import event_pb2 as pb

Row = tuple[Any, ...]
Wallet = tuple[UUID, str]
_FUNDER = "funder:"


@dataclass(slots=True)
class ActivityTold:
    """What the journal says of an activity; its contents are proven by the digest."""

    member_id: UUID
    effective_at: datetime | None
    digest: bytes
    reversed_at: datetime | None = None


@dataclass(slots=True)
class Replayed:
    """The rows of a partition as its journal left them, in the order of the columns that ledger/queries.py reads."""

    activities: dict[UUID, ActivityTold] = field(default_factory=dict)
    lots: dict[UUID, Row] = field(default_factory=dict)
    holds: dict[UUID, Row] = field(default_factory=dict)
    spends: dict[UUID, Row] = field(default_factory=dict)
    clawbacks: dict[UUID, Row] = field(default_factory=dict)
    uses: dict[tuple[UUID, int], Row] = field(default_factory=dict)
    sums: dict[Wallet, int] = field(default_factory=dict)
    slides: dict[Wallet, datetime | None] = field(default_factory=dict)

    def fold(self, events: Iterable[bytes]) -> list[Row]:
        """Fold the events of one record in; returns its entries in the order of their ordinals.

        Raises DecodeError or ValueError for bytes that are no events of points.
        """
        entries: list[Row] = []
        for raw in events:
            self._fold(pb.Event.FromString(raw), entries)
        return sorted(entries, key=lambda entry: int(entry[0]))

    def _fold(self, event: pb.Event, entries: list[Row]) -> None:
        match event.WhichOneof("event"):
            case "activity_recorded":
                self._record(event.activity_recorded, entries)
            case "activity_reversed":
                reversal = event.activity_reversed
                told = self.activities.get(from_bytes(reversal.activity_id))
                if told is not None:
                    told.reversed_at = from_microseconds(reversal.reversed_at_us)
            case "entry_booked":
                entries.append(_booked(event.entry_booked))
            case "lot_changed":
                self.lots[from_bytes(event.lot_changed.lot_id)] = _lot(event.lot_changed)
            case "hold_changed":
                hold_id = from_bytes(event.hold_changed.hold_id)
                self.holds[hold_id] = _hold(event.hold_changed)
                self._use(hold_id, event.hold_changed.uses)
            case "spend_changed":
                spend_id = from_bytes(event.spend_changed.spend_id)
                self.spends[spend_id] = _spend(event.spend_changed)
                self._use(spend_id, event.spend_changed.uses)
            case "clawback_changed":
                clawback_id = from_bytes(event.clawback_changed.clawback_id)
                self.clawbacks[clawback_id] = _clawback(event.clawback_changed)
                self._use(clawback_id, event.clawback_changed.uses)
            case "wallet_slid":
                slid = event.wallet_slid
                self.slides[from_bytes(slid.member_id), slid.unit] = from_microseconds(slid.until_us)

    def _record(self, recorded: pb.ActivityRecorded, entries: list[Row]) -> None:
        activity_id, member_id = from_bytes(recorded.activity_id), from_bytes(recorded.member_id)
        account_id, effective_at = from_bytes(recorded.account_id), from_microseconds(recorded.effective_at_us)
        self.activities[activity_id] = ActivityTold(member_id, effective_at, recorded.digest)
        for earned in recorded.earned:
            entries.append(
                (
                    earned.ordinal,
                    member_id,
                    account_id,
                    earned.unit,
                    int(EntryKind.EARN),
                    earned.amount,
                    earned.balance_after,
                    earned.counterparty,
                    effective_at,
                    activity_id,
                    earned.level,
                )
            )
            if earned.lot_id:
                self.lots[from_bytes(earned.lot_id)] = (
                    member_id,
                    earned.unit,
                    earned.amount,
                    earned.lot_remaining,
                    0,
                    0,
                    from_microseconds(earned.available_at_us),
                    from_microseconds(earned.expires_at_us),
                    earned.counterparty.removeprefix(_FUNDER),
                    activity_id,
                    account_id,
                    earned.slides,
                    None,
                )

    def _use(self, user_id: UUID, uses: Iterable[pb.LotUse]) -> None:
        for ordinal, use in enumerate(uses):
            self.uses[user_id, ordinal] = (from_bytes(use.lot_id), use.amount, use.refunded)


def _booked(entry: pb.EntryBooked) -> Row:
    return (
        entry.ordinal,
        from_bytes(entry.member_id),
        _id(entry.account_id),
        entry.unit,
        int(entry.kind),
        entry.amount,
        entry.balance_after,
        entry.counterparty,
        from_microseconds(entry.effective_at_us),
        from_bytes(entry.source_id),
        entry.level,
    )


def _lot(lot: pb.LotChanged) -> Row:
    return (
        from_bytes(lot.member_id),
        lot.unit,
        lot.amount,
        lot.remaining,
        lot.held,
        lot.expired,
        from_microseconds(lot.available_at_us),
        from_microseconds(lot.expires_at_us),
        lot.funder,
        from_bytes(lot.source_id),
        _id(lot.account_id),
        lot.slides,
        _id(lot.origin_lot),
    )


def _hold(hold: pb.HoldChanged) -> Row:
    return (
        from_bytes(hold.member_id),
        from_bytes(hold.account_id),
        hold.domain,
        hold.unit,
        hold.amount,
        hold.captured,
        hold.state,
        from_microseconds(hold.placed_at_us),
        from_microseconds(hold.expires_at_us),
        from_microseconds(hold.closed_at_us),
        hold.reference_digest,
    )


def _spend(spend: pb.SpendChanged) -> Row:
    return (
        from_bytes(spend.member_id),
        from_bytes(spend.account_id),
        spend.domain,
        spend.unit,
        spend.amount,
        spend.refunded,
        from_microseconds(spend.spent_at_us),
        spend.reference_digest,
    )


def _clawback(clawback: pb.ClawbackChanged) -> Row:
    return (
        from_bytes(clawback.member_id),
        from_bytes(clawback.account_id),
        clawback.unit,
        from_bytes(clawback.activity_id),
        clawback.funder,
        clawback.amount,
        clawback.owed,
        from_microseconds(clawback.taken_at_us),
    )


def _id(raw: bytes) -> UUID | None:
    return from_bytes(raw) if raw else None
