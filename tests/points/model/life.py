"""One member's life, told to the service and to the model alike: what both say of it must be the same.

Every step does the same in all units, in one bulk call or in two. Rules stand in the modules beside this one, by noun.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from typing import Any
from zoneinfo import ZoneInfo

from hypothesis import assume
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from services.chassis.instants import timestamp
from tessera.points.v1 import movement_pb2
from tessera.points.v1 import points_service_pb2 as pb
from tests.points.builders import Member, Shop, refusal_in, refusal_of
from tests.points.model.promises import SHANGHAI, Limits, Terms, first_of_month, midnight
from tests.points.model.wallet import Wallet
from tests.points.terms import CAP

SHARES = st.integers(0, 20).map(lambda number: number / 20)
"""Evenly spread, as floats would not be."""
NOW_AND_THEN = st.sampled_from([False, False, False, True])
MERCHANTS = st.sampled_from(["", "", "cafe"])
TERMS: dict[str, dict[str, Any]] = {
    "never": {"shortage": "forgive"},
    "monthly": {"end_of_next_month": True, "rate": Fraction(2, 3), "most": 200},
    "waiting": {"pending_days": 3, "days": 10},
    "sliding": {"sliding_days": 20, "min_validity_days": 15, "alone": 20},
    "lasting": {"days": 12, "min_validity_days": 20, "shortage": "deduct-from-cash"},
    "capped": {"cap": CAP},
    "rationed": {
        "days": 25,
        "rate": Fraction(3, 2),
        "category": "BREAD",
        "limits": Limits(4, 2, 30, 40, Fraction(1, 2)),
    },
    "stays": {"days": 12, "until_completed": True},
}
"""What `tests.points.terms` says in documents."""
UNITS = sorted(TERMS)
BULK = {
    "Spend": ("BulkSpend", pb.BulkSpendRequest),
    "Hold": ("BulkHold", pb.BulkHoldRequest),
    "CaptureHold": ("BulkCaptureHolds", pb.BulkCaptureHoldsRequest),
    "ReleaseHold": ("BulkReleaseHolds", pb.BulkReleaseHoldsRequest),
    "RefundSpend": ("BulkRefundSpends", pb.BulkRefundSpendsRequest),
    "Grant": ("BulkGrant", movement_pb2.BulkGrantRequest),
}


@dataclass
class Done:
    """Operations carried out, of all lives."""

    operations: int = 0


@dataclass
class Line:
    """A line of an activity: what of its money did not come back yet, and what it is of."""

    left: int
    category: str


@dataclass
class Recorded:
    """An activity, and what became of it."""

    activity_id: str
    at: datetime
    earned: dict[str, int]
    lines: list[Line]
    taken: dict[str, int] = field(default_factory=dict)
    is_completed: bool = False

    def left(self) -> int:
        return sum(line.left for line in self.lines)


def share_of(total: int, share: float) -> int:
    """At least one; now and then a little more than there is."""
    return max(1, round(total * share * 1.05))


def picked(items: Any, share: float) -> Any:
    """One of several."""
    return items[min(int(share * len(items)), len(items) - 1)]


class Life(RuleBasedStateMachine):
    """A member, a friend to whom it gives, and a clock."""

    shop: Shop
    run: Callable[[Any], Any]
    zone: ZoneInfo = SHANGHAI
    done = Done()
    look_every = 1
    """How many steps go by until everything is compared."""

    @initialize(routing=st.sampled_from([0, 3]), chance=st.integers(0, 1 << 32))
    def begin(self, routing: int, chance: int) -> None:
        assume(chance)  # The simplest of all lives comes first, and is the same each time.
        self.member: Member = self.run(self.shop.enrol())
        self.friend: Member = self.run(self.shop.enrol("travel", routing=routing))
        self.now: datetime = self.run(self.shop.now())
        terms = {code: Terms(**values, zone=self.zone) for code, values in TERMS.items()}
        self.wallets = {code: Wallet(of, self.now) for code, of in terms.items()}
        self.of_friend = {code: Wallet(of, self.now) for code, of in terms.items()}
        self.score = 0
        self.steps = 0
        self.activities: list[Recorded] = []
        self.calls: list[tuple[str, Any, Any]] = []
        self.history: list[tuple[datetime, dict[str, Wallet]]] = []
        self.get_ready()

    def get_ready(self) -> None:
        """What single nouns keep, and begin with."""

    def is_rich(self) -> bool:
        """Whether there is something to spend."""
        return any(wallet.available() > 0 for wallet in self.wallets.values())

    def call(self, method: str, request: Any) -> Any:
        answer = self.run(getattr(self.shop.points, method)(request))
        self.calls.append((method, request, answer))
        self.done.operations += len(getattr(request, "requests", "1"))
        return answer

    def refusal(self, method: str, request: Any) -> str:
        self.done.operations += 1
        refusal = self.run(refusal_of(getattr(self.shop.points, method)(request)))
        return str(refusal.reason)

    def in_each_unit(self, method: str, requests: dict[str, Any]) -> Iterator[tuple[str, Wallet, Any, str]]:
        """What becomes of each request: its unit, its wallet, the answer, and why it was refused.

        They go in one bulk call or in two, now split here, now there. Their order among each other is the same.
        """
        bulk, message = BULK[method]
        cut, codes = len(self.calls) % (2 * len(requests) + 1), list(requests)
        for part in filter(None, (codes[:cut], codes[cut:])):
            answer = self.call(bulk, message(requests=[requests[code] for code in part]))
            for code, result in zip(part, answer.results, strict=True):
                refused = refusal_in(result.error).reason if result.HasField("error") else ""
                yield code, self.wallets[code], result.response, refused

    # What happens to it

    @rule(wait=st.timedeltas(timedelta(0), timedelta(hours=30)), with_jobs=NOW_AND_THEN)
    def wait_hours(self, wait: timedelta, with_jobs: bool) -> None:
        self._wait_until(self.now + wait, with_jobs=with_jobs)

    @rule(wait=st.timedeltas(timedelta(days=2), timedelta(days=25)), with_jobs=NOW_AND_THEN)
    def wait_days(self, wait: timedelta, with_jobs: bool) -> None:
        self._wait_until(self.now + wait, with_jobs=with_jobs)

    @rule(end_of_month=st.booleans(), after=st.sampled_from([-1, 0, 1]), with_jobs=NOW_AND_THEN)
    def wait_for_a_border(self, end_of_month: bool, after: int, with_jobs: bool) -> None:
        """Of a day or a month in the programme's zone."""
        today = self.now.astimezone(self.zone).date()
        day = first_of_month(today, 1) if end_of_month else today + timedelta(days=1)
        self._wait_until(max(self.now, midnight(day, self.zone) + timedelta(microseconds=after)), with_jobs=with_jobs)

    def _wait_until(self, to: datetime, *, with_jobs: bool) -> None:
        self.run(self.shop.go_to(to) if with_jobs else self.shop.jump_to(to))
        self.now = to
        for wallet in [*self.wallets.values(), *self.of_friend.values()]:
            wallet.pass_time(to)

    @precondition(lambda self: self.calls)
    @rule(which=SHARES, after_restart=NOW_AND_THEN)
    def retry(self, which: float, after_restart: bool) -> None:
        if after_restart:
            self.run(self.shop.suite.stop("points"))
            self.run(self.shop.suite.start("points"))
        method, request, answer = picked(self.calls, which)
        assert self.run(getattr(self.shop.points, method)(request)) == answer

    # What it looks like

    def read(self, member: Member, at: datetime | None = None) -> dict[str, Any]:
        request = pb.GetBalanceRequest(member_id=member.member_id)
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
        self.steps += 1
        if self.steps % self.look_every:
            self.history.clear()
            return
        self.history.append((self.now, {code: wallet.at(self.now) for code, wallet in self.wallets.items()}))
        balances = self.read(self.member)
        self.compare(balances, self.wallets)
        assert balances["score"].available == self.score
        self._past_is_equal(len(self.calls) * 7 % len(self.history))
        self._past_is_equal(max(0, len(self.history) - 2))

    @rule(share=SHARES, days=st.integers(0, 60), code=st.sampled_from(UNITS))
    def later_is_equal(self, share: float, days: int, code: str) -> None:
        at = self.now + timedelta(days=days, hours=24 * share)
        self.compare(self.read(self.member, at), {code: wallet.at(at) for code, wallet in self.wallets.items()})
        self.compare(self.read(self.friend, at), {code: wallet.at(at) for code, wallet in self.of_friend.items()})
        self._lots_are_equal(code)

    def _past_is_equal(self, moment: int) -> None:
        """Half-way between a moment and the next at which something was done."""
        then, wallets = self.history[moment]
        until = next((seen_at for seen_at, _ in self.history if seen_at > then), None)
        if until is not None:
            wallets = next(known for seen_at, known in reversed(self.history) if seen_at == then)
            at = then + (until - then) / 2
            as_it_was = {code: wallet.at(at) for code, wallet in wallets.items()}
            self.compare(self.read(self.member, at), as_it_was, with_expiries=False)

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
