"""Spends, holds and their refunds."""

from datetime import timedelta
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from tests.points import builders
from tests.points.model.life import MERCHANTS, SHARES, TIMES, Life, picked, share_of
from tests.points.model.wallet import Wallet

ORDERS = st.sampled_from([200, 60, 20, 20, 0])
"""What an order comes to; 0 means that none is named."""
NAMES = st.sampled_from(["", "tea"])
"""What an order is called."""


class Spending(Life):
    """What a member does with its points in shops."""

    def _amounts(self, share: float, merchant: str, order: int, name: str) -> dict[str, int]:
        """As much of each wallet as a share of it; where that is limited, often what the limits just allow."""
        amounts = {code: share_of(wallet.available(merchant), share) for code, wallet in self.wallets.items()}
        wallet = self.wallets["rationed"]
        assert wallet.terms.limits is not None
        most = wallet.terms.limits.most(order, wallet.spent.get(wallet.today(), 0), wallet.for_order(name))
        if most >= 2 and share < 0.8:
            amounts["rationed"] = most if share < 0.5 else most + 2
        return amounts

    def _refused(self, wallet: Wallet, amount: int, order: int, name: str, merchant: str) -> str:
        limits = wallet.terms.limits
        today, for_order = wallet.spent.get(wallet.today(), 0), wallet.for_order(name)
        if limits and (reason := limits.refusal(amount, order, today, for_order)):
            return reason
        return "INSUFFICIENT_POINTS" if wallet.available(merchant) < amount else ""

    @precondition(Life.is_rich)
    @rule(share=SHARES, merchant=MERCHANTS, order=ORDERS, name=NAMES, times=TIMES)
    def spend(self, share: float, merchant: str, order: int, name: str, times: int) -> None:
        wanted = list(self._amounts(share, merchant, order, name).items()) * times
        told: dict[str, Any] = {"merchant": merchant, "order_minor": order, "reference": name}
        requests = [(code, builders.spend(self.me.member, amount, unit=code, **told)) for code, amount in wanted]
        for wallet, request, answer, refused in self.in_wallets("Spend", requests):
            amount = request.amount
            assert refused == self._refused(wallet, amount, order, name, merchant)
            if not refused:
                taken = wallet.spend(answer.spend_id, amount, merchant, name)
                assert [(part.lot_id, part.amount) for part in answer.lots] == [(p.lot.lot_id, p.amount) for p in taken]
                assert answer.balance_after == wallet.balance()

    @precondition(Life.is_rich)
    @rule(share=SHARES, hours=st.integers(1, 400), merchant=MERCHANTS, order=ORDERS, name=NAMES, times=TIMES)
    def hold(self, share: float, hours: int, merchant: str, order: int, name: str, times: int) -> None:
        until = self.now + timedelta(hours=hours)
        wanted = list(self._amounts(share, merchant, order, name).items()) * times
        told: dict[str, Any] = {"merchant": merchant, "order_minor": order, "reference": name}
        requests = [(code, builders.hold(self.me.member, n, until, unit=code, **told)) for code, n in wanted]
        for wallet, request, answer, refused in self.in_wallets("Hold", requests):
            amount = request.amount
            assert refused == self._refused(wallet, amount, order, name, merchant)
            if not refused:
                wallet.hold(answer.hold_id, amount, until, merchant, name)
                assert answer.available_after == wallet.available(merchant)

    def holds_of(self, share: float) -> dict[str, str]:
        """A hold of each unit that has one; those that offer gifts are the gifts'."""
        open_holds = {code: [h for h in sorted(w.holds) if h.startswith("hold_")] for code, w in self.wallets.items()}
        return {code: picked(holds, share) for code, holds in open_holds.items() if holds}

    @precondition(lambda self: self.holds_of(0))
    @rule(which=SHARES, share=SHARES)
    def capture(self, which: float, share: float) -> None:
        holds = self.holds_of(which).items()
        held = {hold_id: self.wallets[code].holds[hold_id].amount() for code, hold_id in holds}
        requests = [(code, builders.capture(hold_id, share_of(held[hold_id], share))) for code, hold_id in holds]
        for wallet, request, answer, refused in self.in_wallets("CaptureHold", requests):
            amount, there = request.amount, held[request.hold_id]
            assert refused == ("CAPTURE_EXCEEDS_HOLD" if amount > there else "")
            if not refused:
                wallet.capture(request.hold_id, answer.spend_id, amount)
                assert (answer.captured, answer.released) == (amount, there - amount)

    @precondition(lambda self: self.holds_of(0))
    @rule(which=SHARES, times=TIMES)
    def release(self, which: float, times: int) -> None:
        """One that is released already is not open any more."""
        holds = list(self.holds_of(which).items()) * times
        requests = [(code, builders.release(hold_id)) for code, hold_id in holds]
        for wallet, request, answer, refused in self.in_wallets("ReleaseHold", requests):
            assert refused == ("" if request.hold_id in wallet.holds else "HOLD_NOT_OPEN")
            if not refused:
                assert answer.expired == wallet.release(request.hold_id)

    @precondition(lambda self: self.holds_of(0))
    @rule(which=SHARES, hours=st.integers(1, 400))
    def extend(self, which: float, hours: int) -> None:
        code, hold_id = next(iter(self.holds_of(which).items()))
        hold = self.wallets[code].holds[hold_id]
        hold.until += timedelta(hours=hours)
        self.call("ExtendHold", builders.extend(hold_id, hold.until))

    @precondition(lambda self: any(wallet.spends for wallet in self.wallets.values()))
    @rule(which=SHARES, share=SHARES, times=TIMES)
    def refund(self, which: float, share: float, times: int) -> None:
        spends = {code: picked(sorted(w.spends), which) for code, w in self.wallets.items() if w.spends}
        wanted = {code: share_of(self.wallets[code].refundable(spends[code]), share) for code in spends}
        requests = [(code, builders.refund(spends[code], wanted[code])) for code in list(spends) * times]
        for wallet, request, answer, refused in self.in_wallets("RefundSpend", requests):
            amount = request.amount
            assert refused == ("REFUND_EXCEEDS_SPEND" if amount > wallet.refundable(request.spend_id) else "")
            if not refused:
                lots = [part.lot_id for part in answer.lots]
                assert answer.expired == wallet.refund(request.spend_id, amount, lots)
