"""Decisions on what members of a group spend together. Pure.

Each function changes the wallets that it is given, which are copies. Sources: model.md "Operations", "group pooling";
partitions.md "Work that concerns two owners".
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from hashlib import blake2b
from itertools import groupby
from operator import itemgetter
from typing import Any, Generic, NamedTuple, Protocol, TypeVar
from uuid import UUID

from services.chassis import ids
from services.chassis.errors import Rejection
from services.points import errors
from services.points.groups.values import Contribution, PooledSpend
from services.points.piles import place_of
from services.points.units import Unit
from services.points.values import Lot, LotUse, Spend
from services.points.wallet import Wallet
from services.points.wallets import rules as wallet_rules
from services.points.wallets.limits import share_returned
from services.points.wallets.lots import available, held, pending, spendable


class Use(Protocol):
    """What was used of a lot."""

    @property
    def lot_id(self) -> UUID:
        """The lot."""

    @property
    def amount(self) -> int:
        """How much."""


UseOfLot = TypeVar("UseOfLot", bound=Use)


class Part(NamedTuple, Generic[UseOfLot]):
    """A contribution, and the lots that it took from, or that it gave back to."""

    contribution: Contribution
    uses: Sequence[UseOfLot]


def contributed_id(pooled_spend_id: UUID, member_id: UUID) -> UUID:
    """The spend of one wallet for a pooled spend."""
    name = pooled_spend_id.bytes + member_id.bytes
    return ids.hashed(blake2b(name, digest_size=16).digest(), ids.routing_of(member_id))


def given_by(wallet: Wallet, at: datetime, merchant: str | None = None) -> int:
    """What a wallet that is settled gives to its group: what it owes, nobody else pays."""
    return max(0, available(wallet, at, merchant))


def given_by_person(wallets: Iterable[Wallet], at: datetime, merchant: str | None = None) -> int:
    """What the wallets of one person give together: what one of them owes, the others pay."""
    return max(0, sum(available(wallet, at, merchant) for wallet in wallets))


def spend(
    wallets: Sequence[Wallet], owned: int, order: str, wanted: PooledSpend, merchant: str | None, now: datetime
) -> tuple[PooledSpend, list[Part[LotUse]]] | Rejection:
    """Burn lots of wallets that are settled, the first `owned` being those of who spends; each books its own spend.

    `wanted` is the spend without contributions.
    """
    there = {wallet.member_id: given_by(wallet, now, merchant) for wallet in wallets}
    if sum(there.values()) < wanted.amount:
        waiting = sum(pending(wallet, now) for wallet in wallets)
        kept = sum(held(wallet, now) for wallet in wallets)
        return errors.insufficient_points(sum(there.values()), wanted.amount, kept, waiting)
    burnt = _burnt(
        _in_order(wallets, owned if order == "own-first" else len(wallets), merchant, now), there, wanted.amount
    )
    due = defaultdict[UUID, int](int)
    for member_id, used in burnt:
        due[member_id] += used
    for wallet in wallets:
        if amount := due[wallet.member_id]:
            _spend_own(wallet, wanted, amount, merchant, now)
    contributions = tuple(
        Contribution(member_id, contributed_id(wanted.spend_id, member_id), sum(used for _, used in run))
        for member_id, run in groupby(burnt, key=lambda one: one[0])
    )
    uses = {own.spend_id: own.uses for wallet in wallets for own in wallet.spends}
    return replace(wanted, contributions=contributions), parts_of(contributions, uses)


def _in_order(wallets: Sequence[Wallet], first: int, merchant: str | None, now: datetime) -> list[Lot]:
    """The lots of all in the order in which they burn: by expiry as if they were one wallet's, those of the `first`
    wallets before the others. Of lots that are alike one wallet's burn before the next one's."""
    placed: list[tuple[tuple[Any, ...], Lot]] = []
    for number, wallet in enumerate(wallets):
        is_later = number >= first
        for lot in spendable(wallet, now, merchant):
            expires_at, available_at, lot_id = place_of(lot, wallet.balance)
            place = (is_later, lot.merchant is None, expires_at, available_at, number, lot_id)
            placed.append((place, lot))
    placed.sort(key=itemgetter(0))
    return [lot for _, lot in placed]


def _burnt(lots: Iterable[Lot], there: Mapping[UUID, int], amount: int) -> list[tuple[UUID, int]]:
    """Whose points burn, in order: of no wallet more than it gives."""
    left, burnt = dict(there), []
    for lot in lots:
        used = min(amount, lot.remaining, left[lot.member_id])
        if used:
            burnt.append((lot.member_id, used))
            left[lot.member_id] -= used
            amount -= used
    return burnt


def _spend_own(wallet: Wallet, pooled: PooledSpend, amount: int, merchant: str | None, now: datetime) -> None:
    """Book what one wallet gives as a spend of its own, which is named after the pooled one."""
    spent = wallet_rules.spend(
        wallet,
        contributed_id(pooled.spend_id, wallet.member_id),
        pooled.account_id,
        pooled.domain,
        amount,
        ids.encode("spend", pooled.spend_id),
        now,
        merchant,
        pooled_spend_id=pooled.spend_id,
    )
    assert isinstance(spent, Spend), "no more than the wallet gives"


def parts_of(contributions: Sequence[Contribution], uses: Mapping[UUID, Sequence[UseOfLot]]) -> list[Part[UseOfLot]]:
    """Contributions with their lots; `uses` are those of the wallets' spends, by spend. None is of two of them."""
    coming = {spend_id: iter(used) for spend_id, used in uses.items()}
    parts = []
    for contribution in contributions:
        own, amount = [], contribution.amount
        while amount > 0:
            own.append(next(coming[contribution.spend_id]))
            amount -= own[-1].amount
        parts.append(Part(contribution, own))
    return parts


class PoolRefunded(NamedTuple):
    """What refunding a pooled spend did: the spend as it becomes, and by member, in order, what came back."""

    pooled: PooledSpend
    amount: int
    expired: int
    parts: Sequence[Part[LotUse]]


def refund(
    wallets: Mapping[UUID, Wallet],
    spends: Mapping[UUID, Spend],
    unit: Unit | None,
    pooled: PooledSpend,
    amount: int,
    now: datetime,
) -> PoolRefunded | Rejection:
    """Give back to the very lots of the very members, last burnt first; 0 means all that is left.

    `wallets` and `spends` are those of the members who contributed.
    """
    refundable = pooled.amount - pooled.refunded
    amount = amount or refundable
    if amount > refundable or amount == 0:
        return errors.refund_exceeds_spend(refundable, amount)
    contributions, due = _given_back(pooled.contributions, amount)
    expired, parts = 0, []
    for member_id, given in due.items():
        spent = spends[member_id]
        refunded = wallet_rules.refund(wallets[member_id], unit, spent, given, now)
        if isinstance(refunded, Rejection):
            return refunded
        expired += refunded.expired
        back = Contribution(member_id, spent.spend_id, given, spent.refunded + given)
        parts.append(Part(back, refunded.uses))
    changed = replace(pooled, refunded=pooled.refunded + amount, contributions=contributions)
    return PoolRefunded(changed, amount, expired, parts)


def _given_back(contributions: Sequence[Contribution], amount: int) -> tuple[tuple[Contribution, ...], dict[UUID, int]]:
    """Contributions as a refund leaves them, and how much each member gets, in the order in which points go back."""
    changed, due = list(contributions), defaultdict[UUID, int](int)
    for number, one in reversed(list(enumerate(contributions))):
        given = min(amount, one.amount - one.refunded)
        if given:
            changed[number] = one._replace(refunded=one.refunded + given)
            due[one.member_id] += given
            amount -= given
    return tuple(changed), dict(due)


def refund_returned(
    wallets: Mapping[UUID, Wallet],
    spends: Mapping[UUID, Spend],
    unit: Unit | None,
    pooled: PooledSpend,
    returned: int,
    now: datetime,
) -> PoolRefunded | Rejection:
    """Give back what belongs to the part of the order that is returned; that may be nothing yet."""
    share = share_returned(pooled, returned)
    if isinstance(share, Rejection):
        return share
    due, order_returned = share
    pooled = replace(pooled, order_returned=order_returned)
    return refund(wallets, spends, unit, pooled, due, now) if due else PoolRefunded(pooled, 0, 0, ())
