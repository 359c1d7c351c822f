"""Decisions on gifts: how much may be given, and what moves. Pure.

Each function changes the wallets that it is given, which are copies. Sources: model.md "Points", "Gift"; partitions.md
"Work that concerns two owners"; cases.md E9.
"""

from dataclasses import replace
from datetime import datetime, timedelta
from hashlib import blake2b
from uuid import UUID

from services.chassis import ids
from services.chassis.civil import civil_day, start_of_day
from services.chassis.errors import Rejection
from services.points.gifts import errors
from services.points.piles import NEVER, expiry_of
from services.points.specs import GiftSpec
from services.points.units import Unit
from services.points.values import CLEARING, GIFT_HOLDS, EntryKind, Gift, Hold, Lot, LotUse
from services.points.wallet import Wallet
from services.points.wallets.lots import burn, open_lot, pay_debt, settle
from services.points.wallets.rules import insufficient, place_hold, release, too_much

_HOLD_ORDINAL = 1
"""Which of the IDs derived from a gift's is the one of the hold that offers it."""


def hold_of(gift_id: UUID) -> UUID:
    """The hold of a gift that is offered."""
    return ids.derived(gift_id, _HOLD_ORDINAL)


def limit_rejection(spec: GiftSpec, amount: int, given_today: int) -> Rejection | None:
    """Why a member may not give so much, having given something on this civil day already; None when it may."""
    if amount < spec.minimum:
        return errors.gift_limit_exceeded("minimum", spec.minimum, amount)
    if spec.max_per_gift is not None and amount > spec.max_per_gift:
        return errors.gift_limit_exceeded("max_per_gift", spec.max_per_gift, amount)
    if spec.max_per_day is not None and given_today + amount > spec.max_per_day:
        return errors.gift_limit_exceeded("max_per_day", max(0, spec.max_per_day - given_today), amount)
    return None


def offer(giver: Wallet, unit: Unit, days: int, gift: Gift) -> Gift | Rejection:
    """Put the points aside until the receiver accepts: so many civil days, or until the first of their lots expires."""
    until = start_of_day(civil_day(gift.given_at, unit.zone) + timedelta(days=days), unit.zone)
    domain = GIFT_HOLDS + gift.domain
    hold = place_hold(
        giver, hold_of(gift.gift_id), gift.account_id, domain, gift.amount, gift.reference, until, gift.given_at
    )
    if isinstance(hold, Rejection):
        return hold
    until = min([until, *(expiry_of(giver.lots[use.lot_id], giver.balance) for use in hold.uses)])
    giver.put_hold(replace(hold, expires_at=until))
    return replace(gift, state="offered", expires_at=until)


def give(giver: Wallet, receiver: Wallet, unit: Unit, gift: Gift) -> Gift | Rejection:
    """Move the points at once."""
    now = gift.given_at
    settle(giver, now)
    rejection = insufficient(giver, gift.amount, now)
    if rejection is not None:
        return rejection
    return _move(giver, receiver, unit, gift, burn(giver, gift.amount, now), now)


def accept(giver: Wallet, receiver: Wallet, unit: Unit | None, gift: Gift, now: datetime) -> Gift | Rejection:
    """Move what was offered, also of a unit that is configured no more."""
    hold = _open_hold(giver, gift, now)
    if isinstance(hold, Rejection):
        return hold
    for use in hold.uses:
        lot = giver.lots[use.lot_id]
        giver.put_lot(lot._replace(held=lot.held - use.amount))
    giver.put_hold(replace(hold, state="captured", captured=hold.amount, closed_at=now))
    return _move(giver, receiver, unit, gift, hold.uses, now)


def cancel(giver: Wallet, gift: Gift, state: str, now: datetime) -> tuple[Gift, int] | Rejection:
    """Give back what was offered; returns what of it has expired meanwhile, too."""
    hold = _open_hold(giver, gift, now)
    if isinstance(hold, Rejection):
        return hold
    released = release(giver, hold.hold_id, now)
    if isinstance(released, Rejection):
        return released
    return replace(gift, state=state, closed_at=now), released.expired


def state_at(gift: Gift, now: datetime) -> str:
    """How far a gift is at an instant: an offer that nobody accepted expires without anybody's doing."""
    is_over = gift.state == "offered" and gift.expires_at is not None and gift.expires_at <= now
    return "expired" if is_over else gift.state


def _open_hold(giver: Wallet, gift: Gift, now: datetime) -> Hold | Rejection:
    """The hold of a gift that can still be accepted."""
    settle(giver, now)
    state = state_at(gift, now)
    return giver.holds[hold_of(gift.gift_id)] if state == "offered" else errors.gift_not_open(state)


def _move(
    giver: Wallet, receiver: Wallet, unit: Unit | None, gift: Gift, uses: tuple[LotUse, ...], now: datetime
) -> Gift | Rejection:
    """Both halves: what leaves the giver's lots arrives in lots of the receiver's, of the same funders and expiries."""
    settle(receiver, now)
    rejection = too_much(receiver, unit, gift.amount)
    if rejection is not None:
        return rejection
    giver.book(EntryKind.GIFT_OUT, -gift.amount, CLEARING, now, gift.gift_id, gift.account_id)
    for number, use in enumerate(uses):
        lot = giver.lots[use.lot_id]
        open_lot(receiver, _received(lot, expiry_of(lot, giver.balance), use.amount, gift, number, now))
    receiver.book(EntryKind.GIFT_IN, gift.amount, CLEARING, now, gift.gift_id, gift.to_account_id)
    pay_debt(receiver, now)
    return replace(gift, state="accepted", closed_at=now, uses=uses)


def _received(lot: Lot, gone_at: datetime, amount: int, gift: Gift, number: int, now: datetime) -> Lot:
    """The receiver's lot for a part of one of the giver's, which it outlives only where it slides."""
    return lot._replace(
        member_id=gift.to_member_id,
        lot_id=received_lot(gift, number),
        amount=amount,
        remaining=amount,
        held=0,
        expired=0,
        available_at=now,
        expires_at=None if gone_at == NEVER else gone_at,
        source_id=gift.gift_id,
        account_id=gift.to_account_id,
        origin_lot=None,
    )


def received_lot(gift: Gift, number: int) -> UUID:
    """The ID of the receiver's lot for the use of that number, from 0."""
    name = f"{gift.gift_id} {number}".encode()
    return ids.hashed(blake2b(name, digest_size=16).digest(), ids.routing_of(gift.to_member_id))
