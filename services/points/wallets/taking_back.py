"""Taking back from a wallet what activities earned that came back. Pure. Sources: cases.md default 11, E4, E7."""

from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from services.chassis import ids
from services.chassis.errors import Rejection
from services.points import errors
from services.points.specs import MAX_AMOUNT
from services.points.values import CASH_DEDUCTION, FORGIVENESS, Clawback, EntryKind, Lot, LotUse, funder_account
from services.points.wallet import Wallet
from services.points.wallets.lots import burn, free, in_burn_order, settle

_CLAWBACK_ORDINAL = 1 << 20
"""From which ordinal on clawbacks have IDs derived from their activity's; its lots have the ones below."""


class Due(NamedTuple):
    """What is to be taken back of what one funder gave, and what of that its own lots had."""

    amount: int
    own: tuple[LotUse, ...]
    only_own: bool = False
    """What is lacking is owed: other lots of the wallet are somebody else's."""


def take_own(wallet: Wallet, activity_id: UUID, lot_id: UUID, due: int, taken: int, now: datetime) -> Due:
    """Take back from the lots of what an activity earned from one funder.

    They are the lot that was opened with it, and those in which refunds of spends restored that one's points. `due` is
    what is to be back by now, `taken` what was taken before. What of it expired unused is not taken twice.
    """
    settle(wallet, now)
    of_activity = [lot for lot in wallet.lots.values() if lot.source_id == activity_id]
    own = [lot for lot in of_activity if _origin(wallet, lot) == lot_id]
    amount = max(0, due - sum(lot.expired for lot in own) - taken)
    return Due(amount, _take_own(wallet, own, amount))


def claw_back(
    wallet: Wallet,
    activity_id: UUID,
    account_id: UUID,
    funder: str,
    due: Due,
    policy: str,
    number: int,
    now: datetime,
) -> Clawback | Rejection:
    """Take back what is due, the rest of it from other lots in order, then by the negative-balance policy.

    Each funder's own lots gave before anybody's rest is taken, so nobody's clawback takes what is another one's.
    `number` counts the activity's clawbacks from 0.
    """
    amount, uses, only_own = due
    if wallet.balance.balance - amount < -MAX_AMOUNT:
        return errors.balance_out_of_range(wallet.unit, wallet.balance.balance, -amount)
    left = amount - sum(use.amount for use in uses)
    if not only_own:
        uses += burn(wallet, min(left, free(wallet, now)), now)
    short = amount - sum(use.amount for use in uses)
    owed = short if policy == "allow-negative" else 0
    clawback = Clawback(
        ids.derived(activity_id, _CLAWBACK_ORDINAL + number),
        wallet.member_id,
        account_id,
        wallet.unit,
        activity_id,
        funder,
        amount,
        owed,
        now,
        uses,
    )
    if amount:
        wallet.book(EntryKind.CLAWBACK, -amount, funder_account(funder), now, activity_id, account_id)
        wallet.put_clawback(clawback)
        wallet.balance = wallet.balance._replace(debt=wallet.balance.debt + owed)
    if short and policy == "forgive":
        wallet.book(EntryKind.FORGIVE, short, FORGIVENESS, now, activity_id, account_id)
    elif short and policy == "deduct-from-cash":
        wallet.book(EntryKind.CASH_DEDUCTION, short, CASH_DEDUCTION, now, activity_id, account_id)
    return clawback


def _origin(wallet: Wallet, lot: Lot) -> UUID:
    """The lot whose points a lot has that refunds restored, maybe more than once: its own ID for any other one."""
    while lot.origin_lot is not None:
        lot = wallet.lots[lot.origin_lot]
    return lot.lot_id


def _take_own(wallet: Wallet, own: Iterable[Lot], amount: int) -> tuple[LotUse, ...]:
    """Take from an activity's own lots, whether or not they can be spent yet."""
    uses = []
    for lot in in_burn_order(own, wallet.balance):
        taken = min(amount, lot.remaining)
        if taken:
            wallet.put_lot(lot._replace(remaining=lot.remaining - taken))
            uses.append(LotUse(lot.lot_id, taken))
            amount -= taken
    return tuple(uses)


def take_score_back(
    wallet: Wallet, activity_id: UUID, account_id: UUID, funder: str, amount: int, now: datetime
) -> Rejection | None:
    """Take back what counted for a score: a score has no lots, and no policy that could soften it."""
    if wallet.balance.balance - amount < -MAX_AMOUNT:
        return errors.balance_out_of_range(wallet.unit, wallet.balance.balance, -amount)
    if amount:
        wallet.book(EntryKind.CLAWBACK, -amount, funder_account(funder), now, activity_id, account_id)
    return None
