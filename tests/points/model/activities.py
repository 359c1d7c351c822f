"""Activities: what they earn, what comes back of them, and their completion."""

from datetime import datetime, timedelta
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from tessera.points.v1 import completion_pb2
from tests.points import builders, returns
from tests.points.builders import activity, line, record
from tests.points.model.life import NOW_AND_THEN, SHARES, TIMES, Person, picked, share_of
from tests.points.model.looking import Looking
from tests.points.model.purchases import Basket, Line, Recorded

BASKETS = st.lists(st.tuples(st.integers(0, 60), st.sampled_from(["BREAD", "FUEL"])), min_size=1, max_size=3)


def earned_of(answer: Any, code: str) -> int:
    """What an activity earned of a unit, as it was told."""
    return sum(earning.amount for earning in answer.earnings if earning.unit == code)


class Activities(Looking):
    """What a member and a friend do in domains."""

    def get_ready(self) -> None:
        super().get_ready()
        self.activities: list[Recorded] = []
        self.earn([[(61, "BREAD"), (30, "FUEL")]], 0, False)

    def purchase(self, who: Person, basket: Basket, at: datetime) -> Any:
        return activity(who.member, [line(paid, category=category) for paid, category in basket], at)

    @rule(
        baskets=st.lists(BASKETS, min_size=1, max_size=3),
        hours_ago=st.sampled_from([0] * 8 + [1, 47]),
        with_friend=NOW_AND_THEN,
    )
    def earn(self, baskets: list[Basket], hours_ago: int, with_friend: bool) -> None:
        """Several purchases of the member, or one of it and one of the friend."""
        at = self.now - timedelta(hours=hours_ago)
        bought = [(self.me, basket) for basket in baskets]
        if with_friend:
            bought = [(self.me, baskets[0]), (self.friend, baskets[-1])]
        requests = [record(self.purchase(who, basket, at)) for who, basket in bought]
        answers = [answer for answer, _ in self.each("RecordActivity", requests)]
        begun = [self.begun(who, basket, at) for who, basket in bought]
        told = list(zip(begun, answers, strict=True))
        for done, answer in reversed(told) if with_friend and self._was_second(*told[0]) else told:
            self.book(done, answer)

    def begun(self, who: Person, basket: Basket, at: datetime) -> Recorded:
        return Recorded(who, at, [Line(*bought) for bought in basket])

    def _was_second(self, done: Recorded, answer: Any) -> bool:
        """Two partitions draw on a budget in either order: who did not get what was left has been the second."""
        return any(earned_of(answer, code) != self._earns(done, code) for code in self.budgets)

    def _earns(self, done: Recorded, code: str) -> int:
        """What the model says that an activity earns of a unit."""
        wallet = done.who.wallets[code]
        amount = wallet.fitting(done.given(wallet), done.at)
        budget = self.budgets.get(code)
        return amount if budget is None else min(amount, budget.left(wallet.terms.day(done.at)))

    def book(self, done: Recorded, answer: Any) -> None:
        """What was told of an activity is what the model says, and is in its wallets then."""
        done.activity_id = answer.activity_id
        lots = {earning.unit: earning.lot_id for earning in answer.earnings}
        for code, wallet in done.who.wallets.items():
            amount = done.earned[code] = self._earns(done, code)
            assert earned_of(answer, code) == amount, code
            wallet.earn(done.activity_id, lots.get(code, ""), amount, done.at)
            self._draw(done, code, amount)
        done.who.score.append((done.at, done.left()))
        self.activities.append(done)
        if done.at < self.now:
            self.forget_the_past()

    def _draw(self, done: Recorded, code: str, amount: int) -> None:
        if code in self.budgets:
            self.budgets[code].draw(done.who.wallets[code].terms.day(done.at), amount)

    # What comes back

    @precondition(lambda self: self.activities)
    @rule(which=SHARES)
    def reverse(self, which: float) -> None:
        done = picked(self.activities, which)
        answer = self.call("ReverseActivity", builders.reverse(done.activity_id))
        self.take_back(done, [line.left for line in done.lines], answer)

    @precondition(lambda self: self.activities)
    @rule(which=SHARES, share=SHARES, times=TIMES)
    def give_back(self, which: float, share: float, times: int) -> None:
        done = picked(self.activities, which)
        amount = share_of(done.left(), share)
        requests = [returns.returning(done.activity_id, amount_minor=amount) for _ in range(times)]
        for answer, refused in self.each("RefundActivity", requests):
            assert refused == self.too_much(done, amount)
            if not refused:
                self.take_back(done, done.spread(amount), answer)
                assert answer.is_whole == (done.left() == 0)

    @precondition(lambda self: self.activities)
    @rule(which=SHARES, number=SHARES, share=SHARES)
    def give_a_line_back(self, which: float, number: float, share: float) -> None:
        done = picked(self.activities, which)
        place = picked(range(len(done.lines)), number)
        left = done.lines[place].left
        amount = share_of(left, share)
        request = returns.returning(done.activity_id, lines=[returns.part(place, cash_minor=amount)])
        ((answer, refused),) = self.each("RefundActivity", [request])
        assert refused == ("REFUND_EXCEEDS_ACTIVITY" if amount > left else "")
        if not refused:
            self.take_back(done, [amount if at == place else 0 for at in range(len(done.lines))], answer)

    def too_much(self, done: Recorded, amount: int) -> str:
        """Why so much cannot come back."""
        if done not in self.activities:
            return "ACTIVITY_ALREADY_REVERSED"
        return "REFUND_EXCEEDS_ACTIVITY" if amount > done.left() else ""

    def take_back(self, done: Recorded, parts: list[int], answer: Any = None) -> None:
        """Parts of its lines come back, and that takes back what was told, if anything was."""
        before = {code: done.kept(code) for code in done.earned}
        for line_, part in zip(done.lines, parts, strict=True):
            line_.left -= part
        taken = {"score": sum(parts)}
        for code, wallet in done.who.wallets.items():
            kept, was_taken = done.kept(code), done.taken.get(code, 0)
            gone = before[code] - kept
            taken[code] = wallet.come_back(done.activity_id, done.earned[code] - kept, was_taken, gone, done.at)
            done.taken[code] = was_taken + taken[code]
            self._draw(done, code, -gone)
        done.who.score.append((self.now, -taken["score"]))
        if done.left() == 0:
            self.activities.remove(done)
        if answer is not None:
            told = {clawback.unit: clawback.taken for clawback in answer.clawbacks if clawback.taken}
            assert told == {code: amount for code, amount in taken.items() if amount}

    # What is over

    @precondition(lambda self: self.activities)
    @rule(which=st.lists(SHARES, min_size=1, max_size=3), hours_ago=st.sampled_from([0, 0, 0, 5, -5]))
    def complete(self, which: list[float], hours_ago: int) -> None:
        some, at = [picked(self.activities, share) for share in which], self.now - timedelta(hours=hours_ago)
        requests = [returns.complete(done.activity_id, at) for done in some]
        for done, (answer, _) in zip(some, self.each("CompleteActivity", requests), strict=True):
            assert answer.state == completion_pb2.COMPLETION_STATE_COMPLETED
            assert [released.amount for released in answer.released] == self.is_over(done, at)

    def is_over(self, done: Recorded, at: datetime) -> list[int]:
        """What is released of an activity that is over: what of it still waits, and nothing for the second time."""
        if done.is_completed or done not in self.activities:
            return []
        done.is_completed = True
        at = max(done.at, min(at, self.now))
        wallets = done.who.wallets.values()
        released = [wallet.waiting(done.activity_id) for wallet in wallets]
        for wallet in wallets:
            wallet.complete(done.activity_id, at)
        if at < self.now:
            self.forget_the_past()
        return [amount for amount in released if amount]
