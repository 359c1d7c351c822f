"""What comes before its activity does: refunds and completions that wait, and what becomes of those that are dead."""

from datetime import timedelta

from hypothesis.stateful import precondition, rule

from tessera.points.v1 import completion_pb2, refund_pb2
from tests.points import returns
from tests.points.builders import record
from tests.points.model.activities import BASKETS, Activities
from tests.points.model.life import NOW_AND_THEN, SHARES, picked, share_of
from tests.points.model.purchases import Awaited, Basket, Dead, Recorded, Waiting

DISCARD = refund_pb2.ResolveParkedRefundRequest.RESOLUTION_DISCARD
PARKED_FOR = timedelta(days=7)
AS_LATE_AS = timedelta(days=9)
"""A purchase arrives at most so late: nothing that it earns has expired by then."""


class Parking(Activities):
    """What arrives in the wrong order."""

    def get_ready(self) -> None:
        super().get_ready()
        self.awaited: list[Awaited] = []
        self.dead: list[Dead] = []

    @rule(basket=BASKETS, share=SHARES)
    def return_what_did_not_arrive(self, basket: Basket, share: float) -> None:
        self.awaited.append(Awaited(self.purchase(self.me, basket, self.now), basket))
        self._return_of(self.awaited[-1], share)

    @precondition(lambda self: self.awaited)
    @rule(which=SHARES, share=SHARES)
    def return_more_of_it(self, which: float, share: float) -> None:
        self._return_of(picked(self.awaited, which), share)

    def _return_of(self, awaited: Awaited, share: float) -> None:
        amount = share_of(sum(paid for paid, _ in awaited.basket), share)
        request = returns.returning(key=returns.key_of(awaited.purchase), amount_minor=amount)
        ((answer, _),) = self.each("RefundActivity", [request])
        assert answer.parked
        awaited.waiting.append(Waiting(answer.parked_refund_id, amount, self.now, self.now))

    @precondition(lambda self: self.awaited)
    @rule(which=SHARES)
    def complete_what_did_not_arrive(self, which: float) -> None:
        """Another completion finds the first."""
        awaited = picked(self.awaited, which)
        request = returns.complete(key=returns.key_of(awaited.purchase), at=self.now)
        ((answer, _),) = self.each("CompleteActivity", [request])
        assert answer.state == completion_pb2.COMPLETION_STATE_PARKED
        if answer.parked_id not in [waiting.parked_id for waiting in awaited.waiting]:
            awaited.waiting.append(Waiting(answer.parked_id, 0, self.now, self.now))

    @precondition(lambda self: self.awaited)
    @rule(which=SHARES)
    def arrive(self, which: float) -> None:
        """What is too much, or has waited too long, is dead."""
        awaited = picked(self.awaited, which)
        self.awaited.remove(awaited)
        at = awaited.purchase.occurred_at.ToDatetime(self.now.tzinfo)
        if self.now - at > AS_LATE_AS:
            return
        ((answer, _),) = self.each("RecordActivity", [record(awaited.purchase)])
        done = self.begun(self.me, awaited.basket, at)
        self.book(done, answer)
        for waiting in awaited.waiting:
            if self.now < waiting.since + PARKED_FOR and not self._why_dead(done, waiting):
                self._let_come(done, waiting)
            else:
                self.dead.append(Dead(waiting, done))

    def _why_dead(self, done: Recorded, waiting: Waiting) -> str:
        return self.too_much(done, waiting.amount) if waiting.amount else ""

    def _let_come(self, done: Recorded, waiting: Waiting) -> None:
        if waiting.amount:
            self.take_back(done, done.spread(waiting.amount))
        else:
            self.is_over(done, waiting.at)

    @precondition(lambda self: self.dead)
    @rule(which=SHARES, discard=NOW_AND_THEN)
    def resolve_a_dead_refund(self, which: float, discard: bool) -> None:
        """What is still too much stays dead."""
        dead = picked(self.dead, which)
        resolution = {"resolution": DISCARD} if discard else {}
        _, refused = self.verdict("ResolveParkedRefund", returns.resolve(dead.waited.parked_id, **resolution))
        assert refused == ("" if discard else self._why_dead(dead.done, dead.waited))
        if not refused:
            self.dead.remove(dead)
            if not discard:
                self._let_come(dead.done, dead.waited)
