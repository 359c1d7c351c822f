"""What lots do: they burn in order, come back, expire as time passes, and pay what is owed. Pure.

Each function changes the wallet it is given, which is a copy. Sources: model.md "Lot"; cases.md defaults 1, 5 and 6,
E17, E18.
"""

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime

from services.points.values import BREAKAGE, Balance, EntryKind, Lot, LotUse, Wallet

EARLIEST = datetime.min.replace(tzinfo=UTC)
NEVER = datetime.max.replace(tzinfo=UTC)


def expiry_of(lot: Lot, balance: Balance) -> datetime:
    """When a lot expires; NEVER when it does not."""
    if lot.slides:
        return max(lot.expires_at or EARLIEST, balance.slides_to or NEVER)
    return lot.expires_at or NEVER


def open_lot(wallet: Wallet, lot: Lot) -> None:
    """Put a new lot into a wallet. One that slides, where nothing ever has, is the first by which the wallet does."""
    if lot.slides and wallet.balance.slides_to is None:
        wallet.balance = wallet.balance._replace(slides_to=lot.expires_at)
    wallet.put_lot(lot)


def in_burn_order(lots: Iterable[Lot], balance: Balance) -> list[Lot]:
    """Lots of a wallet in the order in which they burn: restricted, then earliest expiry, then oldest, then by ID."""
    return sorted(lots, key=lambda lot: (lot.merchant is None, expiry_of(lot, balance), lot.available_at, lot.lot_id))


def spendable(wallet: Wallet, at: datetime, merchant: str | None = None) -> list[Lot]:
    """The lots that can be spent at an instant up to which the wallet is settled: of those that are restricted to a
    merchant, the named one's alone."""
    return [
        lot
        for lot in wallet.lots.values()
        if lot.remaining
        and lot.available_at <= at < expiry_of(lot, wallet.balance)
        and (lot.merchant is None or lot.merchant == merchant)
    ]


def free(wallet: Wallet, at: datetime, merchant: str | None = None) -> int:
    """What lots have that could be spent at an instant up to which the wallet is settled."""
    return sum(lot.remaining for lot in spendable(wallet, at, merchant))


def available(wallet: Wallet, at: datetime, merchant: str | None = None) -> int:
    """What can be spent at an instant; below zero when more is owed than is there."""
    return free(wallet, at, merchant) - wallet.balance.debt


def pending(wallet: Wallet, at: datetime) -> int:
    """What was earned and cannot be spent yet at an instant."""
    return sum(lot.remaining for lot in wallet.lots.values() if lot.available_at > at)


def held(wallet: Wallet) -> int:
    """What holds hold."""
    return sum(lot.held for lot in wallet.lots.values())


def burn(
    wallet: Wallet, amount: int, at: datetime, merchant: str | None = None, *, hold: bool = False
) -> tuple[LotUse, ...]:
    """Take points from the lots that can be spent, in order, or have them hold them; the caller has checked that there
    are enough."""
    uses = []
    for lot in in_burn_order(spendable(wallet, at, merchant), wallet.balance):
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
    for at in _due_instants(wallet, now):
        due = [hold for hold in wallet.holds.values() if hold.state == "open" and hold.expires_at <= at]
        for hold in sorted(due, key=lambda hold: (hold.expires_at, hold.hold_id)):
            give_back(wallet, hold.uses, at)
            wallet.put_hold(replace(hold, state="expired", closed_at=at))
        past = [lot for lot in wallet.lots.values() if lot.remaining and expiry_of(lot, wallet.balance) <= at]
        for lot in in_burn_order(past, wallet.balance):
            expire(wallet, lot._replace(remaining=0, expired=lot.expired + lot.remaining), lot.remaining, at)
        pay_debt(wallet, at)


def _due_instants(wallet: Wallet, now: datetime) -> list[datetime]:
    """The instants up to `now` at which time does something to a wallet, in order."""
    balance = wallet.balance
    due = [hold.expires_at for hold in wallet.holds.values() if hold.state == "open"]
    due += [expiry_of(lot, balance) for lot in wallet.lots.values() if lot.remaining or lot.held]
    if balance.debt:
        due += [lot.available_at for lot in wallet.lots.values() if lot.remaining or lot.held]
    due += [clawback.taken_at for clawback in wallet.clawbacks.values() if clawback.owed]
    return sorted({at for at in due if at <= now})


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
