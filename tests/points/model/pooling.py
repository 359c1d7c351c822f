"""Points that the member and its friend spend together."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from tests.points import builders
from tests.points.model.life import SHARES, Life, picked, share_of
from tests.points.model.wallet import Wallet

POOLED = ["never", "lasting"]
"""The member's own burn first, so it does not matter how lots of the friend are called."""


@dataclass
class Pooled:
    """A pooled spend: of which unit, and what both wallets gave to it."""

    code: str
    own: Any
    of_friend: Any


class Pooling(Life):
    """What a member spends together with its friend."""

    def get_ready(self) -> None:
        super().get_ready()
        self.group: UUID = self.run(self.shop.found(self.me.member, self.friend.member))
        self.pooled: dict[str, Pooled] = {}

    @precondition(Life.is_rich)
    @rule(share=SHARES, code=st.sampled_from(POOLED))
    def spend_together(self, share: float, code: str) -> None:
        wallet, friend = self.wallets[code], self.friend.wallets[code]
        own = max(0, wallet.available())
        there = own + max(0, friend.available())
        amount = share_of(there, share)
        group_id = builders.in_group(self.group)
        request = builders.spend(self.me.member, amount, unit=code, group_id=group_id)
        if amount > there:
            assert self.refusal("Spend", request) == "INSUFFICIENT_POINTS"
            return
        answer = self.call("Spend", request)
        given = {self.me.member.member_id: min(own, amount), self.friend.member.member_id: max(0, amount - own)}
        told = {one.member_id: one.amount for one in answer.contributions}
        assert told == {member_id: part for member_id, part in given.items() if part}
        for each, part in zip((wallet, friend), given.values(), strict=True):
            each.spend(answer.spend_id, part)
        spends = [each.spends.pop(answer.spend_id) for each in (wallet, friend)]
        self.pooled[answer.spend_id] = Pooled(code, *spends)
        assert answer.balance_after == wallet.balance()

    @precondition(lambda self: self.pooled)
    @rule(which=SHARES, share=SHARES)
    def refund_together(self, which: float, share: float) -> None:
        """What burnt last comes back first: the friend's."""
        spend_id = picked(sorted(self.pooled), which)
        pooled = self.pooled[spend_id]
        wallet, friend = self.wallets[pooled.code], self.friend.wallets[pooled.code]
        left = {"own": _left(pooled.own), "of friend": _left(pooled.of_friend)}
        amount = share_of(sum(left.values()), share)
        request = builders.refund(spend_id, amount)
        if amount > sum(left.values()):
            assert self.refusal("RefundSpend", request) == "REFUND_EXCEEDS_SPEND"
            return
        answer = self.call("RefundSpend", request)
        of_friend = min(amount, left["of friend"])
        lots = {one.member_id: [part.lot_id for part in one.lots] for one in answer.contributions}
        expired = _refund(friend, pooled.of_friend, of_friend, [p.lot.lot_id for p in _coming(pooled.of_friend)])
        expired += _refund(wallet, pooled.own, amount - of_friend, lots.get(self.me.member.member_id, []))
        told = (answer.refunded, answer.expired, answer.balance_after)
        assert told == (amount, expired, wallet.balance())


def _left(spent: Any) -> int:
    return sum(part.amount - part.refunded for part in spent.parts)


def _coming(spent: Any) -> list[Any]:
    """The parts of which something can come back, the last one first."""
    return [part for part in reversed(spent.parts) if part.amount > part.refunded]


def _refund(wallet: Wallet, spent: Any, amount: int, lots: list[str]) -> int:
    wallet.spends["pooled"] = spent
    expired = wallet.refund("pooled", amount, lots)
    del wallet.spends["pooled"]
    return expired
