"""Any operations in any order, over month ends and expiries, with and without jobs and restarts.

The service and the model say the same of everything: now, later and of the past.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

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
from tessera.points.v1 import points_service_pb2 as pb
from tests.points import builders
from tests.points.builders import Member, Shop, activity, outcome, record
from tests.points.model import CAP, Hold, Terms, Wallet, last_day, midnight

TERMS = {
    "never": Terms(shortage="forgive"),
    "monthly": Terms(end_of_next_month=True),
    "waiting": Terms(pending_days=3, days=10),
    "sliding": Terms(sliding_days=20, min_validity_days=15),
    "lasting": Terms(days=12, min_validity_days=20, shortage="deduct-from-cash"),
    "capped": Terms(cap=CAP),
}
SPECS: dict[str, dict[str, Any]] = {
    "never": {"negative_balance": "forgive"},
    "monthly": {"expiry": {"policy": "end-of-month", "months": 1}},
    "waiting": {"pending_days": 3, "expiry": {"policy": "duration", "days": 10}},
    "sliding": {"expiry": {"policy": "sliding", "days": 20}, "refund": "min-validity", "min_validity_days": 15},
    "lasting": {
        "expiry": {"policy": "duration", "days": 12},
        "refund": "min-validity",
        "min_validity_days": 20,
        "negative_balance": "deduct-from-cash",
    },
    "capped": {},
}
DOCUMENTS = [
    *(builders.unit(code, **spec) for code, spec in SPECS.items()),
    *(
        builders.rule(f"for-{code}", code, **({"cap": {"amount": CAP, "period": "month"}} if code == "capped" else {}))
        for code in SPECS
    ),
    builders.unit("score", "qualifying"),
    builders.rule("for-score", "score"),
]
UNITS = st.sampled_from(sorted(SPECS))
AMOUNTS = st.integers(1, 120)
PARTS = st.floats(0.01, 1)
WAITS = st.one_of(
    st.timedeltas(timedelta(0), timedelta(hours=30)),
    st.timedeltas(timedelta(days=1), timedelta(days=25)),
    st.sampled_from(["next midnight", "end of month"]),
)


@dataclass
class Recorded:
    activity_id: str
    at: datetime
    earned: dict[str, int]


class Life(RuleBasedStateMachine):
    """One member's life."""

    shop: Shop
    run: Callable[[Any], Any]

    @initialize()
    def begin(self) -> None:
        self.member: Member = self.run(self.shop.enrol())
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

    # What a member does

    @rule(paid=st.integers(0, 100), hours_ago=st.sampled_from([0, 0, 0, 1, 30]))
    def earn(self, paid: int, hours_ago: int) -> None:
        at = self.now - timedelta(hours=hours_ago)
        answer = self.call("RecordActivity", record(activity(self.member, paid, at)))
        earned = {earning.unit: earning for earning in answer.earnings}
        for code, wallet in self.wallets.items():
            amount = wallet.capped(paid, at)
            assert earned[code].amount == amount
            wallet.earn(answer.activity_id, earned[code].lot_id, amount, at)
        self.score += paid
        self.activities.append(Recorded(answer.activity_id, at, {code: e.amount for code, e in earned.items()}))
        if hours_ago:
            self.history.clear()

    @rule(code=UNITS, amount=AMOUNTS)
    def spend(self, code: str, amount: int) -> None:
        wallet, request = self.wallets[code], builders.spend(self.member, amount, unit=code)
        if wallet.available() < amount:
            assert self.run(outcome(self.shop.points.Spend(request))) == "INSUFFICIENT_POINTS"
            return
        answer = self.call("Spend", request)
        wallet.spends[answer.spend_id] = taken = wallet.take(amount)
        assert [(part.lot_id, part.amount) for part in answer.lots] == [(p.lot.lot_id, p.amount) for p in taken]
        assert answer.balance_after == wallet.available() + wallet.pending() + wallet.held()

    @rule(code=UNITS, amount=AMOUNTS, hours=st.integers(1, 400))
    def hold(self, code: str, amount: int, hours: int) -> None:
        wallet, until = self.wallets[code], self.now + timedelta(hours=hours)
        request = builders.hold(self.member, amount, until, unit=code)
        if wallet.available() < amount:
            assert self.run(outcome(self.shop.points.Hold(request))) == "INSUFFICIENT_POINTS"
            return
        answer = self.call("Hold", request)
        wallet.holds[answer.hold_id] = Hold(until, wallet.take(amount))
        assert answer.available_after == wallet.available()

    def any_hold(self, data: st.DataObject) -> tuple[Wallet, str]:
        return data.draw(st.sampled_from([(w, hold_id) for w in self.wallets.values() for hold_id in w.holds]))

    @precondition(lambda self: any(wallet.holds for wallet in self.wallets.values()))
    @rule(data=st.data(), part=PARTS)
    def capture(self, data: st.DataObject, part: float) -> None:
        wallet, hold_id = self.any_hold(data)
        held = sum(taken.amount for taken in wallet.holds[hold_id].parts)
        amount = max(1, int(held * part))
        answer = self.call("CaptureHold", builders.capture(hold_id, amount))
        wallet.capture(hold_id, answer.spend_id, amount)
        assert (answer.captured, answer.released) == (amount, held - amount)

    @precondition(lambda self: any(wallet.holds for wallet in self.wallets.values()))
    @rule(data=st.data())
    def release(self, data: st.DataObject) -> None:
        wallet, hold_id = self.any_hold(data)
        answer = self.call("ReleaseHold", builders.release(hold_id))
        assert answer.expired == wallet.release(hold_id)

    @precondition(lambda self: any(wallet.spends for wallet in self.wallets.values()))
    @rule(data=st.data(), part=PARTS)
    def refund(self, data: st.DataObject, part: float) -> None:
        spends = [(wallet, spend_id) for wallet in self.wallets.values() for spend_id in wallet.spends]
        wallet, spend_id = data.draw(st.sampled_from(spends))
        left = wallet.refundable(spend_id)
        amount = max(1, int(left * part))
        request = builders.refund(spend_id, amount)
        if left < amount:
            assert self.run(outcome(self.shop.points.RefundSpend(request))) == "REFUND_EXCEEDS_SPEND"
            return
        answer = self.call("RefundSpend", request)
        assert answer.expired == wallet.refund(spend_id, amount, [part.lot_id for part in answer.lots])

    @precondition(lambda self: self.activities)
    @rule(data=st.data())
    def reverse(self, data: st.DataObject) -> None:
        done = data.draw(st.sampled_from(self.activities))
        self.activities.remove(done)
        answer = self.call("ReverseActivity", builders.reverse(done.activity_id))
        taken = {clawback.unit: clawback.taken for clawback in answer.clawbacks}
        for code, wallet in self.wallets.items():
            assert wallet.reverse(done.activity_id, done.earned[code], done.at) == taken.get(code, 0)
        self.score -= taken.get("score", 0)

    # What happens to it

    @rule(wait=WAITS, with_jobs=st.booleans())
    def wait(self, wait: timedelta | str, with_jobs: bool) -> None:
        if wait == "next midnight":
            to = midnight((self.now + timedelta(hours=32)).astimezone(UTC).date())
        elif wait == "end of month":
            to = midnight(last_day(self.now)) + timedelta(days=1) - timedelta(microseconds=1)
        else:
            assert isinstance(wait, timedelta)
            to = self.now + wait
        to = max(to, self.now)
        self.run(self.shop.go_to(to) if with_jobs else self.shop.jump_to(to))
        self.now = to
        for wallet in self.wallets.values():
            wallet.pass_time(to)

    @rule()
    def restart(self) -> None:
        self.run(self.shop.suite.stop("points"))
        self.run(self.shop.suite.start("points"))

    @precondition(lambda self: self.calls)
    @rule(data=st.data())
    def retry(self, data: st.DataObject) -> None:
        method, request, answer = data.draw(st.sampled_from(self.calls))
        assert self.run(getattr(self.shop.points, method)(request)) == answer

    # What it looks like

    def read(self, at: datetime | None = None) -> dict[str, Any]:
        request = pb.GetBalanceRequest(member_id=self.member.member_id)
        if at is not None:
            request.effective_at.CopyFrom(timestamp(at))
        return {b.unit: b for b in self.run(self.shop.points.GetBalance(request)).balances}

    @invariant()
    def now_is_equal(self) -> None:
        if not hasattr(self, "wallets"):
            return
        self.history.append((self.now, {code: wallet.at(self.now) for code, wallet in self.wallets.items()}))
        self.compare(self.read(), self.wallets)
        assert self.read()["score"].available == self.score

    @rule(days=st.integers(0, 60), hours=st.integers(0, 23))
    def later_is_equal(self, days: int, hours: int) -> None:
        at = self.now + timedelta(days=days, hours=hours)
        self.compare(self.read(at), {code: wallet.at(at) for code, wallet in self.wallets.items()})

    @precondition(lambda self: len(self.history) > 1)
    @rule(data=st.data())
    def the_past_is_equal(self, data: st.DataObject) -> None:
        first = self.history[0][0]
        at = first + data.draw(st.floats(0, 1)) * (self.now - first)
        at = at.replace(microsecond=0)
        known = [wallets for seen_at, wallets in self.history if seen_at <= at]
        if known and at < self.now:
            then = {code: wallet.at(at) for code, wallet in known[-1].items()}
            self.compare(self.read(at), then, with_expiries=False)

    def compare(self, balances: dict[str, Any], wallets: dict[str, Wallet], *, with_expiries: bool = True) -> None:
        for code, wallet in wallets.items():
            balance = balances[code]
            found = (balance.available, balance.pending, balance.held)
            assert found == (wallet.available(), wallet.pending(), wallet.held()), code
            if with_expiries:
                expiries = [(e.expires_at.ToDatetime(UTC), e.amount) for e in balance.expiries]
                assert expiries == wallet.expiries(), code

    @rule(code=UNITS)
    def lots_are_equal(self, code: str) -> None:
        request = pb.ListLotsRequest(member_id=self.member.member_id, unit=code, page_size=3)
        found: list[Any] = []
        while not found or request.page_token:
            page = self.run(self.shop.points.ListLots(request))
            found += page.lots
            request.page_token = page.next_page_token
            if not page.lots:
                break
        wallet = self.wallets[code]
        held: dict[str, int] = {}
        for part in (part for hold in wallet.holds.values() for part in hold.parts):
            held[part.lot.lot_id] = held.get(part.lot.lot_id, 0) + part.amount
        expected = [lot for lot in sorted(wallet.lots, key=wallet.order) if lot.left or lot.lot_id in held]
        assert [(lot.lot_id, lot.remaining, lot.held) for lot in found] == [
            (lot.lot_id, lot.left, held.get(lot.lot_id, 0)) for lot in expected
        ]

    def teardown(self) -> None:
        if hasattr(self, "member"):
            assert self.run(self.shop.findings()) == []


def test_the_service_and_the_model_say_the_same() -> None:
    with asyncio.Runner() as runner:
        opened = builders.open_shop(*DOCUMENTS, at="2026-01-20 12:00")
        shop = runner.run(opened.__aenter__())
        try:
            Life.shop, Life.run = shop, staticmethod(runner.get_loop().run_until_complete)
            run_state_machine_as_test(Life, settings=FAST)
        finally:
            runner.run(opened.__aexit__(None, None, None))


FAST = settings(
    max_examples=25,
    stateful_step_count=30,
    deadline=None,
    derandomize=True,
    phases=[Phase.explicit, Phase.generate, Phase.shrink],
    suppress_health_check=list(HealthCheck),
)
