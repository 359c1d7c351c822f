"""What a member has at an instant, right before any job has run. Pure. Sources: cases.md E17, E18.

A read lets time pass on a copy of the wallet by the very rule by which a job books it (lots.py), so that it does not
matter whether the job has run.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from services.points.piles import NEVER, Place, expiry_of, is_filled, place_of
from services.points.values import Lot
from services.points.wallet import Wallet
from services.points.wallets.lots import held, pending, settle

MAX_EXPIRIES = 6


@dataclass(frozen=True, slots=True)
class BalanceView:
    """A balance as it reads."""

    available: int
    pending: int
    held: int
    expiries: tuple[tuple[datetime, int], ...]
    restricted: tuple[tuple[str, int], ...] = ()
    """What single merchants take beside what is available."""


NOTHING = BalanceView(0, 0, 0, ())


def settled(wallet: Wallet, at: datetime) -> Wallet:
    """A copy of a wallet as time alone makes it by an instant, now or later; its entries say what time did."""
    later = Wallet(
        wallet.member_id,
        wallet.unit,
        wallet.balance,
        dict(wallet.lots),
        dict(wallet.holds),
        dict(wallet.clawbacks),
    )
    settle(later, at)
    return later


def balance_at(wallet: Wallet, at: datetime) -> BalanceView:
    """The balance now or later: what expires by then is gone, holds that expire let go, what was pending is there."""
    later = settled(wallet, at)
    waiting, kept = pending(later, at), held(later, at)
    restricted = _restricted(later, at)
    there = later.balance.balance - waiting - kept - sum(amount for _, amount in restricted)
    return BalanceView(there, waiting, kept, _expiries(later, at), restricted)


def _restricted(wallet: Wallet, at: datetime) -> tuple[tuple[str, int], ...]:
    """What lots have that single merchants take, by merchant."""
    sums: dict[str, int] = {}
    for lot in wallet.lots.values():
        if lot.merchant is not None and lot.remaining and lot.available_at <= at:
            sums[lot.merchant] = sums.get(lot.merchant, 0) + lot.remaining
    return tuple(sorted(sums.items()))


def _expiries(wallet: Wallet, at: datetime) -> tuple[tuple[datetime, int], ...]:
    """The next expiries of what is available, soonest first."""
    expiries: dict[datetime, int] = {}
    for lot in wallet.lots.values():
        expires_at = expiry_of(lot, wallet.balance)
        if lot.remaining and lot.merchant is None and lot.available_at <= at and expires_at != NEVER:
            expiries[expires_at] = expiries.get(expires_at, 0) + lot.remaining
    return tuple(sorted(expiries.items())[:MAX_EXPIRIES])


def together(views: Sequence[BalanceView]) -> BalanceView:
    """What the wallets of one person come to."""
    if len(views) <= 1:
        return views[0] if views else NOTHING
    return BalanceView(
        available=sum(view.available for view in views),
        pending=sum(view.pending for view in views),
        held=sum(view.held for view in views),
        expiries=_summed(part for view in views for part in view.expiries)[:MAX_EXPIRIES],
        restricted=_summed(part for view in views for part in view.restricted),
    )


_Key = TypeVar("_Key", datetime, str)


def _summed(parts: Iterable[tuple[_Key, int]]) -> tuple[tuple[_Key, int], ...]:
    sums: dict[_Key, int] = {}
    for key, amount in parts:
        sums[key] = sums.get(key, 0) + amount
    return tuple(sorted(sums.items()))


@dataclass(frozen=True, slots=True)
class Past:
    """What is booked of a wallet for a past instant."""

    booked: int
    """The sum of entries effective by then."""
    pending: int
    """What had been earned by then and could not be spent yet."""
    held: int
    """What holds held then."""


def balance_in_past(past: Past, wallet: Wallet, at: datetime, now: datetime) -> BalanceView:
    """The balance at a past instant: what is booked for it, and what time had done by then that is not booked yet."""
    unbooked = sum(entry.amount for entry in settled(wallet, now).entries if entry.effective_at <= at)
    return BalanceView(past.booked + unbooked - past.pending - past.held, past.pending, past.held, ())


def lots_page(wallet: Wallet, booked: Sequence[Lot] | None, now: datetime, after: Place) -> list[Lot]:
    """Lots after a place, in order, as time has left them: of those `booked`, or else all in which something is."""
    current = settled(wallet, now).lots
    if booked is not None:
        return [current.get(lot.lot_id, lot) for lot in booked]
    filled = [lot for lot in current.values() if is_filled(lot) and place_of(lot, wallet.balance) > after]
    return sorted(filled, key=lambda lot: place_of(lot, wallet.balance))
