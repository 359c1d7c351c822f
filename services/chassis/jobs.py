"""Timed work: what falls due at civil instants, run in order, once, with its instant as now.

A job is safe to run twice and on two replicas: what it does are commands of the lanes, which decide on what is there.
What it has done up to is kept in `job_runs`, so that after a stop every missed instant is made up in order.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Generic, TypeVar

import asyncpg
import structlog

from services.chassis.clock import EPOCH, Clock
from services.chassis.configurations import Configurations
from services.chassis.database import Connection
from services.chassis.leadership import leadership

RUN_INTERVAL_S = 1.0
"""How often a service on the real clock looks whether something is due."""
NOTE_INTERVAL = timedelta(minutes=1)
"""How often it notes how far it looked when nothing was due: so far back goes what a new configuration makes due."""
LEADER_LOCK = 41_237_891
"""The advisory lock of the process that runs the jobs of a database."""

_LOG = structlog.stdlib.get_logger(__name__)

Config = TypeVar("Config")

_LAST_RUNS = """
    SELECT job, last_instant
    FROM job_runs
"""
# A database that lives by the real clock has no row of it.
_ADVANCE = """
    WITH noted AS (
        INSERT INTO job_runs (job, last_instant)
        SELECT job, $3::timestamptz
        FROM unnest($2::text[]) AS u (job)
        ON CONFLICT (job) DO UPDATE SET last_instant = greatest(job_runs.last_instant, EXCLUDED.last_instant)
    )
    UPDATE clock
    SET now = $1
    WHERE now < $1
"""


@dataclass(frozen=True, slots=True)
class Job(Generic[Config]):
    """Work that falls due."""

    name: str
    next_instant: Callable[[Config, datetime], datetime | None]
    """The first instant after a time at which it is due; None when the configuration has no use for it."""
    run: Callable[[datetime], Awaitable[None]]
    """Do what is due at an instant."""


class JobRunner(Generic[Config]):
    """Runs a service's jobs: every due instant in order."""

    def __init__(
        self,
        jobs: Sequence[Job[Config]],
        pool: asyncpg.Pool,
        configurations: Configurations[Config],
        clock: Clock,
    ) -> None:
        self._jobs = jobs
        self._pool = pool
        self._configurations = configurations
        self._clock = clock
        self._running = asyncio.Lock()
        self._noted_to = EPOCH

    async def run_until(self, to: datetime) -> int:
        """Run everything due up to and including `to`; returns how many instants there were.

        A virtual clock is set to each instant before its jobs run, and to `to` at the end. On the real clock whoever
        comes second has nothing to do.
        """
        if not self._jobs:
            await self._advance(self._pool, to, (), to)
            return 0
        async with self._running, leadership(self._pool, LEADER_LOCK, wait=self._clock.virtual) as connection:
            if connection is None:
                return 0
            instants_run = await self._run_due(connection, to)
            if self._clock.virtual or instants_run or to - self._noted_to >= NOTE_INTERVAL:
                await self._advance(connection, to, self._jobs, to)
                self._noted_to = to
        return instants_run

    async def _run_due(self, connection: Connection, to: datetime) -> int:
        """Run what is due. What ran is noted with the next step, so after a crash between the two it runs again."""
        last_runs = await self._last_runs(connection)
        _, config = await self._configurations.current(connection)
        ran: Sequence[Job[Config]] = ()
        ran_at = EPOCH
        instants_run = 0
        while (due := self._next_due(config, last_runs, to)) is not None:
            instant, jobs = due
            await self._advance(connection, instant, ran, ran_at)
            await _run(jobs, instant)
            ran, ran_at = jobs, instant
            last_runs |= {job.name: instant for job in jobs}
            instants_run += 1
        return instants_run

    async def _last_runs(self, connection: Connection) -> dict[str, datetime]:
        """When each job last ran; only who leads writes that. A job begins when it is first seen."""
        last_runs = {row["job"]: row["last_instant"] for row in await connection.fetch(_LAST_RUNS)}
        unseen = [job for job in self._jobs if job.name not in last_runs]
        if unseen:
            now = await self._clock.now()
            await self._advance(connection, now, unseen, now)
            last_runs |= {job.name: now for job in unseen}
        return last_runs

    def _next_due(
        self, config: Config, last_runs: Mapping[str, datetime], to: datetime
    ) -> tuple[datetime, list[Job[Config]]] | None:
        """The first due instant up to `to`, and the jobs that are due then."""
        due: dict[datetime, list[Job[Config]]] = {}
        for job in self._jobs:
            instant = job.next_instant(config, last_runs[job.name])
            if instant is not None and instant <= to:
                due.setdefault(instant, []).append(job)
        return min(due.items(), key=lambda item: item[0]) if due else None

    async def _advance(
        self, connection: Connection | asyncpg.Pool, to: datetime, ran: Sequence[Job[Config]], ran_at: datetime
    ) -> None:
        """Set the virtual clock, if that is what the database lives by, and note which jobs ran."""
        await connection.execute(_ADVANCE, to, [job.name for job in ran], ran_at)

    async def run_on_real_clock(self) -> None:
        """Run what falls due as time passes, until cancelled."""
        while True:
            try:
                await self.run_until(datetime.now(UTC))
            except Exception:
                _LOG.exception("jobs failed; they are tried again")
            await asyncio.sleep(RUN_INTERVAL_S)


async def _run(jobs: Sequence[Job[Any]], instant: datetime) -> None:
    for job in jobs:
        try:
            await job.run(instant)
        except Exception as error:
            error.add_note(f"in the job {job.name}, due at {instant.isoformat()}")
            raise
