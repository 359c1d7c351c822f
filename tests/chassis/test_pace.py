"""A busy process lets calls gather, and an idle one lets nobody wait."""

import asyncio
import time
from types import SimpleNamespace

import pytest

from services.chassis import pace
from services.chassis.pace import FREE, MOST_S, WINDOW_S, Pace, wait_s
from tests.chassis.house import ledger_database
from tests.chassis.ledger import Move
from tests.chassis.ledger_lanes import Batches, account, open_lanes

LONG_S = 1.0


@pytest.mark.parametrize(
    ("busy", "waits_s"), [(0, 0), (FREE, 0), ((FREE + 1) / 2, MOST_S / 2), (1, MOST_S), (3, MOST_S)]
)
def test_the_less_time_is_left_the_longer_a_batch_waits(busy: float, waits_s: float) -> None:
    assert wait_s(busy) == pytest.approx(waits_s)


def test_a_process_is_as_busy_as_it_was_since_it_was_last_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    clocks = SimpleNamespace(wall_s=100.0, cpu_s=7.0)
    told = SimpleNamespace(monotonic=lambda: clocks.wall_s, process_time=lambda: clocks.cpu_s)
    monkeypatch.setattr(pace, "time", told)
    measured = Pace()
    waits_s = []
    for wall_s, cpu_s in ((2 * WINDOW_S, 2 * WINDOW_S), (WINDOW_S / 2, 0), (2 * WINDOW_S, WINDOW_S)):
        clocks.wall_s, clocks.cpu_s = clocks.wall_s + wall_s, clocks.cpu_s + cpu_s
        waits_s.append(measured.wait_s())
    assert waits_s == [pytest.approx(MOST_S), pytest.approx(MOST_S), 0]


@pytest.fixture
def _busy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Pace, "wait_s", lambda measured: LONG_S)


@pytest.mark.usefixtures("_busy")
async def test_in_a_busy_process_calls_gather_where_more_than_one_came_before() -> None:
    batches, owner = Batches(), account()
    async with ledger_database() as dsn, open_lanes(dsn, batches=batches) as lanes:
        await asyncio.gather(*(lanes.one(Move(owner, 1)) for _ in range(2)))
        first = asyncio.create_task(lanes.one(Move(owner, 1)))
        await asyncio.sleep(LONG_S / 10)
        await asyncio.gather(first, lanes.one(Move(owner, 1)))
    assert batches.sizes == [2, 2]


@pytest.mark.usefixtures("_busy")
async def test_calls_that_come_one_after_the_other_and_bulk_calls_wait_for_nobody() -> None:
    batches, owner = Batches(), account()
    async with ledger_database() as dsn, open_lanes(dsn, batches=batches) as lanes:
        started = time.monotonic()
        for _ in range(3):
            await lanes.one(Move(owner, 1))
        for _ in range(2):
            await lanes.submit([Move(owner, 1)] * 10)
        assert time.monotonic() - started < LONG_S
    assert batches.sizes == [1, 1, 1, 10, 10]
