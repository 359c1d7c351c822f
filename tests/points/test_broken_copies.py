"""A service that is broken on purpose is caught: by the model, by the proof of the ledger, or by two writers at once.

Each copy is broken by one small patch. A test of the model that lets one of them through tests too little.
"""

import asyncio
import itertools
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime
from typing import Any

import asyncpg
import pytest
from grpc import aio

from services.chassis import heads
from services.chassis.app import start
from services.chassis.batches import Batch
from services.points.activities import clawbacks
from services.points.activities import limits as activity_limits
from services.points.activities import rules as earning
from services.points.adjustments import rules as adjustments
from services.points.budgets.books import BudgetBooks
from services.points.budgets.definitions import Budget, BudgetKey
from services.points.budgets.values import Left, Place
from services.points.groups import rules as pooling
from services.points.groups.values import Contribution
from services.points.partners import legs
from services.points.partners.values import Answer, State
from services.points.state import PointsState
from services.points.values import Lot, LotUse
from services.points.wallet import Wallet
from services.points.wallets import limits, lots
from services.points.wallets import operations as wallets
from tessera.points.v1 import points_service_pb2_grpc
from tests.points.builders import Shop, open_shop, outcome, spend
from tests.points.model.lives import live
from tests.support.suite import channel_to, free_port

LIVES, STEPS = 40, 50
CAUGHT = (AssertionError, aio.AioRpcError)
"""What a step that is not as it should be ends with."""

Patch = Callable[[pytest.MonkeyPatch], None]


def rounds_up(patch: pytest.MonkeyPatch) -> None:
    """What rules give is rounded up."""
    rounded = earning.rounded
    patch.setattr(earning, "rounded", lambda exact, factor, rounding: rounded(exact, factor, "ceil"))


def keeps_caps(patch: pytest.MonkeyPatch) -> None:
    """Refunds do not give caps back what they drew on them."""
    patch.setattr(clawbacks._Coming, "caps", lambda self: [])


def keeps_what_was_held(patch: pytest.MonkeyPatch) -> None:
    """A hold that expires gives nothing back."""

    def nothing(wallet: Wallet, uses: Iterable[LotUse], at: datetime) -> int:
        return 0

    patch.setattr(lots, "give_back", nothing)


def burns_the_oldest(patch: pytest.MonkeyPatch) -> None:
    """Lots burn by age, not by expiry."""

    spendable = lots.spendable

    def by_age(wallet: Wallet, at: datetime, merchant: str | None = None) -> list[Lot]:
        there = spendable(wallet, at, merchant)
        return sorted(there, key=lambda lot: (lot.merchant is None, lot.available_at, lot.lot_id))

    patch.setattr(lots, "spendable", by_age)


def forgets_requests(patch: pytest.MonkeyPatch) -> None:
    """No verdict is kept."""
    patch.setattr(Batch, "kept_rows", lambda self, partition: ())


def forgets_days(patch: pytest.MonkeyPatch) -> None:
    """What a day allows is not counted."""
    patch.setattr(wallets, "count_on_day", lambda *told: None)


def forgets_orders(patch: pytest.MonkeyPatch) -> None:
    """What is spent for an order is not counted."""
    patch.setattr(wallets, "count_for_order", lambda *told: None)


def does_not_wait(patch: pytest.MonkeyPatch) -> None:
    """Debts are not paid by what comes later."""
    patch.setattr(lots, "pay_debt", lambda wallet, at: None)


def allows_one_more(patch: pytest.MonkeyPatch) -> None:
    """A limit is one too high."""
    tightest = limits._tightest

    def looser(*told: Any) -> tuple[str, int]:
        name, most = tightest(*told)
        return name, most + 2

    patch.setattr(limits, "_tightest", looser)


def keeps_budgets(patch: pytest.MonkeyPatch) -> None:
    """Refunds do not give budgets back what they drew on them."""
    patch.setattr(clawbacks._Coming, "draws", lambda self: [])


def gives_beyond_budgets(patch: pytest.MonkeyPatch) -> None:
    """What is left of a budget is what its portion had at first."""

    def left(books: BudgetBooks, place: Place, budget: Budget, key: BudgetKey) -> Left:
        return Left(budget.amount, True)

    patch.setattr(BudgetBooks, "left", left)


def overfills_wallets(patch: pytest.MonkeyPatch) -> None:
    """What activities earn is not cut to what a wallet may have."""
    patch.setattr(activity_limits.Limits, "_fit", lambda self, outcome: outcome)


def forgets_levels(patch: pytest.MonkeyPatch) -> None:
    """All members stand on no level."""
    patch.setattr(PointsState, "levels", lambda self, member_id, at: {})


def asks_partners_anew(patch: pytest.MonkeyPatch) -> None:
    """Whoever asks a partner again does so by another reference."""
    numbers = itertools.count()
    named = legs.partner_conversion_id
    patch.setattr(legs, "partner_conversion_id", lambda one: f"{named(one)}-{next(numbers)}")


def takes_silence_for_yes(patch: pytest.MonkeyPatch) -> None:
    """A partner that does not answer has booked."""
    patch.setattr(legs, "_UNKNOWN", Answer(State.DONE))


def corrects_scores_today(patch: pytest.MonkeyPatch) -> None:
    """A corrected score counts from today on, whatever was said."""
    correct = adjustments._apply_to_score
    patch.setattr(adjustments, "_apply_to_score", lambda w, a, now: correct(w, replace(a, effective_at=None), now))


def gives_the_first_back_first(patch: pytest.MonkeyPatch) -> None:
    """A refund of what several spent begins with whose points burnt first."""
    given_back = pooling._given_back

    def turned(contributions: Sequence[Contribution], amount: int) -> Any:
        changed, due = given_back(tuple(reversed(contributions)), amount)
        return tuple(reversed(changed)), due

    patch.setattr(pooling, "_given_back", turned)


QUICK: Sequence[Patch] = (
    *(rounds_up, keeps_caps, keeps_what_was_held, forgets_requests),
    *(keeps_budgets, overfills_wallets),
)
LONG: Sequence[Patch] = (
    *(burns_the_oldest, forgets_days, does_not_wait, forgets_orders, gives_the_first_back_first),
    *(
        allows_one_more,
        takes_silence_for_yes,
        gives_beyond_budgets,
        forgets_levels,
        asks_partners_anew,
        corrects_scores_today,
    ),
)


@pytest.mark.parametrize(
    "break_it",
    [*QUICK, *(pytest.param(patch, marks=pytest.mark.reliability) for patch in LONG)],
    ids=lambda patch: patch.__name__,
)
def test_a_copy_is_caught_that(break_it: Patch, monkeypatch: pytest.MonkeyPatch) -> None:
    break_it(monkeypatch)
    with pytest.raises(CAUGHT):
        live(LIVES, STEPS, chance=1)


@pytest.mark.reliability
def test_a_copy_that_is_not_broken_is_not_caught() -> None:
    live(LIVES, STEPS, chance=1)


# The lock of a partition shows only where two processes write.


@asynccontextmanager
async def another_server(shop: Shop) -> AsyncIterator[Any]:
    """A second service on the shop's database, as another replica would be."""
    address = f"127.0.0.1:{free_port()}"
    running = await start(shop.suite.settings("points", listen=address), shop.suite.definitions["points"], None)
    await running.server.start()
    channel = channel_to(address)
    try:
        yield points_service_pb2_grpc.PointsServiceStub(channel)
    finally:
        await channel.close()
        await running.server.drain(2.0)
        await running.close()


async def storm() -> None:
    """Through two servers at once, as much is spent as there is, and not more."""
    async with open_shop() as shop, another_server(shop) as other:
        member = await shop.enrol()
        await shop.earn(member, 100)
        for _ in range(5):
            calls = [points.Spend(spend(member, 5)) for _ in range(12) for points in (shop.points, other)]
            reasons = Counter(await asyncio.gather(*map(outcome, calls)))
            assert reasons[""] + reasons["INSUFFICIENT_POINTS"] == len(calls), reasons
            assert reasons[""] == 20
            await shop.earn(member, 100)
        assert await shop.available(member) == 100
        assert await shop.findings() == []


async def test_two_servers_spend_what_is_there_once() -> None:
    await storm()


async def test_a_copy_is_caught_that_skips_the_lock(monkeypatch: pytest.MonkeyPatch) -> None:
    async def read_without_lock(
        connection: asyncpg.Connection, partitions: Sequence[int], also: heads.Also
    ) -> list[heads.Head]:
        await connection.execute("BEGIN")
        return [await heads.read(connection, partition, also) for partition in sorted(partitions)]

    monkeypatch.setattr(heads, "lock", read_without_lock)
    with pytest.raises(CAUGHT):
        await storm()
