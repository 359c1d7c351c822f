"""Points given and taken outside activities: grants, forfeits, gifts."""

from datetime import timedelta
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from tessera.points.v1 import points_service_pb2 as pb
from tests.points import builders
from tests.points.model.life import MERCHANTS, NOW_AND_THEN, SHARES, TIMES, Life, picked, share_of
from tests.points.model.units import UNITS

A_DAY = 40
"""What may be given of "never" in a day."""
DAYS_TO_ACCEPT = 3
ENDING: dict[str, Any] = {"decline": builders.decline, "take back": builders.take_back}
"""How an offer ends without being accepted."""


class Giving(Life):
    """What a member is given, is taken from it, and gives."""

    def get_ready(self) -> None:
        super().get_ready()
        self.offers: list[str] = []
        self.grant(10, 10, "", False, 1)

    @rule(
        amount=st.integers(1, 60),
        days=st.sampled_from([None, 1, 10]),
        merchant=MERCHANTS,
        to_friend=NOW_AND_THEN,
        times=TIMES,
    )
    def grant(self, amount: int, days: int | None, merchant: str, to_friend: bool, times: int) -> None:
        until = None if days is None else self.now + timedelta(days=days)
        somebody = [self.me, self.friend] if to_friend else [self.me]
        given = [(who, code) for _ in range(times) for who in somebody for code in UNITS]
        requests = [builders.grant(who.member, amount, until, unit=code, merchant=merchant) for who, code in given]
        for (who, code), (answer, refused) in zip(given, self.each("Grant", requests), strict=True):
            wallet = who.wallets[code]
            most = wallet.terms.most
            assert refused == ("BALANCE_LIMIT_EXCEEDED" if most and wallet.balance() + amount > most else "")
            if not refused:
                wallet.grant(answer.lot_id, amount, until, merchant)
                assert answer.balance_after == wallet.balance()

    @precondition(Life.is_rich)
    @rule(share=SHARES, code=st.sampled_from(UNITS))
    def forfeit(self, share: float, code: str) -> None:
        wallet = self.wallets[code]
        amount = min(share_of(wallet.forfeitable(), share), wallet.forfeitable())
        answer = self.call("Forfeit", builders.forfeit(self.me.member, amount, unit=code))
        wallet.forfeit(amount)
        assert (answer.forfeited, answer.balance_after) == (amount, wallet.balance())

    # Gifts

    @precondition(Life.is_rich)
    @rule(share=SHARES)
    def give(self, share: float) -> None:
        for code, at_most in (("never", A_DAY), ("sliding", 10**9)):
            wallet, friend = self.wallets[code], self.friend.wallets[code]
            amount = min(at_most, share_of(wallet.available(), share))
            too_much = code == "never" and wallet.given.get(wallet.today(), 0) + amount > at_most
            request = builders.give(self.me.member, self.friend.member, amount, unit=code)
            if too_much or wallet.available() < amount:
                refused = "GIFT_LIMIT_EXCEEDED" if too_much else "INSUFFICIENT_POINTS"
                assert self.refusal("Gift", request) == refused
                continue
            answer = self.call("Gift", request)
            taken = wallet.take(amount)
            wallet.given[wallet.today()] = wallet.given.get(wallet.today(), 0) + amount
            assert [(part.lot_id, part.amount) for part in answer.lots] == [(p.lot.lot_id, p.amount) for p in taken]
            friend.receive_gift([(part, wallet.expiry(part.lot)) for part in taken])

    @precondition(Life.is_rich)
    @rule(share=SHARES)
    def offer(self, share: float) -> None:
        """Points are put aside until the friend accepts, and no longer than the first of their lots lives."""
        wallet = self.wallets["lasting"]
        amount = share_of(wallet.available(), share)
        request = builders.give(self.me.member, self.friend.member, amount, unit="lasting")
        if wallet.available() < amount:
            assert self.refusal("Gift", request) == "INSUFFICIENT_POINTS"
            return
        answer = self.call("Gift", request)
        assert answer.state == pb.GIFT_STATE_OFFERED
        wallet.hold(answer.gift_id, amount, wallet.terms.midnight(self.now, DAYS_TO_ACCEPT))
        hold = wallet.holds[answer.gift_id]
        hold.until = min([hold.until, *(wallet.expiry(part.lot) for part in hold.parts)])
        self.offers.append(answer.gift_id)

    @precondition(lambda self: self.offers)
    @rule(which=SHARES, how=st.sampled_from(["accept", "accept", "take back", "decline"]))
    def end_an_offer(self, which: float, how: str) -> None:
        wallet, gift_id = self.wallets["lasting"], picked(self.offers, which)
        is_open = gift_id in wallet.holds
        request: Any
        if how == "accept":
            method, request = "AcceptGift", builders.accept(gift_id, self.friend.member)
        else:
            method, request = "CancelGift", ENDING[how](gift_id)
        if not is_open:
            assert self.refusal(method, request) == "GIFT_NOT_OPEN"
            return
        answer = self.call(method, request)
        if how == "accept":
            self.accepted(gift_id, answer)
        else:
            held = wallet.holds[gift_id].amount()
            assert (answer.released, answer.expired) == (held, wallet.release(gift_id))

    def accepted(self, gift_id: str, answer: Any) -> None:
        """Each lot of the giver opens one of the friend."""
        wallet = self.wallets["lasting"]
        parts = wallet.holds.pop(gift_id).parts
        assert [part.amount for part in answer.lots] == [part.amount for part in parts]
        self.friend.wallets["lasting"].receive_gift([(part, wallet.expiry(part.lot)) for part in parts])
