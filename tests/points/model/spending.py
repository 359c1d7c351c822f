"""Spends, holds and their refunds."""

from datetime import timedelta
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from tests.points import builders
from tests.points.model.life import MERCHANTS, SHARES, Life, picked, share_of
from tests.points.model.wallet import Wallet

ORDERS = st.sampled_from([200, 200, 60, 0])
"""What an order comes to; 0 means that none is named."""


class Spending(Life):
    """What a member does with its points in shops."""

    def _amounts(self, share: float, merchant: str, order: int) -> dict[str, int]:
        """As much of each wallet as a share of it; where that is limited, often what the limits just allow."""
        amounts = {code: share_of(wallet.available(merchant), share) for code, wallet in self.wallets.items()}
        wallet = self.wallets["rationed"]
        assert wallet.terms.limits is not None
        most = wallet.terms.limits.most(order, wallet.spent.get(wallet.today(), 0))
        if most >= 2 and share < 0.8:
            amounts["rationed"] = most if share < 0.5 else most + 2
        return amounts

    def _refused(self, wallet: Wallet, amount: int, order: int, merchant: str) -> str:
        limits = wallet.terms.limits
        if limits and (reason := limits.refusal(amount, order, wallet.spent.get(wallet.today(), 0))):
            return reason
        return "INSUFFICIENT_POINTS" if wallet.available(merchant) < amount else ""

    @precondition(Life.is_rich)
    @rule(share=SHARES, merchant=MERCHANTS, order=ORDERS)
    def spend(self, share: float, merchant: str, order: int) -> None:
        amounts = self._amounts(share, merchant, order)
        told = {"merchant": merchant, "order_minor": order}
        requests = {code: builders.spend(self.member, amount, unit=code, **told) for code, amount in amounts.items()}
        for code, wallet, answer, refused in self.in_each_unit("Spend", requests):
            amount = amounts[code]
            assert refused == self._refused(wallet, amount, order, merchant)
            if not refused:
                taken = wallet.spend(answer.spend_id, amount, merchant)
                assert [(part.lot_id, part.amount) for part in answer.lots] == [(p.lot.lot_id, p.amount) for p in taken]
                assert answer.balance_after == wallet.balance()

    @precondition(Life.is_rich)
    @rule(share=SHARES, hours=st.integers(1, 400), merchant=MERCHANTS, order=ORDERS)
    def hold(self, share: float, hours: int, merchant: str, order: int) -> None:
        until = self.now + timedelta(hours=hours)
        amounts = self._amounts(share, merchant, order)
        told: dict[str, Any] = {"merchant": merchant, "order_minor": order}
        requests = {code: builders.hold(self.member, n, until, unit=code, **told) for code, n in amounts.items()}
        for code, wallet, answer, refused in self.in_each_unit("Hold", requests):
            amount = amounts[code]
            assert refused == self._refused(wallet, amount, order, merchant)
            if not refused:
                wallet.hold(answer.hold_id, amount, until, merchant)
                assert answer.available_after == wallet.available(merchant)

    def _holds(self, share: float) -> dict[str, str]:
        """A hold of each unit that has one; those that offer gifts are the gifts'."""
        open_holds = {code: [h for h in sorted(w.holds) if h.startswith("hold_")] for code, w in self.wallets.items()}
        return {code: picked(holds, share) for code, holds in open_holds.items() if holds}

    @precondition(lambda self: self._holds(0))
    @rule(which=SHARES, share=SHARES)
    def capture(self, which: float, share: float) -> None:
        holds = self._holds(which)
        held = {code: self.wallets[code].holds[hold_id].amount() for code, hold_id in holds.items()}
        requests = {code: builders.capture(h, share_of(held[code], share)) for code, h in holds.items()}
        for code, wallet, answer, refused in self.in_each_unit("CaptureHold", requests):
            amount = requests[code].amount
            assert refused == ("CAPTURE_EXCEEDS_HOLD" if amount > held[code] else "")
            if not refused:
                wallet.capture(holds[code], answer.spend_id, amount)
                assert (answer.captured, answer.released) == (amount, held[code] - amount)

    @precondition(lambda self: self._holds(0))
    @rule(which=SHARES)
    def release(self, which: float) -> None:
        holds = self._holds(which)
        requests = {code: builders.release(hold_id) for code, hold_id in holds.items()}
        for code, wallet, answer, refused in self.in_each_unit("ReleaseHold", requests):
            assert not refused
            assert answer.expired == wallet.release(holds[code])

    @precondition(lambda self: self._holds(0))
    @rule(which=SHARES, hours=st.integers(1, 400))
    def extend(self, which: float, hours: int) -> None:
        code, hold_id = next(iter(self._holds(which).items()))
        hold = self.wallets[code].holds[hold_id]
        hold.until += timedelta(hours=hours)
        self.call("ExtendHold", builders.extend(hold_id, hold.until))

    @precondition(lambda self: any(wallet.spends for wallet in self.wallets.values()))
    @rule(which=SHARES, share=SHARES)
    def refund(self, which: float, share: float) -> None:
        spends = {code: picked(sorted(w.spends), which) for code, w in self.wallets.items() if w.spends}
        left = {code: self.wallets[code].refundable(spend_id) for code, spend_id in spends.items()}
        requests = {code: builders.refund(s, share_of(left[code], share)) for code, s in spends.items()}
        for code, wallet, answer, refused in self.in_each_unit("RefundSpend", requests):
            amount = requests[code].amount
            assert refused == ("REFUND_EXCEEDS_SPEND" if amount > left[code] else "")
            if not refused:
                lots = [part.lot_id for part in answer.lots]
                assert answer.expired == wallet.refund(spends[code], amount, lots)
