"""Decisions on a wallet: spending, holding, giving back. Pure.

Each function changes the wallet it is given, which is a copy, and returns its result or a rejection. Sources: model.md
"Points"; cases.md defaults 1 and 12, E1, E2, E9, E10.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from hashlib import blake2b
from uuid import UUID

from services.chassis import ids
from services.chassis.errors import Rejection
from services.points import errors
from services.points.piles import NEVER, expiry_of
from services.points.specs import MAX_AMOUNT
from services.points.units import Unit
from services.points.values import (
    BREAKAGE,
    REDEMPTION,
    EntryKind,
    Hold,
    LotUse,
    Spend,
)
from services.points.wallet import Wallet
from services.points.wallets.limits import share_returned
from services.points.wallets.lots import (
    available,
    burn,
    give_back,
    held,
    pay_debt,
    pending,
    settle,
)

MAX_HOLD = timedelta(days=366)
"""How long a hold may hold: it freezes the expiry of its lots, which must not be a way around it."""


def insufficient(wallet: Wallet, needed: int, now: datetime, merchant: str | None = None) -> Rejection | None:
    """The rejection for more than is available, with the figures."""
    there = available(wallet, now, merchant)
    if there >= needed:
        return None
    return errors.insufficient_points(there, needed, held(wallet, now), pending(wallet, now))


def too_much(wallet: Wallet, unit: Unit | None, amount: int) -> Rejection | None:
    """The rejection for more than a wallet, with the others of its person, may come to; None when it can take it."""
    balance, limit = wallet.balance.balance, None if unit is None else unit.spec.max_balance
    if limit is not None and balance + wallet.elsewhere + amount > limit:
        return errors.balance_limit_exceeded(limit, balance + wallet.elsewhere, amount)
    return errors.balance_out_of_range(wallet.unit, balance, amount) if balance + amount > MAX_AMOUNT else None


def spend(
    wallet: Wallet,
    spend_id: UUID,
    account_id: UUID,
    domain: str,
    amount: int,
    reference: str,
    now: datetime,
    merchant: str | None = None,
    order_minor: int | None = None,
    pooled_spend_id: UUID | None = None,
) -> Spend | Rejection:
    """Burn lots and book the spend, which may be a contribution to a pooled one."""
    settle(wallet, now)
    rejection = insufficient(wallet, amount, now, merchant)
    if rejection is not None:
        return rejection
    uses = burn(wallet, amount, now, merchant)
    return _spent(wallet, spend_id, account_id, domain, uses, reference, now, order_minor, pooled_spend_id)


def _spent(
    wallet: Wallet,
    spend_id: UUID,
    account_id: UUID,
    domain: str,
    uses: tuple[LotUse, ...],
    reference: str,
    now: datetime,
    order_minor: int | None,
    pooled_spend_id: UUID | None = None,
) -> Spend:
    amount = sum(use.amount for use in uses)
    made = Spend(
        spend_id,
        wallet.member_id,
        account_id,
        domain,
        wallet.unit,
        amount,
        0,
        reference,
        now,
        uses,
        order_minor,
        pooled_spend_id=pooled_spend_id,
    )
    wallet.spends.append(made)
    wallet.book(EntryKind.SPEND, -amount, REDEMPTION, now, spend_id, account_id)
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
    merchant: str | None = None,
    order_minor: int | None = None,
) -> Hold | Rejection:
    """Put points aside: they leave what is available and stay in the balance."""
    if not now < expires_at <= now + MAX_HOLD:
        return errors.expiry_out_of_range(now, now + MAX_HOLD)
    settle(wallet, now)
    rejection = insufficient(wallet, amount, now, merchant)
    if rejection is not None:
        return rejection
    uses = burn(wallet, amount, now, merchant, hold=True)
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
        order_minor,
    )
    wallet.put_hold(hold)
    return hold


@dataclass(frozen=True, slots=True)
class Captured:
    """What capturing did."""

    spend: Spend
    released: int


def capture(wallet: Wallet, hold_id: UUID, spend_id: UUID, amount: int, now: datetime) -> Captured | Rejection:
    """Turn what a hold holds into a spend, first lot first; what is not captured goes back. 0 means all of it."""
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
    made = _spent(wallet, spend_id, hold.account_id, hold.domain, captured, hold.reference, now, hold.order_minor)
    give_back(wallet, rest, now)
    pay_debt(wallet, now)
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
    expired = give_back(wallet, hold.uses, now)
    pay_debt(wallet, now)
    wallet.put_hold(replace(hold, state="released", closed_at=now))
    return Released(hold.amount, expired)


def extend(wallet: Wallet, hold_id: UUID, expires_at: datetime, now: datetime) -> Hold | Rejection:
    """Let a hold hold longer, from now on no longer than a new one could."""
    settle(wallet, now)
    hold = wallet.holds[hold_id]
    if hold.state != "open":
        return errors.hold_not_open(hold.state)
    if not hold.expires_at < expires_at <= now + MAX_HOLD:
        return errors.expiry_out_of_range(hold.expires_at, now + MAX_HOLD)
    extended = replace(hold, expires_at=expires_at)
    wallet.put_hold(extended)
    return extended


@dataclass(frozen=True, slots=True)
class Refunded:
    """What refunding did. `uses` in the order in which points went back."""

    amount: int
    expired: int
    uses: tuple[LotUse, ...]


def refund(wallet: Wallet, unit: Unit | None, spent: Spend, amount: int, now: datetime) -> Refunded | Rejection:
    """Give back to the very lots, last burnt first; what finds its lot expired follows the unit's refund rule.

    0 means all that is left. A unit that is configured no more restores by the default rule.
    """
    settle(wallet, now)
    refundable = spent.amount - spent.refunded
    amount = amount or refundable
    if amount > refundable or amount == 0:
        return errors.refund_exceeds_spend(refundable, amount)
    if wallet.balance.balance + amount > MAX_AMOUNT:
        return errors.balance_out_of_range(wallet.unit, wallet.balance.balance, amount)
    left, expired = amount, 0
    uses = list(spent.uses)
    returned = []
    for number in reversed(range(len(uses))):
        given = min(left, uses[number].amount - uses[number].refunded)
        if given == 0:
            continue
        uses[number] = replace(uses[number], refunded=uses[number].refunded + given)
        lot_id, gone = _restore(wallet, unit, spent, number, uses[number], given, now)
        returned.append(LotUse(lot_id, given))
        expired += gone
        left -= given
    wallet.spends.append(replace(spent, refunded=spent.refunded + amount, uses=tuple(uses)))
    wallet.book(EntryKind.REFUND, amount, REDEMPTION, now, spent.spend_id, spent.account_id)
    if expired:
        wallet.book(EntryKind.REFUND_EXPIRED, -expired, BREAKAGE, now, spent.spend_id, spent.account_id)
    pay_debt(wallet, now)
    return Refunded(amount, expired, tuple(returned))


def refund_returned(
    wallet: Wallet, unit: Unit | None, spent: Spend, returned: int, now: datetime
) -> Refunded | Rejection:
    """Give back what belongs to the part of the order that is returned; that may be nothing yet."""
    share = share_returned(spent, returned)
    if isinstance(share, Rejection):
        return share
    due, order_returned = share
    spent = replace(spent, order_returned=order_returned)
    if due:
        return refund(wallet, unit, spent, due, now)
    settle(wallet, now)
    wallet.spends.append(spent)
    return Refunded(0, 0, ())


def _restore(
    wallet: Wallet, unit: Unit | None, spent: Spend, number: int, use: LotUse, given: int, now: datetime
) -> tuple[UUID, int]:
    """Put points back; returns the lot that has them now, and how much expired at once."""
    lot = wallet.lots[use.lot_id]
    original = expiry_of(lot, wallet.balance)
    restored = original if unit is None or original == NEVER else unit.restored_expiry(original, now)
    if restored <= now:
        wallet.put_lot(lot._replace(expired=lot.expired + given))
        return lot.lot_id, given
    if restored == original:
        wallet.put_lot(lot._replace(remaining=lot.remaining + given))
        return lot.lot_id, 0
    lot_id = _restored_id(spent.spend_id, number, use.refunded)
    wallet.put_lot(
        lot._replace(
            lot_id=lot_id,
            amount=given,
            remaining=given,
            held=0,
            expired=0,
            available_at=now,
            expires_at=restored,
            origin_lot=lot.lot_id,
        )
    )
    return lot_id, 0


def _restored_id(spend_id: UUID, number: int, refunded: int) -> UUID:
    """The ID of a lot that a refund opens: each time, another sum of the use has come back."""
    name = f"{spend_id} {number} {refunded}".encode()
    return ids.hashed(blake2b(name, digest_size=16).digest(), ids.routing_of(spend_id))
