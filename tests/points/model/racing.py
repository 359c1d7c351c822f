"""Calls that are sent together: each is decided as if they had come in one order or another, and no other way."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from tests.points import builders
from tests.points.model.activities import Activities
from tests.points.model.giving import Giving
from tests.points.model.life import SHARES, Life, Verdict, picked, share_of
from tests.points.model.spending import Spending
from tests.points.model.units import UNITS

UNLIMITED = [code for code in UNITS if code != "rationed"]
"""Units that may be spent in any amounts."""


class Racing(Spending, Activities, Giving):
    """What the member does at the same time, as if it had several telephones."""

    def together(self, *calls: tuple[str, Any]) -> list[Verdict]:
        """The verdicts of calls that are under way at once."""

        async def all_of_them() -> list[Verdict]:
            return await asyncio.gather(*(self.ask(*call) for call in calls))

        verdicts: list[Verdict] = self.run(all_of_them())
        self.calls += [(*call, verdict) for call, verdict in zip(calls, verdicts, strict=True)]
        return verdicts

    @precondition(Life.is_rich)
    @rule(shares=st.lists(SHARES, min_size=2, max_size=5), code=st.sampled_from(UNLIMITED))
    def spend_at_once(self, shares: Sequence[float], code: str) -> None:
        """In their order, which the balances after them tell, they are what one after the other would have been."""
        wallet = self.wallets[code]
        amounts = [share_of(wallet.available(), share) for share in shares]
        requests = [builders.spend(self.me.member, amount, unit=code) for amount in amounts]
        told = list(zip(amounts, self.together(*(("Spend", request) for request in requests)), strict=True))
        spent = [(amount, answer) for amount, (answer, refused) in told if not refused]
        for amount, answer in sorted(spent, key=lambda one: -one[1].balance_after):
            assert amount <= wallet.available()
            taken = wallet.spend(answer.spend_id, amount)
            assert [(part.lot_id, part.amount) for part in answer.lots] == [(p.lot.lot_id, p.amount) for p in taken]
            assert answer.balance_after == wallet.balance()
        left = wallet.available()
        assert all(refused == "INSUFFICIENT_POINTS" and amount > left for amount, (_, refused) in told if refused)

    @precondition(Life.is_rich)
    @rule(share=SHARES, code=st.sampled_from(UNLIMITED), twins=st.integers(2, 4))
    def spend_as_twins(self, share: float, code: str, twins: int) -> None:
        """The same request several times at once is one spend."""
        wallet = self.wallets[code]
        amount = share_of(wallet.available(), share)
        (answer, refused), *others = self.together(
            *[("Spend", builders.spend(self.me.member, amount, unit=code))] * twins
        )
        assert others == [(answer, refused)] * (twins - 1)
        assert refused == ("INSUFFICIENT_POINTS" if amount > wallet.available() else "")
        if not refused:
            wallet.spend(answer.spend_id, amount)

    @precondition(lambda self: self.holds_of(0))
    @rule(which=SHARES, share=SHARES)
    def end_a_hold_at_once(self, which: float, share: float) -> None:
        code, hold_id = picked(sorted(self.holds_of(which).items()), share)
        wallet = self.wallets[code]
        held = wallet.holds[hold_id].amount()
        captured, released, _ = verdicts = self.together(
            ("CaptureHold", builders.capture(hold_id, held)),
            ("ReleaseHold", builders.release(hold_id)),
            ("ReleaseHold", builders.release(hold_id)),
        )
        assert Counter(refused for _, refused in verdicts) == {"": 1, "HOLD_NOT_OPEN": 2}
        if captured[1]:
            answer = released[0] or verdicts[2][0]
            assert answer.expired == wallet.release(hold_id)
        else:
            wallet.capture(hold_id, captured[0].spend_id, held)

    @precondition(lambda self: self.activities)
    @rule(which=SHARES)
    def reverse_at_once(self, which: float) -> None:
        done = picked(self.activities, which)
        verdicts = self.together(*(("ReverseActivity", builders.reverse(done.activity_id)) for _ in range(3)))
        assert Counter(refused for _, refused in verdicts) == {"": 1, "ACTIVITY_ALREADY_REVERSED": 2}
        (answer,) = (answer for answer, refused in verdicts if not refused)
        self.take_back(done, [line.left for line in done.lines], answer)

    @precondition(lambda self: [gift_id for gift_id in self.offers if gift_id in self.wallets["lasting"].holds])
    @rule(which=SHARES)
    def end_an_offer_at_once(self, which: float) -> None:
        """Two partitions take part, or one; the friend accepts, or the giver has it back."""
        wallet = self.wallets["lasting"]
        gift_id = picked([gift_id for gift_id in self.offers if gift_id in wallet.holds], which)
        accepted, *ended = self.together(
            ("AcceptGift", builders.accept(gift_id, self.friend.member)),
            ("CancelGift", builders.take_back(gift_id)),
            ("CancelGift", builders.decline(gift_id)),
        )
        assert Counter(refused for _, refused in [accepted, *ended]) == {"": 1, "GIFT_NOT_OPEN": 2}
        if accepted[1]:
            wallet.release(gift_id)
        else:
            self.accepted(gift_id, accepted[0])
