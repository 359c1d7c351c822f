"""Activities: what they earn, what comes back of them, before or after they arrive, and their completion."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from tessera.points.v1 import completion_pb2, refund_pb2
from tests.points import builders, returns
from tests.points.builders import activity, line, record
from tests.points.model.life import NOW_AND_THEN, SHARES, Life, Line, Recorded, picked, share_of
from tests.points.model.promises import Terms

Lines = list[tuple[int, str]]
"""What was paid for each line, and of what it is."""
LINES = st.lists(st.tuples(st.integers(0, 60), st.sampled_from(["BREAD", "FUEL"])), min_size=1, max_size=3)
DISCARD = refund_pb2.ResolveParkedRefundRequest.RESOLUTION_DISCARD
PARKED_FOR = timedelta(days=7)
AS_LATE_AS = timedelta(days=9)
"""A purchase arrives at most so late: nothing that it earns has expired by then."""


@dataclass
class Awaited:
    """A purchase that has not arrived, and the refunds that wait for it: its ID, how much it is, and since when."""

    purchase: Any
    lines: Lines
    refunds: list[tuple[str, int, datetime]] = field(default_factory=list)


@dataclass
class Dead:
    """A refund that waited too long, or was too much when its purchase arrived."""

    parked_refund_id: str
    done: Recorded
    amount: int


def counting(lines: list[Line], terms: Terms) -> int:
    """The money that is left of the lines that count for a unit."""
    return sum(line.left for line in lines if terms.category in ("", line.category))


def spread(lines: list[Line], amount: int) -> list[int]:
    """An amount over lines by what is left of each; the largest remainders get what rounding left over."""
    total = sum(line.left for line in lines)
    exact = [amount * line.left / total for line in lines]
    parts = [amount * line.left // total for line in lines]
    order = sorted(range(len(lines)), key=lambda place: (-(amount * lines[place].left % total), place))
    for place in order[: amount - sum(parts)]:
        parts[place] += 1
    assert all(abs(part - share) < 1 for part, share in zip(parts, exact, strict=True))
    return parts


class Activities(Life):
    """What a member does in domains."""

    def get_ready(self) -> None:
        super().get_ready()
        self.awaited: list[Awaited] = []
        self.dead: list[Dead] = []
        self.earn([(61, "BREAD"), (30, "FUEL")], 0)

    def _purchase(self, lines: Lines, at: datetime) -> Any:
        return activity(self.member, [line(paid, category=category) for paid, category in lines], at)

    @rule(lines=LINES, hours_ago=st.sampled_from([0] * 8 + [1, 47]))
    def earn(self, lines: Lines, hours_ago: int) -> None:
        at = self.now - timedelta(hours=hours_ago)
        self._record(self._purchase(lines, at), lines, at)

    def _record(self, purchase: Any, lines: Lines, at: datetime) -> Recorded:
        answer = self.call("RecordActivity", record(purchase))
        earned = {earning.unit: earning for earning in answer.earnings}
        done = Recorded(answer.activity_id, at, {}, [Line(*told) for told in lines])
        for code, wallet in self.wallets.items():
            base = counting(done.lines, wallet.terms)
            amount = wallet.capped(base * wallet.terms.rate // 1, at)
            found = earned.get(code)
            assert (found.amount if found else 0) == amount, code
            wallet.earn(answer.activity_id, found.lot_id if found else "", amount, at)
            done.earned[code] = amount
        self.score += done.left()
        self.activities.append(done)
        if at < self.now:
            self.history.clear()
        return done

    # What comes back

    @precondition(lambda self: self.activities)
    @rule(which=SHARES)
    def reverse(self, which: float) -> None:
        done = picked(self.activities, which)
        answer = self.call("ReverseActivity", builders.reverse(done.activity_id))
        self._agree(done, self._take_back(done, [line.left for line in done.lines]), answer)

    @precondition(lambda self: self.activities)
    @rule(which=SHARES, share=SHARES)
    def give_back(self, which: float, share: float) -> None:
        done = picked(self.activities, which)
        amount = share_of(done.left(), share)
        request = returns.returning(done.activity_id, amount_minor=amount)
        if amount > done.left():
            assert self.refusal("RefundActivity", request) == "REFUND_EXCEEDS_ACTIVITY"
            return
        answer = self.call("RefundActivity", request)
        self._agree(done, self._take_back(done, spread(done.lines, amount)), answer)
        assert answer.is_whole == (done.left() == 0)

    @precondition(lambda self: self.activities)
    @rule(which=SHARES, number=SHARES, share=SHARES)
    def give_a_line_back(self, which: float, number: float, share: float) -> None:
        done = picked(self.activities, which)
        place = picked(range(len(done.lines)), number)
        left = done.lines[place].left
        amount = share_of(left, share)
        request = returns.returning(done.activity_id, lines=[returns.part(place, cash_minor=amount)])
        if amount > left:
            assert self.refusal("RefundActivity", request) == "REFUND_EXCEEDS_ACTIVITY"
            return
        parts = [amount if at == place else 0 for at in range(len(done.lines))]
        self._agree(done, self._take_back(done, parts), self.call("RefundActivity", request))

    def _agree(self, done: Recorded, taken: dict[str, int], answer: Any) -> None:
        told = {clawback.unit: clawback.taken for clawback in answer.clawbacks}
        assert {code: amount for code, amount in taken.items() if amount} == {
            code: amount for code, amount in told.items() if amount
        }

    def _take_back(self, done: Recorded, parts: list[int]) -> dict[str, int]:
        """Parts of its lines come back. Returns what is taken back of each unit."""
        before = [Line(line.left, line.category) for line in done.lines]
        for line_, part in zip(done.lines, parts, strict=True):
            line_.left -= part
        is_whole = done.left() == 0
        taken = {"score": sum(parts)}
        for code, wallet in self.wallets.items():
            earned = done.earned[code]
            kept_before = self._kept(done, code, before)
            kept = 0 if is_whole else self._kept(done, code, done.lines)
            taken[code] = wallet.come_back(
                done.activity_id, earned - kept, done.taken.get(code, 0), kept_before - kept, done.at
            )
            done.taken[code] = done.taken.get(code, 0) + taken[code]
        self.score -= taken["score"]
        if is_whole:
            self.activities.remove(done)
        return taken

    def _kept(self, done: Recorded, code: str, lines: list[Line]) -> int:
        """What the rule gives for what is left, and never more than it gave."""
        terms = self.wallets[code].terms
        return min(done.earned[code], int(counting(lines, terms) * terms.rate))

    # What comes back before it arrives

    @rule(lines=LINES, share=SHARES)
    def return_what_did_not_arrive(self, lines: Lines, share: float) -> None:
        self.awaited.append(Awaited(self._purchase(lines, self.now), lines))
        self._return_of(self.awaited[-1], share)

    @precondition(lambda self: self.awaited)
    @rule(which=SHARES, share=SHARES)
    def return_more_of_it(self, which: float, share: float) -> None:
        self._return_of(picked(self.awaited, which), share)

    def _return_of(self, awaited: Awaited, share: float) -> None:
        amount = share_of(sum(paid for paid, _ in awaited.lines), share)
        request = returns.returning(key=returns.key_of(awaited.purchase), amount_minor=amount)
        answer = self.call("RefundActivity", request)
        assert answer.parked
        awaited.refunds.append((answer.parked_refund_id, amount, self.now))

    @precondition(lambda self: self.awaited)
    @rule(which=SHARES)
    def arrive(self, which: float) -> None:
        """What is too much, or has waited too long, is dead."""
        awaited = picked(self.awaited, which)
        self.awaited.remove(awaited)
        at = awaited.purchase.occurred_at.ToDatetime(self.now.tzinfo)
        if self.now - at > AS_LATE_AS:
            return
        done = self._record(awaited.purchase, awaited.lines, at)
        for parked_id, amount, since in awaited.refunds:
            if self.now < since + PARKED_FOR and amount <= done.left():
                self._take_back(done, spread(done.lines, amount))
            else:
                self.dead.append(Dead(parked_id, done, amount))

    @precondition(lambda self: self.dead)
    @rule(which=SHARES, discard=NOW_AND_THEN)
    def resolve_a_dead_refund(self, which: float, discard: bool) -> None:
        """What is still too much stays dead."""
        dead = picked(self.dead, which)
        done, amount = dead.done, dead.amount
        if discard:
            self.call("ResolveParkedRefund", returns.resolve(dead.parked_refund_id, resolution=DISCARD))
        elif amount > done.left():
            refused = "REFUND_EXCEEDS_ACTIVITY" if done in self.activities else "ACTIVITY_ALREADY_REVERSED"
            assert self.refusal("ResolveParkedRefund", returns.resolve(dead.parked_refund_id)) == refused
            return
        else:
            answer = self.call("ResolveParkedRefund", returns.resolve(dead.parked_refund_id))
            self._agree(done, self._take_back(done, spread(done.lines, amount)), answer.refund)
        self.dead.remove(dead)

    # What is over

    @precondition(lambda self: self.activities)
    @rule(which=SHARES, hours_ago=st.sampled_from([0, 0, 0, 5, -5]))
    def complete(self, which: float, hours_ago: int) -> None:
        done, at = picked(self.activities, which), self.now - timedelta(hours=hours_ago)
        answer = self.call("CompleteActivity", returns.complete(done.activity_id, at))
        assert answer.state == completion_pb2.COMPLETION_STATE_COMPLETED
        if done.is_completed:
            assert not answer.released
            return
        at = max(done.at, min(at, self.now))
        waiting = [wallet.waiting(done.activity_id) for wallet in self.wallets.values()]
        assert [released.amount for released in answer.released] == [amount for amount in waiting if amount]
        for wallet in self.wallets.values():
            wallet.complete(done.activity_id, at)
        done.is_completed = True
        if at < self.now:
            self.history.clear()
