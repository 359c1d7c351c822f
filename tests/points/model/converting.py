"""Points that become others: of another unit here, or of a partner, whose answer may be long in coming."""

from dataclasses import dataclass, field
from datetime import date
from fractions import Fraction
from math import ceil, floor
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from tessera.points.v1 import partner_conversion_pb2 as pb
from tests.points import builders, terms
from tests.points.model.life import NOW_AND_THEN, SHARES, TIMES, Life, picked, share_of
from tests.points.model.looking import Looking
from tests.points.model.promises import FOREVER
from tests.support.exchange_partner import Fault

STARTED, UNKNOWN, DONE, REFUSED = range(1, 5)
FAULTS: st.SearchStrategy[Fault] = st.sampled_from(
    ["", "", "", "crash before", "crash after", "crash after", "undecided"] * 3 + ["lost", "late"]
)
"""What takes the time that a partner has is rare."""
DECIDED = {"booked": DONE, "refused": REFUSED}


@dataclass
class Rate:
    """A conversion: how much of which unit for how much of which, and how much in a day."""

    source: str
    target: str
    rate: Fraction
    a_day: int | None = None
    used: dict[date, int] = field(default_factory=dict)

    def given_for(self, amount: int) -> tuple[int, int]:
        """The least that makes as much as an amount does, and what that is."""
        credited = floor(amount * self.rate)
        return ceil(credited / self.rate), credited

    def use(self, day: date, amount: int) -> None:
        self.used[day] = self.used.get(day, 0) + amount

    def refusal(self, amount: int, available: int | None, day: date) -> str:
        """Why so much is not converted; of a partner's points nobody knows how many there are."""
        if amount < ceil(1 / self.rate):
            return "CONVERSION_BELOW_MINIMUM"
        if available is not None and amount > available:
            return "INSUFFICIENT_POINTS"
        if self.a_day is not None and self.used.get(day, 0) + self.given_for(amount)[0] > self.a_day:
            return "CONVERSION_CAP_EXCEEDED"
        return ""


@dataclass(eq=False)
class Exchanged:
    """A conversion with a partner: what goes out or comes in here, and there; how far it is here, and there."""

    request: Any
    conversion_id: str
    rate: Rate
    day: date
    debited: int
    credited: int
    state: int = UNKNOWN
    at_partner: int = UNKNOWN

    @property
    def is_outgoing(self) -> bool:
        return self.rate.target == "sky-miles"


class Converting(Looking):
    """Conversions."""

    def get_ready(self) -> None:
        super().get_ready()
        self.rates = {
            "to-lasting": Rate("never", "lasting", Fraction(2, 3)),
            "to-never": Rate("sliding", "never", Fraction(1, 2), terms.TO_NEVER_A_DAY),
            "to-skyline": Rate("monthly", "sky-miles", Fraction(2, 5), terms.SENT_A_DAY),
            "from-skyline": Rate("sky-miles", "monthly", Fraction(3, 2)),
        }
        self.exchanged: list[Exchanged] = []
        self.moved = 0
        self.run(self.shop.open_account_at_partner(self.me.member))

    @precondition(Life.is_rich)
    @rule(share=SHARES, code=st.sampled_from(["to-lasting", "to-never"]), times=TIMES)
    def convert(self, share: float, code: str, times: int) -> None:
        rate = self.rates[code]
        source, target, today = self.wallets[rate.source], self.wallets[rate.target], self.wallets["never"].today()
        amount = share_of(source.available(), share)
        requests = [builders.convert(self.me.member, amount, code) for _ in range(times)]
        for answer, refused in self.each("Convert", requests):
            assert refused == rate.refusal(amount, source.available(), today)
            if refused:
                continue
            debited, credited = rate.given_for(amount)
            assert (answer.debited, answer.credited) == (debited, credited)
            taken = source.take(debited)
            rate.use(today, debited)
            assert [(part.from_lot_id, part.debited) for part in answer.lots] == [
                (t.lot.lot_id, t.amount) for t in taken
            ]
            assert sum(part.credited for part in answer.lots) == credited
            parts = zip(answer.lots, taken, strict=True)
            target.receive([(part.lot_id, part.credited, source.expiry(t.lot)) for part, t in parts if part.credited])

    # With a partner

    @rule(share=SHARES, outgoing=st.sampled_from([True, True, False]), fault=FAULTS, refuses=NOW_AND_THEN)
    def exchange(self, share: float, outgoing: bool, fault: Fault, refuses: bool) -> None:
        """What goes out is held; what comes in is not there before the partner has taken it."""
        code = "to-skyline" if outgoing else "from-skyline"
        rate = self.rates[code]
        wallet = self.wallets[rate.source if outgoing else rate.target]
        amount = share_of(wallet.available(), share) + 2 if outgoing else share_of(60, share)
        request = builders.convert_with_partner(self.me.member, amount, code)
        refused = rate.refusal(amount, wallet.available() if outgoing else None, wallet.today())
        debited, credited = rate.given_for(amount)
        if not outgoing and not refused and wallet.balance() + credited > (wallet.terms.most or 0):
            refused = "BALANCE_LIMIT_EXCEEDED"
        told, found = self._tell("ConvertWithPartner", request, fault, refuses=refuses)
        assert found == refused
        if refused:
            return
        one = Exchanged(request, told.partner_conversion_id, rate, wallet.today(), debited, credited)
        self.exchanged.append(one)
        rate.use(one.day, debited)
        if outgoing:
            wallet.hold(one.conversion_id, debited, FOREVER)
        self._heard(one, told, fault, refuses=refuses)

    @precondition(lambda self: self.exchanged)
    @rule(which=SHARES, fault=FAULTS, refuses=NOW_AND_THEN, repeats=st.booleans())
    def ask_again(self, which: float, fault: Fault, refuses: bool, repeats: bool) -> None:
        """Whoever asks again, by the same request or by the conversion's ID, goes on with the same conversion."""
        one = picked(self.exchanged, which)
        method, request = "ConvertWithPartner", one.request
        if not repeats:
            method = "ReconcilePartnerConversion"
            request = pb.ReconcilePartnerConversionRequest(partner_conversion_id=one.conversion_id)
        self.partner.silent.discard(one.conversion_id)
        told, _ = self._tell(method, request, fault, refuses=refuses)
        assert told.partner_conversion_id == one.conversion_id
        self._heard(one, told, fault, refuses=refuses)

    @precondition(lambda self: self.exchanged)
    @rule(which=SHARES, decision=st.sampled_from(sorted(DECIDED)))
    def settle_with_partner(self, which: float, decision: str) -> None:
        """Somebody who knows what the partner did decides what is open."""
        one = picked(self.exchanged, which)
        request = builders.settle_with_partner(one.conversion_id, decision)
        answer, refused = self.verdict("SettlePartnerConversion", request)
        assert refused == ("" if one.state == UNKNOWN else "PARTNER_CONVERSION_CLOSED")
        if not refused:
            assert answer.conversion.state == DECIDED[decision]
            self._close(one, DECIDED[decision])

    def _tell(self, method: str, request: Any, fault: Fault, *, refuses: bool) -> tuple[Any, str]:
        """A conversion as a method tells of it, while the partner behaves so; it is silent about all others that wait,
        since the service asks about them by itself now and then."""
        self.partner.fault, self.partner.refuses = fault, refuses
        told, refused = self.run(self.ask(method, request))
        self.partner.fault = ""
        if told is None:
            return None, refused
        if told.conversion.state == UNKNOWN:
            self.partner.silent.add(told.conversion.partner_conversion_id)
        return told.conversion, ""

    def _heard(self, one: Exchanged, told: Any, fault: Fault, *, refuses: bool) -> None:
        """What the partner has decided it keeps to; what it says in time closes the conversion here."""
        if one.state == UNKNOWN and fault not in ("lost", "crash before"):
            is_told = one.at_partner != UNKNOWN or fault == ""
            if one.at_partner == UNKNOWN and fault != "undecided":
                one.at_partner = REFUSED if refuses else DONE
                if one.at_partner == DONE:
                    self.moved += one.credited if one.is_outgoing else -one.debited
            if is_told:
                self._close(one, one.at_partner)
        ours, theirs = (one.debited, one.credited) if one.is_outgoing else (one.credited, one.debited)
        assert (told.state, told.amount, told.partner_amount) == (one.state, ours, theirs)
        assert self.partner.moved[builders.at_partner(self.me.member)] == self.moved

    def _close(self, one: Exchanged, state: int) -> None:
        one.state = state
        if state == REFUSED:
            one.rate.use(one.day, -one.debited)
        if one.is_outgoing:
            wallet = self.wallets[one.rate.source]
            wallet.give_out(one.conversion_id) if state == DONE else wallet.release(one.conversion_id)
        elif state == DONE:
            code = one.rate.target
            self.wallets[code].grant(self.lot_of(one.conversion_id, code), one.credited)
