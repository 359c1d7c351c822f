"""Points given and taken outside activities: grants, forfeits, conversions, gifts, adjustments."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from tessera.points.v1 import points_service_pb2 as pb
from tests.points import builders
from tests.points.builders import refusal_of
from tests.points.model.life import MERCHANTS, SHARES, UNITS, Life, picked, share_of

A_DAY = 40
"""What may be given of "never" in a day."""
DAYS_TO_ACCEPT = 3
ENDING: dict[str, Any] = {"decline": builders.decline, "take back": builders.take_back}
"""How an offer ends without being accepted."""


@dataclass
class Proposed:
    """An adjustment that waits for approval."""

    adjustment_id: str
    code: str
    amount: int


class Giving(Life):
    """What a member is given, is taken from it, and gives."""

    def get_ready(self) -> None:
        super().get_ready()
        self.offers: list[str] = []
        self.proposed: list[Proposed] = []
        self.grant(10, 10, "")

    @rule(amount=st.integers(1, 60), days=st.sampled_from([None, 1, 10]), merchant=MERCHANTS)
    def grant(self, amount: int, days: int | None, merchant: str) -> None:
        until = None if days is None else self.now + timedelta(days=days)
        told = {"merchant": merchant}
        requests = {code: builders.grant(self.member, amount, until, unit=code, **told) for code in self.wallets}
        for _, wallet, answer, refused in self.in_each_unit("Grant", requests):
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
        answer = self.call("Forfeit", builders.forfeit(self.member, amount, unit=code))
        wallet.forfeit(amount)
        assert (answer.forfeited, answer.balance_after) == (amount, wallet.balance())

    @precondition(Life.is_rich)
    @rule(share=SHARES)
    def convert(self, share: float) -> None:
        """Two of "lasting" for three of "never"."""
        source, target = self.wallets["never"], self.wallets["lasting"]
        amount = share_of(source.available(), share)
        if not 2 <= amount <= source.available():
            return
        answer = self.call("Convert", builders.convert(self.member, amount, "to-lasting"))
        credited = amount * 2 // 3
        assert (answer.debited, answer.credited) == ((credited * 3 + 1) // 2, credited)
        taken = source.take(answer.debited)
        assert [(part.from_lot_id, part.debited) for part in answer.lots] == [(t.lot.lot_id, t.amount) for t in taken]
        assert sum(part.credited for part in answer.lots) == credited
        parts = zip(answer.lots, taken, strict=True)
        target.receive([(part.lot_id, part.credited, source.expiry(t.lot)) for part, t in parts if part.credited])

    # Gifts

    @precondition(Life.is_rich)
    @rule(share=SHARES)
    def give(self, share: float) -> None:
        for code, at_most in (("never", A_DAY), ("sliding", 10**9)):
            wallet, friend = self.wallets[code], self.of_friend[code]
            amount = min(at_most, share_of(wallet.available(), share))
            too_much = code == "never" and wallet.given.get(wallet.today(), 0) + amount > at_most
            request = builders.give(self.member, self.friend, amount, unit=code)
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
        request = builders.give(self.member, self.friend, amount, unit="lasting")
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
            method, request = "AcceptGift", builders.accept(gift_id, self.friend)
        else:
            method, request = "CancelGift", ENDING[how](gift_id)
        if not is_open:
            assert self.refusal(method, request) == "GIFT_NOT_OPEN"
            return
        answer = self.call(method, request)
        if how == "accept":
            parts = wallet.holds.pop(gift_id).parts
            assert [part.amount for part in answer.lots] == [part.amount for part in parts]
            self.of_friend["lasting"].receive_gift([(part, wallet.expiry(part.lot)) for part in parts])
        else:
            held = wallet.holds[gift_id].amount()
            assert (answer.released, answer.expired) == (held, wallet.release(gift_id))

    # Adjustments

    @rule(share=SHARES, is_more=st.booleans(), code=st.sampled_from(["sliding", "sliding", *UNITS]))
    def adjust(self, share: float, is_more: bool, code: str) -> None:
        wallet = self.wallets[code]
        amount = round(40 * share) + 1 if is_more else -share_of(wallet.available(), share)
        request = builders.adjust(self.member, amount, unit=code)
        needs_approval = abs(amount) > wallet.terms.alone
        if not needs_approval and amount < 0 and wallet.available() < -amount:
            assert self.refusal("Adjust", request) == "INSUFFICIENT_POINTS"
            return
        answer = self.call("Adjust", request)
        if needs_approval:
            assert answer.state == pb.ADJUSTMENT_STATE_PROPOSED
            self.proposed.append(Proposed(answer.adjustment_id, code, amount))
        else:
            wallet.adjust(amount, self._lot_of(answer.adjustment_id, code))
            assert answer.balance_after == wallet.balance()

    @precondition(lambda self: self.proposed)
    @rule(which=SHARES, approve=st.sampled_from([True, True, False]), by_another=st.sampled_from([True, True, False]))
    def resolve(self, which: float, approve: bool, by_another: bool) -> None:
        """Nobody approves what they proposed; what is not there any more stays proposed."""
        proposed = picked(self.proposed, which)
        wallet = self.wallets[proposed.code]
        points = self.shop.as_caller("fuel") if by_another else self.shop.points
        request = (builders.approve if approve else builders.reject)(proposed.adjustment_id)
        self.done.operations += 1
        is_short = proposed.amount < 0 and wallet.available() < -proposed.amount
        too_much = "INSUFFICIENT_POINTS" if is_short else ""
        refused = too_much if by_another else "APPROVAL_BY_REQUESTER"
        if approve and refused:
            assert self.run(refusal_of(points.ResolveAdjustment(request))).reason == refused
            return
        self.run(points.ResolveAdjustment(request))
        self.proposed.remove(proposed)
        if approve:
            wallet.adjust(proposed.amount, self._lot_of(proposed.adjustment_id, proposed.code))

    def _lot_of(self, adjustment_id: str, code: str) -> str:
        """The lot that an adjustment opened; "" when it opened none."""
        request = pb.ListLotsRequest(member_id=self.member.member_id, unit=code, include_closed=True, page_size=1000)
        lots = self.run(self.shop.points.ListLots(request)).lots
        return next((lot.lot_id for lot in lots if lot.source_id == adjustment_id), "")
