"""One member's life, told to the service and to the model alike: what both say of it must be the same.

A step that concerns several units, members or purchases is one bulk call, several, or calls one by one, as chance has
it. Rules stand in the modules beside this one, by noun.
"""

import random
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from hypothesis import assume
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from tests.points.builders import Member, Shop, outcome, refusal_in
from tests.points.good_requests import mutations
from tests.points.model.budgets import Budget
from tests.points.model.promises import SHANGHAI, Terms, first_of_month, midnight
from tests.points.model.units import TERMS
from tests.points.model.wallet import Wallet
from tests.support.exchange_partner import ExchangePartner

SHARES = st.integers(0, 20).map(lambda number: number / 20)
"""Evenly spread, as floats would not be."""
NOW_AND_THEN = st.sampled_from([False, False, False, True])
TIMES = st.sampled_from([1, 1, 1, 2, 3])
MERCHANTS = st.sampled_from(["", "", "cafe"])
LEVELS = ["", "silver", "gold"]
BULK = {mutation.name: mutation.bulk for mutation in mutations() if mutation.bulk is not None}

MAY_CHANGE = {"APPROVAL_BY_REQUESTER"}
"""Refusals for who asks, which are not kept for when it asks again."""

Verdict = tuple[Any, str]
"""An answer and "", or None and why not."""


@dataclass
class Done:
    """How often each method was called in all lives, items of bulk calls under the bulk form's name."""

    calls: Counter[str] = field(default_factory=Counter)

    @property
    def operations(self) -> int:
        return self.calls.total()


@dataclass(eq=False)
class Person:
    """Somebody with points."""

    member: Member
    wallets: dict[str, Wallet]
    score: list[tuple[datetime, int]] = field(default_factory=list)
    """What counted since when."""
    levels: dict[datetime, str] = field(default_factory=dict)
    """Since when somebody has stood on which level."""

    def level(self, at: datetime) -> str:
        return self.levels[max((since for since in self.levels if since <= at), default=min(self.levels))]

    def score_at(self, at: datetime) -> int:
        return sum(amount for since, amount in self.score if since <= at)


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
    partner: ExchangePartner
    budgets: dict[str, Budget]
    """By unit: those of all lives of a shop."""
    zone: ZoneInfo = SHANGHAI
    done = Done()
    look_every = 1
    """How many steps go by until everything is compared."""

    @initialize(routing=st.sampled_from([0, 3]), chance=st.integers(0, 1 << 32))
    def begin(self, routing: int, chance: int) -> None:
        assume(chance)  # The simplest of all lives comes first, and is the same each time.
        self.chance = random.Random(chance)
        self.now: datetime = self.run(self.shop.now())
        self.me = self._somebody("fuel", 0)
        self.friend = self._somebody("travel", routing)
        self.steps = 0
        self.calls: list[tuple[str, Any, Verdict]] = []
        self.get_ready()

    def _somebody(self, domain: str, routing: int) -> Person:
        wallets = {code: Wallet(Terms(**terms, zone=self.zone), self.now) for code, terms in TERMS.items()}
        beginning = self.now - timedelta(days=100)
        return Person(self.run(self.shop.enrol(domain, routing)), wallets, levels={beginning: ""})

    @property
    def wallets(self) -> dict[str, Wallet]:
        return self.me.wallets

    def get_ready(self) -> None:
        """What single nouns keep, and begin with."""

    def is_rich(self) -> bool:
        """Whether there is something to spend."""
        return any(wallet.available() > 0 for wallet in self.wallets.values())

    # How it is told

    def call(self, method: str, request: Any) -> Any:
        """The answer to what must be possible."""
        answer, refused = self.verdict(method, request)
        assert not refused, (method, refused)
        return answer

    def refusal(self, method: str, request: Any) -> str:
        return self.verdict(method, request)[1]

    def verdict(self, method: str, request: Any, caller: str = "") -> Verdict:
        found = self.run(self.ask(method, request, caller))
        if not caller and found[1] not in MAY_CHANGE:
            self.calls.append((method, request, found))
        return found

    async def ask(self, method: str, request: Any, caller: str = "") -> Verdict:
        self.done.calls[method] += len(getattr(request, "requests", "1"))
        points = self.shop.as_caller(caller) if caller else self.shop.points
        answers: list[Any] = []

        async def answer() -> None:
            answers.append(await getattr(points, method)(request))

        refused = await outcome(answer())
        return (None, refused) if refused else (answers[0], "")

    def each(self, method: str, requests: Sequence[Any]) -> Iterator[Verdict]:
        """What becomes of each request, in their order: by one bulk call, by several, or by calls one by one."""
        left = list(requests)
        while left:
            size = self.chance.choice([len(left), len(left), self.chance.randint(1, len(left))])
            part, left = left[:size], left[size:]
            if size == 1 and self.chance.random() < 0.7:
                yield self.verdict(method, part[0])
                continue
            bulk = BULK[method]
            answer = self.call(bulk.name, bulk.input_type._concrete_class(requests=part))
            for result in answer.results:
                yield result.response, refusal_in(result.error).reason if result.HasField("error") else ""

    def in_wallets(self, method: str, requests: Sequence[tuple[str, Any]]) -> Iterator[tuple[Wallet, Any, Any, str]]:
        """What becomes of each request about a unit: its wallet, the request, the answer, and why not."""
        told = self.each(method, [request for _, request in requests])
        for (code, request), (answer, refused) in zip(requests, told, strict=True):
            yield self.wallets[code], request, answer, refused

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
        for wallet in [*self.wallets.values(), *self.friend.wallets.values()]:
            wallet.pass_time(to)

    @rule(level=st.sampled_from(LEVELS), hours_ago=st.sampled_from([0, 0, 30]))
    def stand_elsewhere(self, level: str, hours_ago: int) -> None:
        """Tiers tells of a level: what it told of the time from there on no longer holds."""
        since = self.now - timedelta(hours=hours_ago)
        self.run(self.shop.raise_to(self.me.member, level, since))
        self.me.levels = {at: known for at, known in self.me.levels.items() if at < since} | {since: level}

    @precondition(lambda self: self.calls)
    @rule(which=SHARES, after_restart=NOW_AND_THEN)
    def retry(self, which: float, after_restart: bool) -> None:
        if after_restart:
            self.run(self.shop.suite.stop("points"))
            self.run(self.shop.suite.start("points"))
        method, request, found = picked(self.calls, which)
        again = self.run(self.ask(method, request))
        assert again == found, (method, request, found, again)
