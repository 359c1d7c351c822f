"""Decisions on conversions with partners: what is put aside, and what moves when the partner's answer is known. Pure.

Each function changes the wallet that it is given, which is a copy. Sources: model.md "two-phase when a partner is
outside"; cases.md E14.
"""

from dataclasses import replace
from datetime import datetime
from uuid import UUID

from services.chassis import ids
from services.chassis.errors import Rejection
from services.points.errors import amount_out_of_range, balance_out_of_range
from services.points.movements.rules import cap_key, cap_rejection
from services.points.partners.exchanges import Exchange
from services.points.partners.values import PARTNER_HOLDS, UNTIL_ANSWERED, Answer, PartnerConversion, State
from services.points.specs import MAX_AMOUNT
from services.points.units import Unit
from services.points.values import CapKey, EntryKind, Lot, partner_account
from services.points.wallet import Wallet
from services.points.wallets.lots import open_lot, pay_debt, settle
from services.points.wallets.rules import MAX_HOLD, insufficient, place_hold, release, too_much

_HOLD_ORDINAL, _LOT_ORDINAL = 1, 2
"""Which of the IDs derived from a conversion's is the hold's for what goes out, and the lot's that comes in."""


def hold_of(partner_conversion_id: UUID) -> UUID:
    """The hold of what goes out."""
    return ids.derived(partner_conversion_id, _HOLD_ORDINAL)


def cap_of(exchange: Exchange, member_id: UUID, at: datetime) -> CapKey | None:
    """The cap of a conversion with a partner, in civil periods of our unit's programme."""
    return cap_key(exchange.code, exchange.terms, exchange.unit, member_id, at)


def capped(conversion: PartnerConversion) -> int:
    """What a conversion draws on its cap: what is converted from."""
    return conversion.partner_amount if conversion.incoming else conversion.amount


def start(
    wallet: Wallet, exchange: Exchange, wanted: PartnerConversion, asked: int, used: int
) -> PartnerConversion | Rejection:
    """Put aside what goes out; of what comes in only see that it may. `asked` was to be converted, `used` is drawn on
    the cap already; what this draws on it the caller counts."""
    if wanted.partner_amount > MAX_AMOUNT:
        return amount_out_of_range(f"the amount of {wanted.partner_unit}", amount=wanted.partner_amount)
    now = wanted.started_at
    settle(wallet, now)
    rejection = None if wanted.incoming else insufficient(wallet, asked, now)
    rejection = rejection or cap_rejection(exchange.terms, used, capped(wanted))
    if wanted.incoming:
        rejection = rejection or too_much(wallet, exchange.unit, wanted.amount)
    if rejection is not None:
        return rejection
    return wanted if wanted.incoming else _held(wallet, wanted, now)


def _held(wallet: Wallet, wanted: PartnerConversion, now: datetime) -> PartnerConversion | Rejection:
    """What goes out is held until the partner has answered, however long that takes."""
    hold = place_hold(
        wallet,
        hold_of(wanted.partner_conversion_id),
        wanted.account_id,
        PARTNER_HOLDS + wanted.domain,
        wanted.amount,
        wanted.reference,
        now + MAX_HOLD,
        now,
    )
    if isinstance(hold, Rejection):
        return hold
    wallet.put_hold(replace(hold, expires_at=UNTIL_ANSWERED))
    return wanted


def answered(
    wallet: Wallet, unit: Unit | None, conversion: PartnerConversion, answer: Answer, now: datetime
) -> PartnerConversion | Rejection:
    """An open conversion as the partner's answer leaves it, also of a unit or for a member that is no more in use."""
    if answer.state is State.UNKNOWN:
        return replace(conversion, state=State.UNKNOWN)
    closed = replace(conversion, state=answer.state, closed_at=now, booking=answer.booking, reason=answer.reason)
    if answer.state is State.DONE:
        return _take_in(wallet, unit, closed, now) if conversion.incoming else _give_out(wallet, closed, now)
    if conversion.incoming:
        return closed
    released = release(wallet, hold_of(conversion.partner_conversion_id), now)
    return released if isinstance(released, Rejection) else closed


def _give_out(wallet: Wallet, conversion: PartnerConversion, now: datetime) -> PartnerConversion:
    """What was held leaves its lots."""
    settle(wallet, now)
    hold = wallet.holds[hold_of(conversion.partner_conversion_id)]
    for use in hold.uses:
        lot = wallet.lots[use.lot_id]
        wallet.put_lot(lot._replace(held=lot.held - use.amount))
    wallet.put_hold(replace(hold, state="captured", captured=hold.amount, closed_at=now))
    _book(wallet, EntryKind.PARTNER_OUT, -conversion.amount, conversion, now)
    return replace(conversion, uses=hold.uses)


def _take_in(
    wallet: Wallet, unit: Unit | None, conversion: PartnerConversion, now: datetime
) -> PartnerConversion | Rejection:
    """A lot of what the partner took. Its promise is given: a limit of the unit does not stand in its way any more."""
    settle(wallet, now)
    if wallet.balance.balance + conversion.amount > MAX_AMOUNT:
        return balance_out_of_range(wallet.unit, wallet.balance.balance, conversion.amount)
    expires_at, slides = (None, False) if unit is None else unit.terms_from(now)
    open_lot(
        wallet,
        Lot(
            member_id=wallet.member_id,
            lot_id=ids.derived(conversion.partner_conversion_id, _LOT_ORDINAL),
            unit=wallet.unit,
            amount=conversion.amount,
            remaining=conversion.amount,
            held=0,
            expired=0,
            available_at=now,
            expires_at=expires_at,
            funder=conversion.funder,
            source_id=conversion.partner_conversion_id,
            account_id=conversion.account_id,
            slides=slides,
        ),
    )
    _book(wallet, EntryKind.PARTNER_IN, conversion.amount, conversion, now)
    pay_debt(wallet, now)
    return conversion


def _book(wallet: Wallet, kind: EntryKind, amount: int, conversion: PartnerConversion, now: datetime) -> None:
    counterparty, source_id = partner_account(conversion.partner), conversion.partner_conversion_id
    wallet.book(kind, amount, counterparty, now, source_id, conversion.account_id)
