"""The machine under the measurements: one PostgreSQL as `tessera up` starts it, and databases made for each row."""

import itertools
import os
import shutil
import statistics
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import asyncpg

from services.chassis.migrations import migrate_async
from tessera.suite import checkout_root
from tessera.up.options import PARTITIONS, Layout
from tessera.up.postgres import running_postgres
from tessera.up.secrets import OPERATOR, prepare_access, read_secrets

ROOT = checkout_root() or Path.cwd()
DIRECTORY = ROOT / "build" / "bench"
FSYNCS = 200
CORE_TIMES = Path("/proc/stat")
WAL_PAGE_BYTES = 8192

Fill = Callable[[str], Awaitable[None]]
"""Fills a migrated database, given as its DSN."""
Say = Callable[[str], None]


async def nothing(dsn: str) -> None:
    """Fills a database with nothing."""


@dataclass(frozen=True, slots=True)
class Machine:
    """A database server, the files of a suite, and where to say what goes on."""

    layout: Layout
    secrets: dict[str, Any]
    admin_dsn: str
    say: Say
    partitions: int = PARTITIONS
    _templates: dict[tuple[str, int], str] = field(default_factory=dict)
    _numbers: "itertools.count[int]" = field(default_factory=lambda: itertools.count(1))

    @property
    def token(self) -> str:
        """The token of a caller who may do everything."""
        return self.layout.token(OPERATOR).read_text().strip()

    def file(self, name: str) -> Path:
        """A file for what is prepared or kept."""
        return self.layout.data / name

    async def database(self, service: str, fill: Fill) -> str:
        """A database of its own for a row: migrated and filled (once for all rows). Returns its DSN.

        It is written through the log after a checkpoint, so a row runs as between two checkpoints: whole pages need not
        be logged at their first change, which for some seconds after a checkpoint is most of the work of any writer.
        """
        key = (service, self.partitions)
        if key not in self._templates:
            name = f"template_{service}_{self.partitions}"
            self.say(f"filling {service}")
            await self._create_filled(name, service, fill)
            await self._execute("VACUUM (FREEZE, ANALYZE)", name)
            self._templates[key] = name
        name = f"{service}_{next(self._numbers)}"
        await self._execute("CHECKPOINT")
        await self._create(name, self._templates[key])
        return self._dsn(name)

    @asynccontextmanager
    async def large_database(self, service: str, fill: Fill) -> AsyncIterator[str]:
        """A database too large to be copied: migrated, filled, and removed in the end. Yields its DSN."""
        name = f"{service}_{next(self._numbers)}"
        try:
            await self._create_filled(name, service, fill)
            yield self._dsn(name)
        finally:
            await self._execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")

    def forget(self, data: Path) -> None:
        """Remove the data directory of a suite; its logs are kept beside ours."""
        if (data / "logs").exists():
            (data / "logs").replace(self.layout.logs / data.name)
        shutil.rmtree(data, ignore_errors=True)

    async def setting(self, name: str) -> str:
        """A setting of the server."""
        connection = await asyncpg.connect(self.admin_dsn)
        try:
            return str(await connection.fetchval("SELECT current_setting($1)", name))
        finally:
            await connection.close()

    async def _create_filled(self, name: str, service: str, fill: Fill) -> None:
        await self._create(name, "template0")
        await migrate_async(self._dsn(name), service, self.partitions)
        await fill(self._dsn(name))

    async def _create(self, name: str, template: str) -> None:
        await self._execute(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY wal_log")

    async def _execute(self, statement: str, database: str = "postgres") -> None:
        connection = await asyncpg.connect(self._dsn(database))
        try:
            await connection.execute(statement)
        finally:
            await connection.close()

    def _dsn(self, database: str) -> str:
        return urlsplit(self.admin_dsn)._replace(path=f"/{database}").geturl()


@dataclass(frozen=True, slots=True)
class _Notes:
    """What happens to the database server."""

    note: Say

    def line(self, name: str, line: str) -> None:
        """What it writes is in its log."""


@asynccontextmanager
async def started_machine(say: Say) -> AsyncIterator[Machine]:
    """A server on a new data directory; of both only the logs are left afterwards."""
    shutil.rmtree(DIRECTORY, ignore_errors=True)
    layout = Layout(DIRECTORY)
    layout.logs.mkdir(parents=True)
    secrets = read_secrets(layout)
    prepare_access(layout)
    try:
        async with running_postgres(layout, secrets["passwords"]["admin"], _Notes(say)) as admin_dsn:
            yield Machine(layout, secrets, admin_dsn, say)
    finally:
        for path in DIRECTORY.iterdir():
            if path.is_dir() and path != layout.logs:
                shutil.rmtree(path)
            elif path.is_file():
                path.unlink()


async def count_rows(dsn: str, table: str) -> int:
    """How many rows a table has."""
    connection = await asyncpg.connect(dsn)
    try:
        return int(await connection.fetchval(f"SELECT count(*) FROM {table}"))
    finally:
        await connection.close()


async def check_booked(dsn: str, table: str, answered: int) -> None:
    """What was answered OK is in the database. Raises RuntimeError when rows are missing or too many."""
    booked = await count_rows(dsn, table)
    if booked != answered:
        raise RuntimeError(f"{answered} calls were acknowledged, {booked} rows are in {table}")


def busy_cores() -> float:
    """How many cores others keep busy, over a second in which we do nothing; 0 where the system does not tell."""
    if not CORE_TIMES.exists():
        return 0.0
    idle, total = _core_times()
    time.sleep(1)
    idle_after, total_after = _core_times()
    return (os.cpu_count() or 1) * (1 - (idle_after - idle) / (total_after - total))


def _core_times() -> tuple[int, int]:
    """What all cores together were idle, waiting for disks included, and have been up; in ticks."""
    with CORE_TIMES.open() as lines:
        ticks = [int(field) for field in lines.readline().split()[1:9]]
    _, _, _, idle, waiting, *_ = ticks
    return idle + waiting, sum(ticks)


def fsync_ms(directory: Path) -> float:
    """What it takes to make a page of the log durable where the database is: the median of some, in milliseconds."""
    path = directory / "fsync"
    file = os.open(path, os.O_CREAT | os.O_RDWR)
    try:
        os.pwrite(file, bytes(WAL_PAGE_BYTES), 0)
        return statistics.median(_fsync_ms(file) for _ in range(FSYNCS))
    finally:
        os.close(file)
        path.unlink()


def _fsync_ms(file: int) -> float:
    started = time.perf_counter()
    os.pwrite(file, os.urandom(WAL_PAGE_BYTES), 0)
    os.fdatasync(file)
    return (time.perf_counter() - started) * 1000
