"""Decisions on a wallet: what time has done to it, spending, holding, giving back. Pure.

Each function changes the wallet it is given, which is a copy, and returns its result or a rejection. Sources: model.md
"Points"; cases.md defaults 1, 11 and 12, E1, E2, E9, E10, E17, E18.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from uuid import UUID

from services.chassis.errors import Rejection
from services.chassis.ids import derived
from services.points import errors
from services.points.units import Unit
from services.points.values import BREAKAGE, REDEMPTION, Balance, Entry, EntryKind, Hold, Lot, LotUse, Spend, Wallet

NEVER = datetime.max.replace(tzinfo=UTC)


def expiry_of(lot: Lot, balance: Balance) -> datetime:
    """When a lot expires: its own time, or the one that the whole wallet slides to."""
    return lot.expires_at or balance.slides_to or NEVER


def in_burn_order(wallet: Wallet) -> list[Lot]:
    """Lots with something free, in the order in which they burn: earliest expiry, then oldest, then by ID."""
    lots = [lot for lot in wallet.lots.values() if lot.remaining > 0]
    lots.sort(key=lambda lot: (expiry_of(lot, wallet.balance), lot.available_at, lot.lot_id))
    return lots


def available(wallet: Wallet, now: datetime) -> int:
    """What can be spent at an instant; below zero when more is owed than is there."""
    free = sum(
        lot.remaining for lot in wallet.lots.values() if lot.available_at <= now < expiry_of(lot, wallet.balance)
    )
    return free - wallet.balance.debt


def settle(wallet: Wallet, now: datetime) -> None:
    """Book what time has done: holds that released themselves, then lots that expired. Doing it twice does nothing."""
    due = [hold for hold in wallet.holds.values() if hold.state == "open" and hold.expires_at <= now]
    for hold in sorted(due, key=lambda hold: (hold.expires_at, hold.hold_id)):
        _give_back(wallet, hold.uses, hold.expires_at)
        wallet.put_hold(replace(hold, state="expired", closed_at=hold.expires_at))
    for lot in in_burn_order(wallet):
        expires_at = expiry_of(lot, wallet.balance)
        if expires_at <= now:
            _expire(wallet, lot._replace(remaining=0), lot.remaining, expires_at)


def _expire(wallet: Wallet, lot: Lot, amount: int, at: datetime) -> None:
    """Book that a part of a lot expired; `lot` is already without it."""
    wallet.put_lot(lot._replace(expired=lot.expired + amount))
    _book(wallet, EntryKind.EXPIRE, -amount, BREAKAGE, at, lot.lot_id, lot.account_id)


def _book(
    wallet: Wallet,
    kind: EntryKind,
    amount: int,
    counterparty: str,
    at: datetime,
    source_id: UUID,
    account_id: UUID | None,
) -> None:
    """Move points between the wallet and another ledger account."""
    balance = wallet.balance.balance + amount
    wallet.balance = wallet.balance._replace(balance=balance)
    wallet.entries.append(
        Entry(wallet.member_id, account_id, wallet.unit, kind, amount, balance, counterparty, at, source_id)
    )


def burn(wallet: Wallet, amount: int, now: datetime) -> tuple[LotUse, ...]:
    """Take points from the lots that can be spent, in order; the caller has checked that there are enough."""
    uses = []
    for lot in in_burn_order(wallet):
        if amount == 0:
            break
        if lot.available_at > now:
            continue
        used = min(amount, lot.remaining)
        wallet.put_lot(lot._replace(remaining=lot.remaining - used))
        uses.append(LotUse(lot.lot_id, used))
        amount -= used
    return tuple(uses)


def insufficient(wallet: Wallet, needed: int, now: datetime) -> Rejection | None:
    """The rejection for more than is available, with the figures."""
    there = available(wallet, now)
    if there >= needed:
        return None
    held = sum(lot.held for lot in wallet.lots.values())
    pending = sum(lot.remaining for lot in wallet.lots.values() if lot.available_at > now)
    return errors.insufficient_points(there, needed, held, pending)


def spend(
    wallet: Wallet, spend_id: UUID, account_id: UUID, domain: str, amount: int, reference: str, now: datetime
) -> Spend | Rejection:
    """Burn lots and book the spend."""
    settle(wallet, now)
    rejection = insufficient(wallet, amount, now)
    if rejection is not None:
        return rejection
    return _spent(wallet, spend_id, account_id, domain, burn(wallet, amount, now), reference, now)


def _spent(
    wallet: Wallet,
    spend_id: UUID,
    account_id: UUID,
    domain: str,
    uses: tuple[LotUse, ...],
    reference: str,
    now: datetime,
) -> Spend:
    amount = sum(use.amount for use in uses)
    made = Spend(spend_id, wallet.member_id, account_id, domain, wallet.unit, amount, 0, reference, now, uses)
    wallet.spends.append(made)
    _book(wallet, EntryKind.SPEND, -amount, REDEMPTION, now, spend_id, account_id)
    return made


def place_hold(
    wallet: Wallet,
    hold_id: UUID,
    account_id: UUID,
    domain: str,
    amount: int,
    reference: str,
    expires_at: datetime,
    now: datetime,
) -> Hold | Rejection:
    """Put points aside: they leave what is available and stay in the balance."""
    if expires_at <= now:
        return errors.time_out_of_range("expires_at")
    settle(wallet, now)
    rejection = insufficient(wallet, amount, now)
    if rejection is not None:
        return rejection
    uses = burn(wallet, amount, now)
    for use in uses:
        lot = wallet.lots[use.lot_id]
        wallet.put_lot(lot._replace(held=lot.held + use.amount))
    hold = Hold(
        hold_id,
        wallet.member_id,
        account_id,
        domain,
        wallet.unit,
        amount,
        0,
        "open",
        reference,
        now,
        expires_at,
        None,
        uses,
    )
    wallet.put_hold(hold)
    return hold


@dataclass(frozen=True, slots=True)
class Captured:
    """What capturing did."""

    spend: Spend
    released: int


def capture(wallet: Wallet, hold_id: UUID, spend_id: UUID, amount: int, now: datetime) -> Captured | Rejection:
    """Turn what a hold holds into a spend, first lot first; what is not captured goes back."""
    settle(wallet, now)
    hold = wallet.holds[hold_id]
    amount = amount or hold.amount
    if hold.state != "open":
        return errors.hold_not_open(hold.state)
    if amount > hold.amount:
        return errors.capture_exceeds_hold(hold.amount, amount)
    captured, rest = _split(hold.uses, amount)
    for use in captured:
        lot = wallet.lots[use.lot_id]
        wallet.put_lot(lot._replace(held=lot.held - use.amount))
    made = _spent(wallet, spend_id, hold.account_id, hold.domain, captured, hold.reference, now)
    _give_back(wallet, rest, now)
    wallet.put_hold(replace(hold, state="captured", captured=amount, closed_at=now))
    return Captured(made, hold.amount - amount)


def _split(uses: Iterable[LotUse], amount: int) -> tuple[tuple[LotUse, ...], tuple[LotUse, ...]]:
    """The first `amount` of what was used, and the rest."""
    first, rest = [], []
    for use in uses:
        taken = min(amount, use.amount)
        amount -= taken
        if taken:
            first.append(LotUse(use.lot_id, taken))
        if taken < use.amount:
            rest.append(LotUse(use.lot_id, use.amount - taken))
    return tuple(first), tuple(rest)


@dataclass(frozen=True, slots=True)
class Released:
    """What releasing did."""

    released: int
    expired: int


def release(wallet: Wallet, hold_id: UUID, now: datetime) -> Released | Rejection:
    """Give back what a hold holds."""
    settle(wallet, now)
    hold = wallet.holds[hold_id]
    if hold.state != "open":
        return errors.hold_not_open(hold.state)
    expired = _give_back(wallet, hold.uses, now)
    wallet.put_hold(replace(hold, state="released", closed_at=now))
    return Released(hold.amount, expired)


def _give_back(wallet: Wallet, uses: Iterable[LotUse], at: datetime) -> int:
    """Give held points back to their lots. Holding froze their expiry; what is past it expires now. Returns how much."""
    expired = 0
    for use in uses:
        lot = wallet.lots[use.lot_id]
        lot = lot._replace(held=lot.held - use.amount)
        if expiry_of(lot, wallet.balance) <= at:
            _expire(wallet, lot, use.amount, at)
            expired += use.amount
        else:
            wallet.put_lot(lot._replace(remaining=lot.remaining + use.amount))
    pay_debt(wallet, at)
    return expired


@dataclass(frozen=True, slots=True)
class Refunded:
    """What refunding did. `uses` in the order in which points went back."""

    amount: int
    expired: int
    uses: tuple[LotUse, ...]


def refund(wallet: Wallet, unit: Unit, spent: Spend, amount: int, now: datetime) -> Refunded | Rejection:
    """Give back to the very lots, last burnt first; what finds its lot expired follows the unit's refund rule."""
    settle(wallet, now)
    refundable = spent.amount - spent.refunded
    amount = amount or refundable
    if amount > refundable or amount == 0:
        return errors.refund_exceeds_spend(refundable, amount)
    left, expired = amount, 0
    uses = list(spent.uses)
    returned = []
    for number in reversed(range(len(uses))):
        given = min(left, uses[number].amount - uses[number].refunded)
        if given == 0:
            continue
        uses[number] = replace(uses[number], refunded=uses[number].refunded + given)
        lot_id, gone = _restore(wallet, unit, spent, uses[number], number, given, now)
        returned.append(LotUse(lot_id, given))
        expired += gone
        left -= given
    wallet.spends.append(replace(spent, refunded=spent.refunded + amount, uses=tuple(uses)))
    _book(wallet, EntryKind.REFUND, amount, REDEMPTION, now, spent.spend_id, spent.account_id)
    if expired:
        _book(wallet, EntryKind.REFUND_EXPIRED, -expired, BREAKAGE, now, spent.spend_id, spent.account_id)
    pay_debt(wallet, now)
    return Refunded(amount, expired, tuple(returned))


def _restore(
    wallet: Wallet, unit: Unit, spent: Spend, use: LotUse, ordinal: int, given: int, now: datetime
) -> tuple[UUID, int]:
    """Put points back; returns the lot that has them now, and how much expired at once."""
    lot = wallet.lots[use.lot_id]
    original = expiry_of(lot, wallet.balance)
    expires_at = unit.restored_expiry(None if original == NEVER else original, now)
    if expires_at is not None and expires_at <= now:
        wallet.put_lot(lot._replace(expired=lot.expired + given))
        return lot.lot_id, given
    if expires_at is None or expires_at == original:
        wallet.put_lot(lot._replace(remaining=lot.remaining + given))
        return lot.lot_id, 0
    restored_id = derived(spent.spend_id, (ordinal + 1) * MAX_REFUNDS + use.refunded % MAX_REFUNDS)
    wallet.put_lot(
        Lot(
            lot.member_id,
            restored_id,
            lot.unit,
            amount=given,
            remaining=given,
            held=0,
            expired=0,
            available_at=now,
            expires_at=expires_at,
            funder=lot.funder,
            source_id=lot.source_id,
            account_id=lot.account_id,
        )
    )
    return restored_id, 0


MAX_REFUNDS = 1 << 20
"""Keeps the IDs of lots that refunds of one use open apart: each has given back another sum so far."""


def pay_debt(wallet: Wallet, now: datetime) -> None:
    """Let what the member owes be paid by what is there: no movement, since the balance already counts both."""
    debt = wallet.balance.debt
    if debt == 0:
        return
    free = available(wallet, now) + debt
    paid = min(debt, max(free, 0))
    if paid:
        burn(wallet, paid, now)
        wallet.balance = wallet.balance._replace(debt=debt - paid)


def claw_back(
    wallet: Wallet,
    unit: Unit,
    own_lot: UUID | None,
    owed: int,
    counterparty: str,
    source_id: UUID,
    account_id: UUID,
    now: datetime,
) -> int:
    """Take back what was earned: its own lot first, other lots in order, then by the negative-balance policy.

    Returns what the member did not have.
    """
    left = owed
    if own_lot is not None and (lot := wallet.lots.get(own_lot)) is not None:
        taken = min(left, lot.remaining)
        wallet.put_lot(lot._replace(remaining=lot.remaining - taken))
        left -= taken
    there = max(available(wallet, now) + wallet.balance.debt, 0)
    others = min(left, there)
    burn(wallet, others, now)
    left -= others
    _book(wallet, EntryKind.CLAWBACK, -owed, counterparty, now, source_id, account_id)
    if left and unit.spec.negative_balance == "allow-negative":
        wallet.balance = wallet.balance._replace(debt=wallet.balance.debt + left)
    elif left:
        forgive = unit.spec.negative_balance == "forgive"
        kind, payer = (EntryKind.FORGIVE, "forgiveness") if forgive else (EntryKind.CASH_DEDUCTION, "cash-deduction")
        _book(wallet, kind, left, payer, now, source_id, account_id)
    return left


def take_score_back(
    wallet: Wallet, owed: int, counterparty: str, source_id: UUID, account_id: UUID, now: datetime
) -> None:
    """Take back what counted for a score: a score has no lots, and no policy that could soften it."""
    _book(wallet, EntryKind.CLAWBACK, -owed, counterparty, now, source_id, account_id)
