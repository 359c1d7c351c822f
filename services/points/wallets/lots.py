"""What lots do: they burn in order, come back, expire as time passes, and pay what is owed. Pure.

Each function changes the wallet it is given, which is a copy. Sources: model.md "Lot"; cases.md defaults 1, 5 and 6,
E17, E18.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from heapq import merge
from itertools import chain
from uuid import UUID

from services.points.piles import Place, Sums, expiry_of, is_filled, place_of
from services.points.values import BREAKAGE, Balance, EntryKind, Lot, LotUse
from services.points.wallet import Wallet


def open_lot(wallet: Wallet, lot: Lot) -> None:
    """Put a new lot into a wallet. One that slides, where nothing ever has, is the first by which the wallet does."""
    if lot.slides and wallet.balance.slides_to is None:
        wallet.balance = wallet.balance._replace(slides_to=lot.expires_at)
    wallet.put_lot(lot)


def in_burn_order(lots: Iterable[Lot], balance: Balance) -> list[Lot]:
    """Lots of a wallet in the order in which they burn: restricted, then earliest expiry, then oldest, then by ID."""
    return sorted(lots, key=lambda lot: (lot.merchant is None, expiry_of(lot, balance), lot.available_at, lot.lot_id))


def _places(wallet: Wallet, merchant: str | None, moved: Sequence[Lot]) -> Iterable[Place]:
    """Where the lots that a merchant takes stand, None being any, in the order in which they burn.

    Some lots may have become empty. `moved` do not stand where they stood.
    """
    balance = wallet.balance
    run = wallet.pile_before().runs(balance).get(merchant, ())
    if not moved:
        return run
    merged = merge(run, sorted(place_of(lot, balance) for lot in moved if lot.merchant == merchant))
    return (place for place in merged if place == place_of(wallet.lots[place[2]], balance))


def _moved(wallet: Wallet) -> list[Lot]:
    """The lots that do not stand where they stood: new ones, those that were empty, and those that expire otherwise."""
    if not wallet.changed_lots:
        return []
    before, balance = wallet.pile_before().lots, wallet.balance
    moved = []
    for lot in map(wallet.lots.__getitem__, wallet.changed_lots):
        was = before.get(lot.lot_id)
        if was is None or not is_filled(was) or place_of(was, balance) != place_of(lot, balance):
            moved.append(lot)
    return moved


def spendable(wallet: Wallet, at: datetime, merchant: str | None = None) -> Iterator[Lot]:
    """The lots that can be spent at an instant up to which the wallet is settled, in the order in which they burn: of
    those that are restricted to a merchant, the named one's alone, and first."""
    moved = _moved(wallet)
    places = _places(wallet, None, moved)
    for expires_at, available_at, lot_id in (
        places if merchant is None else chain(_places(wallet, merchant, moved), places)
    ):
        lot = wallet.lots[lot_id]
        if lot.remaining and available_at <= at < expires_at:
            yield lot


def sums(wallet: Wallet, at: datetime) -> Sums:
    """What lots have at an instant up to which the wallet is settled; not to be changed."""
    pile = wallet.pile_before()
    if not wallet.changed_lots:
        return pile.sums(at, wallet.balance)
    changed = pile.sums(at, wallet.balance).copy()
    for lot_id in wallet.changed_lots:
        before = pile.lots.get(lot_id)
        if before is not None:
            changed.add(before, -1)
        changed.add(wallet.lots[lot_id])
    return changed


def free(wallet: Wallet, at: datetime, merchant: str | None = None) -> int:
    """What lots have that could be spent at an instant up to which the wallet is settled."""
    by_merchant = sums(wallet, at).free
    return by_merchant.get(None, 0) + (0 if merchant is None else by_merchant.get(merchant, 0))


def available(wallet: Wallet, at: datetime, merchant: str | None = None) -> int:
    """What can be spent at an instant; below zero when more is owed than is there."""
    return free(wallet, at, merchant) - wallet.balance.debt


def pending(wallet: Wallet, at: datetime) -> int:
    """What was earned and cannot be spent yet at an instant."""
    return sums(wallet, at).pending


def held(wallet: Wallet, at: datetime) -> int:
    """What holds hold."""
    return sums(wallet, at).held


def burn(
    wallet: Wallet, amount: int, at: datetime, merchant: str | None = None, *, hold: bool = False
) -> tuple[LotUse, ...]:
    """Take points from the lots that can be spent, in order, or have them hold them; the caller has checked that there
    are enough."""
    uses = []
    for lot in spendable(wallet, at, merchant):
        if amount == 0:
            break
        used = min(amount, lot.remaining)
        wallet.put_lot(lot._replace(remaining=lot.remaining - used, held=lot.held + (used if hold else 0)))
        uses.append(LotUse(lot.lot_id, used))
        amount -= used
    return tuple(uses)


def settle(wallet: Wallet, now: datetime) -> None:
    """Let pass what time has done by `now`, instant by instant: holds release themselves, lots expire, debts are paid.

    Doing it twice, late or in steps comes to the same, so it does not matter when, or whether, a job does it.
    """
    lots = _due_lots(wallet, now)
    for at in _due_instants(wallet, lots, now):
        due = [hold for hold in wallet.holds.values() if hold.state == "open" and hold.expires_at <= at]
        for hold in sorted(due, key=lambda hold: (hold.expires_at, hold.hold_id)):
            give_back(wallet, hold.uses, at)
            wallet.put_hold(replace(hold, state="expired", closed_at=at))
        past = [lot for lot in map(wallet.lots.__getitem__, lots.pop(at, ())) if lot.remaining]
        for lot in in_burn_order(past, wallet.balance):
            expire(wallet, lot._replace(remaining=0, expired=lot.expired + lot.remaining), lot.remaining, at)
        pay_debt(wallet, at)


def _due_lots(wallet: Wallet, now: datetime) -> dict[datetime, list[UUID]]:
    """The lots that expire by `now`, by the instant at which they do."""
    due: dict[datetime, list[UUID]] = {}
    runs, moved = wallet.pile_before().runs(wallet.balance), _moved(wallet)
    for merchant in {*runs, *(lot.merchant for lot in moved)} if moved else runs:
        for expires_at, _, lot_id in _places(wallet, merchant, moved):
            if expires_at > now:
                break
            due.setdefault(expires_at, []).append(lot_id)
    return due


def _due_instants(wallet: Wallet, lots: Iterable[datetime], now: datetime) -> list[datetime]:
    """The instants up to `now` at which time does something to a wallet, in order; at some of them `lots` expire."""
    due = [hold.expires_at for hold in wallet.holds.values() if hold.state == "open" and hold.expires_at <= now]
    due += lots
    if wallet.balance.debt:
        due += [lot.available_at for lot in wallet.lots.values() if is_filled(lot) and lot.available_at <= now]
    if wallet.clawbacks:
        due += [claw.taken_at for claw in wallet.clawbacks.values() if claw.owed and claw.taken_at <= now]
    return sorted(set(due)) if len(due) > 1 else due


def expire(wallet: Wallet, lot: Lot, amount: int, at: datetime) -> None:
    """Book that a part of a lot expired; `lot` is as that leaves it."""
    wallet.put_lot(lot)
    wallet.book(EntryKind.EXPIRE, -amount, BREAKAGE, at, lot.lot_id, lot.account_id)


def give_back(wallet: Wallet, uses: Iterable[LotUse], at: datetime) -> int:
    """Give held points back to their lots. Holding froze their expiry: what is past it expires now, and is returned."""
    expired = 0
    for use in uses:
        lot = wallet.lots[use.lot_id]
        left = lot.held - use.amount
        if expiry_of(lot, wallet.balance) <= at:
            expire(wallet, lot._replace(held=left, expired=lot.expired + use.amount), use.amount, at)
            expired += use.amount
        else:
            wallet.put_lot(lot._replace(held=left, remaining=lot.remaining + use.amount))
    return expired


def pay_debt(wallet: Wallet, at: datetime) -> None:
    """Let what is there pay what is owed, oldest first: no movement, since the balance counts both already."""
    if wallet.balance.debt == 0:
        return
    owing = [clawback for clawback in wallet.clawbacks.values() if clawback.owed and clawback.taken_at <= at]
    for clawback in sorted(owing, key=lambda clawback: (clawback.taken_at, clawback.clawback_id)):
        paid = min(clawback.owed, free(wallet, at))
        if paid == 0:
            return
        uses = burn(wallet, paid, at)
        wallet.put_clawback(replace(clawback, owed=clawback.owed - paid, uses=clawback.uses + uses))
        wallet.balance = wallet.balance._replace(debt=wallet.balance.debt - paid)
