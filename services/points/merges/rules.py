"""What the wallets of one person have in common. Pure.

A merge moves nothing: every wallet stays what it is, so an unmerge has little to give back. Whoever spends draws on all
wallets of the person in the order in which lots burn; what another wallet contributes is brought over first, lot by
lot, with its expiry, funder and account. Sources: model.md "Merge", "Unmerge"; partitions.md "Merge"; E64, E71.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from hashlib import blake2b
from uuid import UUID

from services.chassis import ids
from services.points.merges.values import ScorePart
from services.points.piles import NEVER, expiry_of
from services.points.values import CLEARING, UNTIL_COMPLETED, EntryKind, Lot, LotUse, Movement
from services.points.wallet import Wallet
from services.points.wallets.lots import burn, free, in_burn_order, open_lot, pay_debt, settle, spendable

Chosen = tuple[Wallet, Lot]
"""A lot, and the wallet that it is in."""


def bring_over(
    wallet: Wallet, others: Sequence[Wallet], amount: int | None, merchant: str | None, by: UUID, at: datetime
) -> None:
    """Let a wallet have what of an amount the person's other wallets are to contribute; None means all that they have.

    What one of them owes is paid by whichever has something. `by` is what the points are wanted for: the IDs of what
    moves follow from it. The wallet keeps those that changed in `others`.
    """
    wallets = (wallet, *others)
    for each in wallets:
        settle(each, at)
    owed = sum(each.balance.debt for each in wallets)
    left = None if amount is None else amount + owed
    taken: dict[UUID, list[LotUse]] = {}
    for where, lot in _in_burn_order(wallets, at, merchant, with_pending=amount is None):
        used = lot.remaining if left is None else min(left, lot.remaining)
        if used and where is not wallet:
            where.put_lot(lot._replace(remaining=lot.remaining - used))
            taken.setdefault(where.member_id, []).append(LotUse(lot.lot_id, used))
        if left is not None:
            left -= used
            if left == 0:
                break
    for other in others:
        if uses := taken.get(other.member_id):
            move(other, wallet, uses, by, at)
    for other in others:
        due = min(other.balance.debt, free(wallet, at))
        if due:
            move(wallet, other, burn(wallet, due, at), by, at)
    wallet.others = changed(others)


def changed(others: Iterable[Wallet]) -> tuple[Wallet, ...]:
    """Those of some wallets that are to be written."""
    return tuple(other for other in others if other.entries or other.changed_lots or other.changed_holds)


def burn_of_account(wallet: Wallet, account_id: UUID, amount: int, at: datetime) -> tuple[LotUse, ...]:
    """Take an amount from what came through an account, as far as it is there and can be spent."""
    uses = []
    for lot in [lot for lot in spendable(wallet, at) if lot.account_id == account_id]:
        used = min(amount, lot.remaining)
        if used:
            wallet.put_lot(lot._replace(remaining=lot.remaining - used))
            uses.append(LotUse(lot.lot_id, used))
            amount -= used
    return tuple(uses)


def lend(
    wallet: Wallet, other: Wallet, amount: int, account_id: UUID, by: UUID, at: datetime, *, with_rest: bool = False
) -> tuple[LotUse, ...]:
    """Take an amount back from another wallet, through one from which it is due: its uses.

    As far as the other one has it through an account; `with_rest` also from what it has beside that.
    """
    settle(other, at)
    lent = min(amount, free(other, at))
    uses = burn_of_account(other, account_id, lent, at)
    if with_rest:
        uses += burn(other, lent - sum(use.amount for use in uses), at)
    if not uses:
        return ()
    lots = _pass_on(other, wallet, uses, by, at)
    for lot in lots:
        wallet.put_lot(lot._replace(remaining=0))
    return tuple(LotUse(lot.lot_id, lot.amount) for lot in lots)


def _in_burn_order(
    wallets: Iterable[Wallet], at: datetime, merchant: str | None, *, with_pending: bool
) -> list[Chosen]:
    """The lots of several wallets in the order in which they burn."""

    def lots(wallet: Wallet) -> Iterable[Lot]:
        if with_pending:
            return in_burn_order((lot for lot in wallet.lots.values() if lot.remaining), wallet.balance)
        return list(spendable(wallet, at, merchant))

    chosen = [(wallet, lot) for wallet in wallets for lot in lots(wallet)]
    return sorted(chosen, key=_burns_at)


def _burns_at(chosen: Chosen) -> tuple[bool, datetime, datetime, UUID]:
    wallet, lot = chosen
    return lot.merchant is None, expiry_of(lot, wallet.balance), lot.available_at, lot.lot_id


def move(source: Wallet, target: Wallet, uses: Sequence[LotUse], by: UUID, at: datetime) -> None:
    """Move what was taken from lots of one wallet to another one of the person, or of who is none any more.

    Each half is a balanced movement through the clearing account. The lots keep their terms and their accounts.
    """
    _pass_on(source, target, uses, by, at)
    pay_debt(target, at)


def _pass_on(source: Wallet, target: Wallet, uses: Sequence[LotUse], by: UUID, at: datetime) -> list[Lot]:
    """Move what was taken from lots; returns those that were opened for it."""
    amount = sum(use.amount for use in uses)
    out_id, in_id = _movement_id(by, source, target, source), _movement_id(by, source, target, target)
    source.book(EntryKind.MERGE_OUT, -amount, CLEARING, at, out_id, None)
    source.movements.append(
        Movement(out_id, source.member_id, None, "", EntryKind.MERGE_OUT, source.unit, amount, at, "", uses=tuple(uses))
    )
    lots = [_received(source, use, target, in_id, number) for number, use in enumerate(uses, 1)]
    for lot in lots:
        open_lot(target, lot)
    target.book(EntryKind.MERGE_IN, amount, CLEARING, at, in_id, None)
    target.movements.append(
        Movement(in_id, target.member_id, None, "", EntryKind.MERGE_IN, target.unit, 0, at, "", credited=amount)
    )
    return lots


def _received(source: Wallet, use: LotUse, target: Wallet, in_id: UUID, number: int) -> Lot:
    lot = source.lots[use.lot_id]
    gone_at = expiry_of(lot, source.balance)
    return lot._replace(
        member_id=target.member_id,
        lot_id=ids.derived(in_id, number),
        amount=use.amount,
        remaining=use.amount,
        held=0,
        expired=0,
        expires_at=None if gone_at == NEVER else gone_at,
        source_id=in_id,
        origin_lot=None,
    )


def _movement_id(by: UUID, source: Wallet, target: Wallet, of: Wallet) -> UUID:
    """The ID of one half of a movement; in one decision points move at most once from one wallet to another."""
    name = b"".join((by.bytes, source.member_id.bytes, target.member_id.bytes, of.member_id.bytes, of.unit.encode()))
    return ids.hashed(blake2b(name, digest_size=16).digest(), ids.routing_of(of.member_id))


def take(wallet: Wallet, belongs: Callable[[Lot], bool]) -> tuple[LotUse, ...]:
    """Take from a wallet all that is in lots which belong to somebody else, but what holds hold, and what waits for an
    activity to be completed, which finds it where it was."""
    uses = []
    lots = (lot for lot in wallet.lots.values() if lot.remaining and lot.available_at != UNTIL_COMPLETED)
    for lot in in_burn_order(filter(belongs, lots), wallet.balance):
        wallet.put_lot(lot._replace(remaining=0))
        uses.append(LotUse(lot.lot_id, lot.remaining))
    return tuple(uses)


def move_debts(source: Wallet, target: Wallet, is_theirs: Callable[[UUID], bool], by: UUID, at: datetime) -> None:
    """What is owed because of activities of accounts goes with them: a receivable moves as points do."""
    for number, clawback in enumerate(sorted(source.clawbacks.values(), key=lambda each: each.clawback_id), 1):
        if not clawback.owed or not is_theirs(clawback.account_id):
            continue
        owed = clawback.owed
        source.put_clawback(replace(clawback, owed=0))
        source.balance = source.balance._replace(debt=source.balance.debt - owed)
        source.book(EntryKind.MERGE_IN, owed, CLEARING, at, clawback.activity_id, clawback.account_id)
        moved_id = ids.derived(_movement_id(by, source, target, target), _CLAWBACK_ORDINAL + number)
        target.put_clawback(
            replace(clawback, clawback_id=moved_id, member_id=target.member_id, amount=owed, owed=owed, uses=())
        )
        target.balance = target.balance._replace(debt=target.balance.debt + owed)
        target.book(EntryKind.MERGE_OUT, -owed, CLEARING, at, clawback.activity_id, clawback.account_id)
    pay_debt(target, at)


_CLAWBACK_ORDINAL = 1 << 20
"""From which ordinal on clawbacks have IDs derived from a movement's; its lots have the ones below."""


def move_score(source: Wallet, target: Wallet, part: ScorePart, by: UUID) -> None:
    """What counted through an account goes with it, and counts when it did."""
    moved_id = _movement_id(by, source, target, target)
    source.book(EntryKind.MERGE_OUT, -part.amount, CLEARING, part.at, moved_id, part.account_id)
    target.book(EntryKind.MERGE_IN, part.amount, CLEARING, part.at, moved_id, part.account_id)
