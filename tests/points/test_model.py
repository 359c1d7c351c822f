"""Any operations in any order, over month ends and expiries, with and without jobs and restarts.

The service and the model say the same of everything: now, later and of the past. Each step does the same in six units
with different terms, in one bulk call.
"""

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from services.chassis.instants import timestamp
from tessera.points.v1 import movement_pb2
from tessera.points.v1 import points_service_pb2 as pb
from tests.points import builders, returns
from tests.points.builders import Member, Shop, activity, record, refusal_in, refusal_of
from tests.points.model import Hold, Terms, Wallet, day_of, last_day, midnight
from tests.points.terms import CAP, DOCUMENTS, SPECS

TERMS = {
    "never": Terms(shortage="forgive"),
    "monthly": Terms(end_of_next_month=True),
    "waiting": Terms(pending_days=3, days=10),
    "sliding": Terms(sliding_days=20, min_validity_days=15),
    "lasting": Terms(days=12, min_validity_days=20, shortage="deduct-from-cash"),
    "capped": Terms(cap=CAP),
}
SHARES = st.floats(0, 1)
MERCHANTS = st.sampled_from(["", "", "cafe"])
BULK = {
    "Spend": ("BulkSpend", pb.BulkSpendRequest),
    "Hold": ("BulkHold", pb.BulkHoldRequest),
    "CaptureHold": ("BulkCaptureHolds", pb.BulkCaptureHoldsRequest),
    "ReleaseHold": ("BulkReleaseHolds", pb.BulkReleaseHoldsRequest),
    "RefundSpend": ("BulkRefundSpends", pb.BulkRefundSpendsRequest),
    "Grant": ("BulkGrant", movement_pb2.BulkGrantRequest),
}


@dataclass
class Recorded:
    activity_id: str
    at: datetime
    earned: dict[str, int]
    left: int
    """What of the money did not come back yet."""
    taken: dict[str, int] = field(default_factory=dict)


def share_of(total: int, share: float) -> int:
    """At least one; now and then a little more than there is."""
    return max(1, round(total * share * 1.05))


def picked(items: Any, share: float) -> str:
    names = sorted(items)
    return str(names[min(int(share * len(names)), len(names) - 1)])


class Life(RuleBasedStateMachine):
    """One member's life."""

    shop: Shop
    run: Callable[[Any], Any]

    @initialize()
    def begin(self) -> None:
        self.member: Member = self.run(self.shop.enrol())
        self.friend: Member = self.run(self.shop.enrol(routing=3))
        self.now: datetime = self.run(self.shop.now())
        self.wallets = {code: Wallet(terms, self.now) for code, terms in TERMS.items()}
        self.score = 0
        self.activities: list[Recorded] = []
        self.calls: list[tuple[str, Any, Any]] = []
        self.history: list[tuple[datetime, dict[str, Wallet]]] = []

    def call(self, method: str, request: Any) -> Any:
        answer = self.run(getattr(self.shop.points, method)(request))
        self.calls.append((method, request, answer))
        return answer

    def in_each_unit(self, method: str, requests: dict[str, Any]) -> Iterator[tuple[Wallet, Any, str]]:
        """What becomes of each request: its wallet, the answer, and why it was refused."""
        bulk, message = BULK[method]
        if requests:
            answer = self.call(bulk, message(requests=requests.values()))
            for code, result in zip(requests, answer.results, strict=True):
                refused = refusal_in(result.error).reason if result.HasField("error") else ""
                yield self.wallets[code], result.response, refused

    # What a member does

    @rule(paid=st.integers(0, 100), hours_ago=st.sampled_from([0] * 8 + [1, 47]))
    def earn(self, paid: int, hours_ago: int) -> None:
        at = self.now - timedelta(hours=hours_ago)
        answer = self.call("RecordActivity", record(activity(self.member, paid, at)))
        earned = {earning.unit: earning for earning in answer.earnings}
        for code, wallet in self.wallets.items():
            assert earned[code].amount == wallet.capped(paid, at)
            wallet.earn(answer.activity_id, earned[code].lot_id, earned[code].amount, at)
        self.score += paid
        self.activities.append(Recorded(answer.activity_id, at, {code: e.amount for code, e in earned.items()}, paid))
        if hours_ago:
            self.history.clear()

    @rule(share=SHARES, merchant=MERCHANTS)
    def spend(self, share: float, merchant: str) -> None:
        amounts = {code: share_of(wallet.available(merchant), share) for code, wallet in self.wallets.items()}
        requests = {
            code: builders.spend(self.member, amount, unit=code, merchant=merchant) for code, amount in amounts.items()
        }
        for (wallet, answer, refused), amount in zip(
            self.in_each_unit("Spend", requests), amounts.values(), strict=True
        ):
            assert refused == ("INSUFFICIENT_POINTS" if wallet.available(merchant) < amount else "")
            if refused:
                continue
            wallet.spends[answer.spend_id] = taken = wallet.take(amount, merchant)
            assert [(part.lot_id, part.amount) for part in answer.lots] == [(p.lot.lot_id, p.amount) for p in taken]
            assert answer.balance_after == wallet.balance()

    @rule(share=SHARES, hours=st.integers(1, 400), merchant=MERCHANTS)
    def hold(self, share: float, hours: int, merchant: str) -> None:
        until = self.now + timedelta(hours=hours)
        amounts = {code: share_of(wallet.available(merchant), share) for code, wallet in self.wallets.items()}
        requests = {
            code: builders.hold(self.member, amount, until, unit=code, merchant=merchant)
            for code, amount in amounts.items()
        }
        for (wallet, answer, refused), amount in zip(
            self.in_each_unit("Hold", requests), amounts.values(), strict=True
        ):
            assert refused == ("INSUFFICIENT_POINTS" if wallet.available(merchant) < amount else "")
            if not refused:
                wallet.holds[answer.hold_id] = Hold(until, wallet.take(amount, merchant))
                assert answer.available_after == wallet.available(merchant)

    @rule(share=SHARES)
    def give(self, share: float) -> None:
        for code, at_most in (("never", 40), ("sliding", 10**9)):
            wallet = self.wallets[code]
            amount = min(at_most, share_of(wallet.available(), share))
            day = day_of(self.now)
            too_much = code == "never" and wallet.given.get(day, 0) + amount > at_most
            request = builders.give(self.member, self.friend, amount, unit=code)
            if too_much or wallet.available() < amount:
                refusal = self.run(refusal_of(self.shop.points.Gift(request)))
                assert refusal.reason == ("GIFT_LIMIT_EXCEEDED" if too_much else "INSUFFICIENT_POINTS")
                continue
            answer = self.call("Gift", request)
            taken = wallet.take(amount)
            wallet.given[day] = wallet.given.get(day, 0) + amount
            assert [(part.lot_id, part.amount) for part in answer.lots] == [(p.lot.lot_id, p.amount) for p in taken]

    def holds(self, share: float) -> dict[str, str]:
        return {code: picked(wallet.holds, share) for code, wallet in self.wallets.items() if wallet.holds}

    @precondition(lambda self: any(wallet.holds for wallet in self.wallets.values()))
    @rule(which=SHARES, share=SHARES)
    def capture(self, which: float, share: float) -> None:
        holds = self.holds(which)
        held = {code: sum(part.amount for part in self.wallets[code].holds[h].parts) for code, h in holds.items()}
        requests = {code: builders.capture(h, share_of(held[code], share)) for code, h in holds.items()}
        for (wallet, answer, refused), (code, request) in zip(
            self.in_each_unit("CaptureHold", requests), requests.items(), strict=True
        ):
            assert refused == ("CAPTURE_EXCEEDS_HOLD" if request.amount > held[code] else "")
            if not refused:
                wallet.capture(request.hold_id, answer.spend_id, request.amount)
                assert (answer.captured, answer.released) == (request.amount, held[code] - request.amount)

    @precondition(lambda self: any(wallet.holds for wallet in self.wallets.values()))
    @rule(which=SHARES)
    def release(self, which: float) -> None:
        requests = {code: builders.release(hold_id) for code, hold_id in self.holds(which).items()}
        for (wallet, answer, _), request in zip(
            self.in_each_unit("ReleaseHold", requests), requests.values(), strict=True
        ):
            assert answer.expired == wallet.release(request.hold_id)

    @precondition(lambda self: any(wallet.holds for wallet in self.wallets.values()))
    @rule(which=SHARES, hours=st.integers(1, 400))
    def extend(self, which: float, hours: int) -> None:
        code, hold_id = next(iter(self.holds(which).items()))
        hold = self.wallets[code].holds[hold_id]
        hold.until += timedelta(hours=hours)
        self.call("ExtendHold", builders.extend(hold_id, hold.until))

    @rule(amount=st.integers(1, 60), days=st.sampled_from([None, 1, 10]), merchant=MERCHANTS)
    def grant(self, amount: int, days: int | None, merchant: str) -> None:
        until = None if days is None else self.now + timedelta(days=days)
        requests = {
            code: builders.grant(self.member, amount, until, unit=code, merchant=merchant) for code in self.wallets
        }
        for wallet, answer, refused in self.in_each_unit("Grant", requests):
            assert not refused
            wallet.grant(answer.lot_id, amount, until, merchant)
            assert answer.balance_after == wallet.balance()

    @rule(share=SHARES, code=st.sampled_from(sorted(SPECS)))
    def forfeit(self, share: float, code: str) -> None:
        wallet = self.wallets[code]
        amount = min(share_of(wallet.forfeitable(), share), wallet.forfeitable())
        answer = self.call("Forfeit", builders.forfeit(self.member, amount, unit=code))
        wallet.forfeit(amount)
        assert (answer.forfeited, answer.balance_after) == (amount, wallet.balance())

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

    @precondition(lambda self: any(wallet.spends for wallet in self.wallets.values()))
    @rule(which=SHARES, share=SHARES)
    def refund(self, which: float, share: float) -> None:
        spends = {code: picked(wallet.spends, which) for code, wallet in self.wallets.items() if wallet.spends}
        left = {code: self.wallets[code].refundable(spend_id) for code, spend_id in spends.items()}
        requests = {code: builders.refund(s, share_of(left[code], share)) for code, s in spends.items()}
        for (wallet, answer, refused), (code, request) in zip(
            self.in_each_unit("RefundSpend", requests), requests.items(), strict=True
        ):
            assert refused == ("REFUND_EXCEEDS_SPEND" if request.amount > left[code] else "")
            if not refused:
                lots = [part.lot_id for part in answer.lots]
                assert answer.expired == wallet.refund(request.spend_id, request.amount, lots)

    @precondition(lambda self: self.activities)
    @rule(which=SHARES)
    def reverse(self, which: float) -> None:
        done = self.activities.pop(min(int(which * len(self.activities)), len(self.activities) - 1))
        answer = self.call("ReverseActivity", builders.reverse(done.activity_id))
        self.take_back(done, 0, {clawback.unit: clawback.taken for clawback in answer.clawbacks})

    @precondition(lambda self: self.activities)
    @rule(which=SHARES, share=SHARES)
    def give_back(self, which: float, share: float) -> None:
        number = min(int(which * len(self.activities)), len(self.activities) - 1)
        done, amount = self.activities[number], share_of(self.activities[number].left, share)
        request = returns.returning(done.activity_id, amount_minor=amount)
        if amount > done.left:
            refusal = self.run(refusal_of(self.shop.points.RefundActivity(request)))
            assert refusal.reason == "REFUND_EXCEEDS_ACTIVITY"
            return
        answer = self.call("RefundActivity", request)
        self.take_back(done, done.left - amount, {clawback.unit: clawback.taken for clawback in answer.clawbacks})
        assert answer.is_whole == (done.left == 0)
        if answer.is_whole:
            del self.activities[number]

    def take_back(self, done: Recorded, left: int, taken: dict[str, int]) -> None:
        for code, wallet in self.wallets.items():
            earned, before = done.earned[code], done.taken.get(code, 0)
            fallen = min(earned, done.left) - min(earned, left)
            due = earned - min(earned, left)
            assert wallet.come_back(done.activity_id, due, before, fallen, done.at) == taken.get(code, 0)
            done.taken[code] = before + taken.get(code, 0)
        self.score -= taken.get("score", 0)
        done.left = left

    # What happens to it

    @rule(wait=st.timedeltas(timedelta(0), timedelta(hours=30)), with_jobs=st.booleans())
    def wait_hours(self, wait: timedelta, with_jobs: bool) -> None:
        self._wait_until(self.now + wait, with_jobs=with_jobs)

    @rule(wait=st.timedeltas(timedelta(days=2), timedelta(days=25)), with_jobs=st.booleans())
    def wait_days(self, wait: timedelta, with_jobs: bool) -> None:
        self._wait_until(self.now + wait, with_jobs=with_jobs)

    @rule(end_of_month=st.booleans(), after=st.sampled_from([-1, 0, 1]), with_jobs=st.booleans())
    def wait_for_a_border(self, end_of_month: bool, after: int, with_jobs: bool) -> None:
        day = last_day(self.now) if end_of_month else day_of(self.now)
        border = midnight(day) + timedelta(days=1, microseconds=after)
        self._wait_until(max(self.now, border), with_jobs=with_jobs)

    def _wait_until(self, to: datetime, *, with_jobs: bool) -> None:
        self.run(self.shop.go_to(to) if with_jobs else self.shop.jump_to(to))
        self.now = to
        for wallet in self.wallets.values():
            wallet.pass_time(to)

    @precondition(lambda self: self.calls)
    @rule(which=SHARES, after_restart=st.booleans())
    def retry(self, which: float, after_restart: bool) -> None:
        if after_restart:
            self.run(self.shop.suite.stop("points"))
            self.run(self.shop.suite.start("points"))
        method, request, answer = self.calls[min(int(which * len(self.calls)), len(self.calls) - 1)]
        assert self.run(getattr(self.shop.points, method)(request)) == answer

    # What it looks like

    def read(self, at: datetime | None = None) -> dict[str, Any]:
        request = pb.GetBalanceRequest(member_id=self.member.member_id)
        if at is not None:
            request.effective_at.CopyFrom(timestamp(at))
        return {balance.unit: balance for balance in self.run(self.shop.points.GetBalance(request)).balances}

    def compare(self, balances: dict[str, Any], wallets: dict[str, Wallet], *, with_expiries: bool = True) -> None:
        for code, wallet in wallets.items():
            balance = balances[code]
            restricted = wallet.restricted("cafe")
            found = (balance.available, balance.pending, balance.held)
            # Of the past it is not known what was restricted.
            there = wallet.available() if with_expiries else wallet.available("cafe")
            assert found == (there, wallet.pending(), wallet.held()), code
            if with_expiries:
                assert [r.available for r in balance.restricted] == ([restricted] if restricted else [])
                expiries = [(e.expires_at.ToDatetime(UTC), e.amount) for e in balance.expiries]
                assert expiries == wallet.expiries(), code

    @invariant()
    def now_is_equal(self) -> None:
        if not hasattr(self, "wallets"):
            return
        self.history.append((self.now, {code: wallet.at(self.now) for code, wallet in self.wallets.items()}))
        balances = self.read()
        self.compare(balances, self.wallets)
        assert balances["score"].available == self.score
        self._past_is_equal(len(self.calls) * 7 % len(self.history))
        self._past_is_equal(max(0, len(self.history) - 2))

    @rule(share=SHARES, days=st.integers(0, 60), code=st.sampled_from(sorted(SPECS)))
    def later_is_equal(self, share: float, days: int, code: str) -> None:
        at = self.now + timedelta(days=days, hours=24 * share)
        self.compare(self.read(at), {code: wallet.at(at) for code, wallet in self.wallets.items()})
        self._lots_are_equal(code)

    def _past_is_equal(self, moment: int) -> None:
        """Half-way between a moment and the next at which something was done."""
        then, wallets = self.history[moment]
        until = next((seen_at for seen_at, _ in self.history if seen_at > then), None)
        if until is not None:
            wallets = next(known for seen_at, known in reversed(self.history) if seen_at == then)
            at = then + (until - then) / 2
            as_it_was = {code: wallet.at(at) for code, wallet in wallets.items()}
            self.compare(self.read(at), as_it_was, with_expiries=False)

    def _lots_are_equal(self, code: str) -> None:
        request = pb.ListLotsRequest(member_id=self.member.member_id, unit=code, page_size=3)
        found, token = [], "first"
        while token:
            page = self.run(self.shop.points.ListLots(request))
            found += [(lot.lot_id, lot.remaining, lot.held) for lot in page.lots]
            request.page_token = token = page.next_page_token
        wallet = self.wallets[code]
        held: dict[str, int] = {}
        for part in (part for hold in wallet.holds.values() for part in hold.parts):
            held[part.lot.lot_id] = held.get(part.lot.lot_id, 0) + part.amount
        filled = [lot for lot in sorted(wallet.lots, key=wallet.order) if lot.left or lot.lot_id in held]
        assert found == [(lot.lot_id, lot.left, held.get(lot.lot_id, 0)) for lot in filled]

    def teardown(self) -> None:
        answers = self.shop.points.VerifyLedger(pb.VerifyLedgerRequest(partition=0))
        assert self.run(findings_in(answers)) == []


async def findings_in(answers: Any) -> list[str]:
    return [finding async for answer in answers for finding in answer.findings]


def live(how: settings) -> None:
    """Let members live in a shop, one after the other."""
    with asyncio.Runner() as runner:
        opened = builders.open_shop(*DOCUMENTS, at="2026-01-20 12:00")
        shop = runner.run(opened.__aenter__())
        try:
            Life.shop, Life.run = shop, staticmethod(runner.get_loop().run_until_complete)
            run_state_machine_as_test(Life, settings=how)
        finally:
            runner.run(opened.__aexit__(None, None, None))


SOME = settings(
    max_examples=12,
    stateful_step_count=45,
    deadline=None,
    derandomize=True,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)


def test_the_service_and_the_model_say_the_same() -> None:
    live(SOME)


@pytest.mark.reliability
def test_they_say_the_same_of_many_more_lives() -> None:
    live(settings(SOME, max_examples=150, stateful_step_count=50, derandomize=False, phases=list(Phase)))
