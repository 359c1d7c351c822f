"""Decisions on adjustments: what has to be approved, by whom, and what it does to the wallet. Pure.

Each function changes the wallet that it is given, which is a copy. Sources: model.md "Points", "Adjust"; cases.md E76.
"""

from dataclasses import replace
from datetime import datetime

from services.chassis import ids
from services.chassis.errors import Rejection
from services.points.adjustments import errors
from services.points.errors import balance_out_of_range
from services.points.specs import MAX_AMOUNT
from services.points.units import Unit
from services.points.values import ADJUSTMENT, Adjustment, EntryKind, Lot
from services.points.wallet import Wallet
from services.points.wallets.lots import burn, open_lot, pay_debt, settle
from services.points.wallets.rules import insufficient

_LOT_ORDINAL = 1


def needs_approval(unit: Unit, amount: int) -> bool:
    """Whether an adjustment, up or down, is above the limit to which one caller may make it alone."""
    return abs(amount) > unit.spec.approval_above


def resolution_rejection(adjustment: Adjustment, approve: bool, caller: str) -> Rejection | None:
    """Why a caller cannot approve or reject an adjustment; None when it can. Who asked for it may withdraw it."""
    if adjustment.state != "proposed":
        return errors.adjustment_not_proposed(adjustment.state)
    if approve and caller == adjustment.requested_by:
        return errors.approval_by_requester(adjustment.requested_by)
    return None


def time_rejection(unit: Unit, effective_at: datetime | None, now: datetime) -> Rejection | None:
    """Why an adjustment cannot take effect at an instant; None when it can, or none is given."""
    if effective_at is None:
        return None
    if unit.is_spendable:
        return errors.POINTS_ARE_CORRECTED_NOW
    return errors.EFFECTIVE_IN_FUTURE if effective_at > now else None


def apply(wallet: Wallet, unit: Unit, adjustment: Adjustment, now: datetime) -> Adjustment | Rejection:
    """Correct the wallet: open a lot for what is added, or burn lots for what is taken. A score has no lots."""
    if not unit.is_spendable:
        return _apply_to_score(wallet, adjustment, now)
    settle(wallet, now)
    added, taken = max(0, adjustment.amount), max(0, -adjustment.amount)
    rejection = _add(wallet, unit, adjustment, now) if added else insufficient(wallet, taken, now)
    if rejection is not None:
        return rejection
    uses = burn(wallet, taken, now)
    wallet.book(EntryKind.ADJUST, adjustment.amount, ADJUSTMENT, now, adjustment.adjustment_id, adjustment.account_id)
    pay_debt(wallet, now)
    return replace(adjustment, state="applied", resolved_at=now, uses=uses)


def _apply_to_score(wallet: Wallet, adjustment: Adjustment, now: datetime) -> Adjustment | Rejection:
    """A score goes down to 0 at most; it counts when that was said, or now."""
    score = wallet.balance.balance
    if adjustment.amount < 0 and score + adjustment.amount < 0:
        return errors.score_below_zero(score, adjustment.amount)
    if score + adjustment.amount > MAX_AMOUNT:
        return balance_out_of_range(wallet.unit, score, adjustment.amount)
    counts_at = adjustment.effective_at or now
    source_id, account_id = adjustment.adjustment_id, adjustment.account_id
    wallet.book(EntryKind.ADJUST_SCORE, adjustment.amount, ADJUSTMENT, counts_at, source_id, account_id)
    return replace(adjustment, state="applied", resolved_at=now, effective_at=counts_at)


def _add(wallet: Wallet, unit: Unit, adjustment: Adjustment, now: datetime) -> Rejection | None:
    if wallet.balance.balance + adjustment.amount > MAX_AMOUNT:
        return balance_out_of_range(wallet.unit, wallet.balance.balance, adjustment.amount)
    expires_at, slides = unit.terms_from(now)
    open_lot(
        wallet,
        Lot(
            member_id=wallet.member_id,
            lot_id=ids.derived(adjustment.adjustment_id, _LOT_ORDINAL),
            unit=wallet.unit,
            amount=adjustment.amount,
            remaining=adjustment.amount,
            held=0,
            expired=0,
            available_at=now,
            expires_at=expires_at,
            funder=adjustment.funder,
            source_id=adjustment.adjustment_id,
            account_id=adjustment.account_id,
            slides=slides,
        ),
    )
    return None
