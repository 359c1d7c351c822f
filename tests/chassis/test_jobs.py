"""Jobs: every due instant, in order; a job that fails is retried and never skipped; what a stop missed is made up."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import asyncpg
import pytest
from structlog.testing import capture_logs

from services.chassis import jobs as jobs_module
from services.chassis.clock import Clock, prepare_clock
from services.chassis.configurations import Configurations
from services.chassis.database import open_pool
from services.chassis.jobs import LEADER_LOCK, Job, JobRunner
from services.chassis.leadership import leadership
from tests.chassis.house import connection_to, ledger_database
from tests.chassis.ledger import compile_documents
from tests.chassis.patience import until

START = datetime(2026, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)


@dataclass
class Diary:
    """What ran when, and when the clock said it was."""

    pool: asyncpg.Pool
    ran: list[tuple[str, datetime, datetime]] = field(default_factory=list)
    failing: set[str] = field(default_factory=set)

    def job(self, name: str, every: timedelta) -> Job[Any]:
        async def run(instant: datetime) -> None:
            now = await self.pool.fetchval("SELECT now FROM clock")
            if name in self.failing:
                raise ZeroDivisionError
            self.ran.append((name, instant, now))

        def next_instant(config: object, after: datetime) -> datetime | None:
            return START + ((after - START) // every + 1) * every

        return Job(name, next_instant, run)

    def instants(self, name: str) -> list[datetime]:
        return [instant for ran, instant, _ in self.ran if ran == name]


MakeRunner = Callable[..., JobRunner[Any]]


@asynccontextmanager
async def diary_and_runners(*, virtual: bool = True) -> AsyncIterator[tuple[Diary, MakeRunner]]:
    """A diary, and runners as processes have them."""
    async with ledger_database() as dsn:
        async with connection_to(dsn) as connection:
            await prepare_clock(connection, virtual=virtual, start=START if virtual else None)
        pool = await open_pool(dsn, "reads", 4)

        def runner(*jobs: Job[Any]) -> JobRunner[Any]:
            return JobRunner(jobs, pool, Configurations(compile_documents), Clock(pool, virtual=virtual))

        try:
            yield Diary(pool), runner
        finally:
            await pool.close()


async def test_instants_of_all_jobs_run_in_the_order_of_time() -> None:
    async with diary_and_runners() as (diary, runner):
        running = runner(diary.job("three", 3 * HOUR), diary.job("two", 2 * HOUR))
        assert await running.run_until(START + 6 * HOUR) == 4
    assert [(name, instant - START) for name, instant, _ in diary.ran] == [
        ("two", 2 * HOUR),
        ("three", 3 * HOUR),
        ("two", 4 * HOUR),
        ("three", 6 * HOUR),
        ("two", 6 * HOUR),
    ], "at the same instant, in the order in which the service names them"
    assert all(now == instant for _, instant, now in diary.ran), "its instant is not now"


async def test_a_job_that_fails_stops_the_clock_and_is_retried() -> None:
    async with diary_and_runners() as (diary, runner):
        running = runner(diary.job("one", HOUR), diary.job("two", 2 * HOUR))
        await running.run_until(START + HOUR)
        diary.failing = {"two"}
        with pytest.raises(ZeroDivisionError) as raised:
            await running.run_until(START + 6 * HOUR)
        assert raised.value.__notes__ == ["in the job two, due at 2026-01-01T02:00:00+00:00"]
        assert await diary.pool.fetchval("SELECT now FROM clock") == START + 2 * HOUR
        diary.failing = set()
        await running.run_until(START + 6 * HOUR)
    assert diary.instants("two") == [START + n * HOUR for n in (2, 4, 6)], "skipped"
    assert sorted(set(diary.instants("one"))) == [START + n * HOUR for n in range(1, 7)], "skipped"


async def test_after_a_stop_every_missed_instant_is_made_up_in_order() -> None:
    async with diary_and_runners() as (diary, runner):
        await runner(diary.job("one", HOUR)).run_until(START + 2 * HOUR)
        await runner(diary.job("one", HOUR)).run_until(START + 5 * HOUR)
    assert diary.instants("one") == [START + n * HOUR for n in range(1, 6)]


async def test_a_job_begins_when_it_is_first_seen() -> None:
    async with diary_and_runners() as (diary, runner):
        await runner(diary.job("old", HOUR)).run_until(START + 5 * HOUR)
        await runner(diary.job("old", HOUR), diary.job("new", HOUR)).run_until(START + 7 * HOUR)
    assert diary.instants("new") == [START + 6 * HOUR, START + 7 * HOUR]


async def test_without_jobs_the_clock_alone_moves() -> None:
    async with diary_and_runners() as (diary, runner):
        assert await runner().run_until(START + HOUR) == 0
        assert await diary.pool.fetchval("SELECT now FROM clock") == START + HOUR
        assert await runner().run_until(START) == 0
        assert await diary.pool.fetchval("SELECT now FROM clock") == START + HOUR, "it went back"


async def test_what_ran_is_noted_before_the_next_instant_runs() -> None:
    async with diary_and_runners() as (diary, runner):
        running = runner(diary.job("one", HOUR), diary.job("three", 3 * HOUR))
        diary.failing = {"three"}
        with pytest.raises(ZeroDivisionError):
            await running.run_until(START + 6 * HOUR)
        noted = dict(await diary.pool.fetch("SELECT job, last_instant FROM job_runs"))
        assert noted == {"one": START + 2 * HOUR, "three": START}
        diary.failing = set()
        await running.run_until(START + 6 * HOUR)
    assert diary.instants("one") == [START + n * HOUR for n in (1, 2, 3, 3, 4, 5, 6)]


async def test_two_processes_run_each_instant_once() -> None:
    async with diary_and_runners() as (diary, runner):
        runners = [runner(diary.job("one", HOUR)) for _ in range(3)]
        counts = await asyncio.gather(*(running.run_until(START + 5 * HOUR) for running in runners))
    assert sorted(counts) == [0, 0, 5]
    assert diary.instants("one") == [START + n * HOUR for n in range(1, 6)]


async def test_on_the_real_clock_the_second_process_has_nothing_to_do() -> None:
    async with diary_and_runners(virtual=False) as (diary, runner):
        running = runner(diary.job("one", HOUR))
        await running.run_until(START)
        async with leadership(diary.pool, LEADER_LOCK, wait=False):
            assert await running.run_until(datetime.now(UTC) + 2 * HOUR) == 0
        assert await running.run_until(datetime.now(UTC) + 2 * HOUR) == 2


async def test_on_the_real_clock_a_failing_job_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs_module, "RUN_INTERVAL_S", 0.01)
    async with diary_and_runners(virtual=False) as (diary, runner):
        running = runner(diary.job("one", HOUR))
        await running.run_until(START)
        await diary.pool.execute("UPDATE job_runs SET last_instant = $1", datetime.now(UTC) - 3 * HOUR)
        diary.failing = {"one"}
        with capture_logs() as logs:
            working = asyncio.create_task(running.run_on_real_clock())
            await until(lambda: len(logs) >= 2)
            diary.failing = set()
            await until(lambda: len(diary.ran) >= 3)
            working.cancel()
            await asyncio.gather(working, return_exceptions=True)
    instants = diary.instants("one")
    assert len(instants) == 3
    assert [later - earlier for earlier, later in pairwise(instants)] == [HOUR, HOUR]


async def test_with_nothing_due_little_is_written() -> None:
    async with diary_and_runners(virtual=False) as (diary, runner):
        running = runner(diary.job("one", timedelta(days=1000)))
        noted = now = datetime.now(UTC) + HOUR
        await running.run_until(now)
        for _ in range(20):
            now += timedelta(seconds=1)
            await running.run_until(now)
        assert await diary.pool.fetchval("SELECT last_instant FROM job_runs") == noted
        await running.run_until(noted + timedelta(minutes=1))
        assert await diary.pool.fetchval("SELECT last_instant FROM job_runs") == noted + timedelta(minutes=1)
