"""Decisions on movements: granting, forfeiting, converting. Pure.

Each function changes the wallets it is given, which are copies, and returns its result or a rejection. Sources:
model.md "Points"; cases.md defaults 1, 6 and 10, E13.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from services.chassis import ids
from services.chassis.civil import civil_day, period_start
from services.chassis.errors import Rejection
from services.points import errors
from services.points.movements.conversions import Conversion
from services.points.movements.terms import Exchanged, Terms
from services.points.piles import NEVER, expiry_of
from services.points.shares import split
from services.points.units import Unit
from services.points.values import (
    FORFEITURE,
    CapKey,
    EntryKind,
    Lot,
    LotUse,
    Movement,
    exchange_account,
    funder_account,
)
from services.points.wallet import Wallet
from services.points.wallets.lots import available, burn, held, in_burn_order, open_lot, pay_debt, pending, settle
from services.points.wallets.rules import insufficient, too_much


class Granted(NamedTuple):
    """What granting did: the lot as it was opened."""

    grant: Movement
    lot: Lot


def grant(
    wallet: Wallet,
    unit: Unit,
    grant_id: UUID,
    account_id: UUID,
    domain: str,
    amount: int,
    funder: str,
    reference: str,
    expires_at: datetime | None,
    merchant: str | None,
    now: datetime,
) -> Granted | Rejection:
    """Open a lot that can be spent at once; what is owed is paid, unless only a merchant takes the lot."""
    if expires_at is not None and expires_at <= now:
        return errors.expiry_out_of_range(now)
    settle(wallet, now)
    rejection = too_much(wallet, unit, amount)
    if rejection is not None:
        return rejection
    expiry, slides = (expires_at, False) if expires_at is not None else unit.terms_from(now)
    lot = _new_lot(
        wallet, ids.derived(grant_id, 1), amount, expiry, slides, funder, grant_id, account_id, merchant, now
    )
    made = Movement(
        grant_id, wallet.member_id, account_id, domain, EntryKind.GRANT, wallet.unit, amount, now, reference
    )
    open_lot(wallet, lot)
    wallet.book(EntryKind.GRANT, amount, funder_account(funder), now, grant_id, account_id)
    wallet.movements.append(made)
    pay_debt(wallet, now)
    return Granted(made, lot)


def _new_lot(
    wallet: Wallet,
    lot_id: UUID,
    amount: int,
    expires_at: datetime | None,
    slides: bool,
    funder: str,
    source_id: UUID,
    account_id: UUID,
    merchant: str | None,
    now: datetime,
) -> Lot:
    return Lot(
        wallet.member_id,
        lot_id,
        wallet.unit,
        amount,
        amount,
        0,
        0,
        now,
        expires_at,
        funder,
        source_id,
        account_id,
        slides,
        merchant=merchant,
    )


def forfeit(
    wallet: Wallet, forfeit_id: UUID, amount: int, reason: str, reference: str, now: datetime
) -> Movement | Rejection | None:
    """Take what is there and not held, whether or not it can be spent yet, wherever; what a debt waits for stays.

    0 means all of it; None when that is nothing.
    """
    settle(wallet, now)
    there = max(0, sum(lot.remaining for lot in wallet.lots.values()) - wallet.balance.debt)
    if amount > there:
        return errors.insufficient_points(available(wallet, now), amount, held(wallet, now), pending(wallet, now))
    amount = amount or there
    if amount == 0:
        return None
    left, uses = amount, []
    for lot in in_burn_order(wallet.lots.values(), wallet.balance):
        taken = min(left, lot.remaining)
        if taken:
            wallet.put_lot(lot._replace(remaining=lot.remaining - taken, expired=lot.expired + taken))
            uses.append(LotUse(lot.lot_id, taken))
            left -= taken
    made = Movement(
        movement_id=forfeit_id,
        member_id=wallet.member_id,
        account_id=None,
        domain="",
        kind=EntryKind.FORFEIT,
        unit=wallet.unit,
        amount=amount,
        moved_at=now,
        reference=reference,
        reason=reason,
        uses=tuple(uses),
    )
    wallet.book(EntryKind.FORFEIT, -amount, FORFEITURE, now, forfeit_id, None)
    wallet.movements.append(made)
    return made


class Converted(NamedTuple):
    """What converting did: each part that was taken, and the lot it became (none where it came to less than one)."""

    conversion: Movement
    parts: Sequence[tuple[LotUse, Lot | None]]
    exchanged: Exchanged


def cap_key(code: str, terms: Terms, unit: Unit, member_id: UUID, at: datetime) -> CapKey | None:
    """The cap of a conversion at an instant, in civil periods of a unit's programme; None when it has none."""
    if terms.cap is None:
        return None
    return CapKey(member_id, f"conversion:{code}", period_start(civil_day(at, unit.zone), terms.cap.period))


def cap_rejection(terms: Terms, used: int, debited: int) -> Rejection | None:
    """Why a cap on which `used` is drawn already refuses a conversion; None when it does not."""
    if terms.cap is None or used + debited <= terms.cap.amount:
        return None
    limit = terms.cap.amount
    return errors.conversion_cap_exceeded(limit, max(0, limit - used), debited)


def convert(
    source: Wallet,
    target: Wallet,
    conversion: Conversion,
    conversion_id: UUID,
    account_id: UUID,
    domain: str,
    amount: int,
    reference: str,
    levels: Mapping[str, str],
    used: int,
    now: datetime,
) -> Converted | Rejection:
    """Take the least that makes as much as `amount` makes at the member's levels.

    `used` is drawn on the cap already; what this draws on it the caller counts.
    """
    exchanged = conversion.terms.exchange(amount, levels)
    if isinstance(exchanged, Rejection):
        return exchanged
    debited, credited = exchanged.debited, exchanged.credited
    settle(source, now)
    settle(target, now)
    rejection = insufficient(source, amount, now) or cap_rejection(conversion.terms, used, debited)
    rejection = rejection or too_much(target, conversion.target, credited)
    if rejection is not None:
        return rejection
    uses = burn(source, debited, now)
    source.book(EntryKind.CONVERT_OUT, -debited, exchange_account(conversion.code), now, conversion_id, account_id)
    lots = _lots_of(source, target, conversion, conversion_id, account_id, uses, credited, now)
    target.book(EntryKind.CONVERT_IN, credited, exchange_account(conversion.code), now, conversion_id, account_id)
    pay_debt(target, now)
    made = Movement(
        movement_id=conversion_id,
        member_id=source.member_id,
        account_id=account_id,
        domain=domain,
        kind=EntryKind.CONVERT_OUT,
        unit=source.unit,
        amount=debited,
        moved_at=now,
        reference=reference,
        conversion=conversion.code,
        credited=credited,
        uses=uses,
    )
    source.movements.append(made)
    return Converted(made, list(zip(uses, lots, strict=True)), exchanged)


def _lots_of(
    source: Wallet,
    target: Wallet,
    conversion: Conversion,
    conversion_id: UUID,
    account_id: UUID,
    uses: Sequence[LotUse],
    credited: int,
    now: datetime,
) -> list[Lot | None]:
    """Open a lot for each part that was taken, of the same funder; none for a part that comes to less than one."""
    lots: list[Lot | None] = []
    for number, (use, share) in enumerate(zip(uses, split(credited, [use.amount for use in uses]), strict=True), 1):
        if share == 0:
            lots.append(None)
            continue
        origin = source.lots[use.lot_id]
        expires_at, slides = _expiry_of_converted(conversion, expiry_of(origin, source.balance), now)
        lot_id = ids.derived(conversion_id, number)
        lot = _new_lot(target, lot_id, share, expires_at, slides, origin.funder, conversion_id, account_id, None, now)
        open_lot(target, lot)
        lots.append(lot)
    return lots


def _expiry_of_converted(conversion: Conversion, original: datetime, now: datetime) -> tuple[datetime | None, bool]:
    """When a lot made of one that expires at `original` does, and whether activity moves that."""
    if conversion.keeps_expiry:
        return (None if original == NEVER else original), False
    expires_at, slides = conversion.target.terms_from(now)
    return (expires_at, slides) if (expires_at or NEVER) <= original else (original, False)
