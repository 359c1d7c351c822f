"""What the journal says: its events folded into the rows that the tables must have.

Rows are as `queries.read_raw` lets tables be read, so that proving compares and converts nothing.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date
from operator import itemgetter
from typing import Any
from uuid import UUID

from services.chassis.idempotency import digest_of
from services.points.ledger import event_rows as rows
from services.points.ledger.event_rows import Row, database_time
from services.points.values import EntryKind
from tessera.points.v1 import event_pb2 as pb

Wallet = tuple[bytes, str]
BudgetPeriod = tuple[str, date]
"""A budget, and the first day of its period."""
_EARN = int(EntryKind.EARN)
_FUNDER = "funder:"
_ID_BYTES = 16
_ORDINAL = itemgetter(1)


def digest_of_values(row: Row | bytes) -> bytes:
    """The digest by which seals remember a row; what a seal remembered is its digest already."""
    # Injective, and the same whatever Unicode an interpreter knows.
    return row if isinstance(row, bytes) else digest_of(ascii(tuple(row)).encode())


def is_told(told: Row | bytes | None, row: Row) -> bool:
    """Whether a row is the one that was told: by the journal in full, or by a seal as its digest."""
    return told == row or (isinstance(told, bytes) and told == digest_of_values(row))


def text_of(key: str | bytes | tuple[Any, ...]) -> str:
    """The key of a row for people: an ID or a code, or one and what follows it."""
    if isinstance(key, tuple):
        return " ".join([text_of(key[0]), *map(str, key[1:])])
    if isinstance(key, str):
        return key
    return str(UUID(bytes=key)) if len(key) == _ID_BYTES else key.hex()


@dataclass(slots=True)
class Replayed:
    """The rows of a partition as its journal left them, in the order of the columns that ledger/queries.py reads.

    A row that did not change since the seal with which the replay began is there as its digest.
    """

    activities: dict[bytes, Row | bytes] = field(default_factory=dict)
    """Member, time of effect, and the digest that proves what else there is."""
    reversed_at: dict[bytes, int | None] = field(default_factory=dict)
    refunds: dict[tuple[bytes, int], Row | bytes] = field(default_factory=dict)
    """Activity, ordinal, member, time, and the digest that proves what else there is."""
    completions: dict[bytes, Row | bytes] = field(default_factory=dict)
    parked_refunds: dict[bytes, Row | bytes] = field(default_factory=dict)
    """All that the event says, the digest last."""
    lots: dict[bytes, Row | bytes] = field(default_factory=dict)
    holds: dict[bytes, Row | bytes] = field(default_factory=dict)
    spends: dict[bytes, Row | bytes] = field(default_factory=dict)
    pooled_spends: dict[bytes, Row | bytes] = field(default_factory=dict)
    contributions: dict[tuple[bytes, int], Row | bytes] = field(default_factory=dict)
    gifts: dict[bytes, Row | bytes] = field(default_factory=dict)
    adjustments: dict[bytes, Row | bytes] = field(default_factory=dict)
    partner_conversions: dict[bytes, Row | bytes] = field(default_factory=dict)
    clawbacks: dict[bytes, Row | bytes] = field(default_factory=dict)
    movements: dict[bytes, Row | bytes] = field(default_factory=dict)
    uses: dict[tuple[bytes, int], Row | bytes] = field(default_factory=dict)
    cap_uses: dict[tuple[bytes, str, int], Row | bytes] = field(default_factory=dict)
    budget_leases: dict[BudgetPeriod, int] = field(default_factory=dict)
    """What the partition got of each budget, …"""
    budget_amounts: dict[BudgetPeriod, int] = field(default_factory=dict)
    """… by which amount of the budget, …"""
    budgets_exhausted: dict[BudgetPeriod, int] = field(default_factory=dict)
    """… and 1 where nothing is left of it anywhere."""
    budget_draws: dict[BudgetPeriod, int] = field(default_factory=dict)
    budget_pools: dict[BudgetPeriod, Row | bytes] = field(default_factory=dict)
    kept: dict[bytes, int] = field(default_factory=dict)
    """The day under which each verdict is kept, by its digest."""
    sums: dict[Wallet, int] = field(default_factory=dict)
    slides: dict[Wallet, int | None] = field(default_factory=dict)

    def fold(self, position: int, recorded_at: int, events: Iterable[bytes]) -> list[Row]:
        """Fold the events of one record in; returns its entries in the order of their ordinals.

        Raises DecodeError or ValueError for bytes that are no events of points.
        """
        entries: list[Row] = []
        for raw in events:
            self._fold(pb.Event.FromString(raw), position, recorded_at, entries)
        entries.sort(key=_ORDINAL)
        return entries

    def balances(self) -> dict[Wallet, tuple[int, int | None]]:
        """What the entries of each wallet come to, and until when its lots slide."""
        return {key: (self.sums.get(key, 0), self.slides.get(key)) for key in {**self.sums, **self.slides}}

    def budget_portions(self) -> dict[BudgetPeriod, Row | bytes]:
        """What the partition has of each budget, and what of it is drawn."""
        return {
            key: (
                *(*key, leased, self.budget_draws.pop(key, 0)),
                *(self.budget_amounts.get(key), bool(self.budgets_exhausted.get(key))),
            )
            for key, leased in self.budget_leases.items()
        }

    def _fold(self, event: pb.Event, position: int, recorded_at: int, entries: list[Row]) -> None:
        match event.WhichOneof("event"):
            case "activity_recorded":
                self._record(event.activity_recorded, position, recorded_at, entries)
            case "entry_booked":
                entries.append(rows.booked(event.entry_booked, position, recorded_at))
            case "lot_changed":
                lot = rows.lot(event.lot_changed)
                self.lots[lot[0]] = lot
            case "hold_changed":
                hold = event.hold_changed
                self.holds[hold.hold_id] = rows.hold(hold)
                self._use(hold.hold_id, hold.uses)
            case "spend_changed":
                spend = event.spend_changed
                self.spends[spend.spend_id] = rows.spend(spend)
                self._use(spend.spend_id, spend.uses)
            case "pooled_spend_changed":
                self._pool(event.pooled_spend_changed)
            case "gift_changed":
                gift = event.gift_changed
                self.gifts[gift.gift_id] = rows.gift(gift)
                self._use(gift.gift_id, gift.uses)
            case "adjustment_changed":
                adjustment = event.adjustment_changed
                self.adjustments[adjustment.adjustment_id] = rows.adjustment(adjustment)
                self._use(adjustment.adjustment_id, adjustment.uses)
            case "partner_conversion_changed":
                conversion = event.partner_conversion_changed
                self.partner_conversions[conversion.partner_conversion_id] = rows.partner_conversion(conversion)
                self._use(conversion.partner_conversion_id, conversion.uses)
            case "clawback_changed":
                clawback = event.clawback_changed
                self.clawbacks[clawback.clawback_id] = rows.clawback(clawback)
                self._use(clawback.clawback_id, clawback.uses)
            case "movement_booked":
                movement = event.movement_booked
                self.movements[movement.movement_id] = rows.movement(movement)
                self._use(movement.movement_id, movement.uses)
            case "activity_reversed":
                reversal = event.activity_reversed
                self.reversed_at[reversal.activity_id] = database_time(reversal.reversed_at_us)
            case "activity_refunded":
                refund = event.activity_refunded
                self._draw(refund.draws, -1)
                self.refunds[refund.activity_id, refund.ordinal] = (
                    refund.activity_id,
                    refund.ordinal,
                    refund.member_id,
                    database_time(refund.refunded_at_us),
                    refund.digest,
                )
            case "activity_completed":
                completed = event.activity_completed
                self.completions[completed.activity_id] = (
                    completed.activity_id,
                    completed.member_id,
                    database_time(completed.completed_at_us),
                    database_time(completed.recorded_at_us),
                    completed.released or None,
                )
            case "parked_refund_changed":
                parked = event.parked_refund_changed
                self.parked_refunds[parked.parked_refund_id] = rows.parked(parked)
            case "budget_portion_changed":
                portion = event.budget_portion_changed
                key = _budget_period(portion)
                self.budget_leases[key], self.budget_amounts[key] = portion.leased, portion.amount
                self.budgets_exhausted[key] = int(portion.exhausted)
            case "budget_pool_changed":
                pool = event.budget_pool_changed
                key = _budget_period(pool)
                self.budget_pools[key] = (*key, pool.leased, pool.amount)
            case "cap_used":
                cap = event.cap_used
                use = (cap.member_id, cap.rule, cap.period_start)
                self.cap_uses[use] = (*use, cap.used)
            case "wallet_slid":
                slid = event.wallet_slid
                self.slides[slid.member_id, slid.unit] = database_time(slid.until_us)

    def _record(self, recorded: pb.ActivityRecorded, position: int, recorded_at: int, entries: list[Row]) -> None:
        activity_id, member_id, account_id = recorded.activity_id, recorded.member_id, recorded.account_id
        effective_at = database_time(recorded.effective_at_us)
        self.activities[activity_id] = (member_id, effective_at, recorded.digest)
        self._draw(recorded.draws, 1)
        for earned in recorded.earned:
            unit, amount, counterparty = earned.unit, earned.amount, earned.counterparty
            entries.append(
                (
                    position,
                    earned.ordinal,
                    member_id,
                    account_id,
                    unit,
                    _EARN,
                    amount,
                    earned.balance_after,
                    counterparty,
                    effective_at,
                    activity_id,
                    earned.level,
                    recorded_at,
                )
            )
            lot_id = earned.lot_id
            if lot_id:
                self.lots[lot_id] = (
                    lot_id,
                    member_id,
                    unit,
                    amount,
                    earned.lot_remaining,
                    0,
                    0,
                    database_time(earned.available_at_us),
                    database_time(earned.expires_at_us),
                    counterparty.removeprefix(_FUNDER),
                    activity_id,
                    account_id,
                    earned.slides,
                    None,
                    None,
                )

    def _pool(self, pooled: pb.PooledSpendChanged) -> None:
        self.pooled_spends[pooled.spend_id] = rows.pooled_spend(pooled)
        for ordinal, one in enumerate(pooled.contributions):
            contribution = (pooled.spend_id, ordinal, one.member_id, one.spend_id, one.amount, one.refunded)
            self.contributions[pooled.spend_id, ordinal] = contribution

    def _draw(self, draws: Iterable[pb.BudgetDraw], sign: int) -> None:
        for draw in draws:
            key = _budget_period(draw)
            self.budget_draws[key] = self.budget_draws.get(key, 0) + sign * draw.amount

    def _use(self, user_id: bytes, uses: Iterable[pb.LotUse]) -> None:
        for ordinal, use in enumerate(uses):
            self.uses[user_id, ordinal] = (user_id, ordinal, use.lot_id, use.amount, use.refunded)


def _budget_period(of: pb.BudgetDraw | pb.BudgetPortionChanged | pb.BudgetPoolChanged) -> BudgetPeriod:
    return of.budget, date.fromisoformat(of.period_start)
