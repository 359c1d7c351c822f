"""A role and a database for each service: each role reaches its own database and no other."""

import asyncio
import re
from collections.abc import Mapping
from pathlib import Path

import asyncpg

from tessera.topology import SERVICES
from tessera.up.options import CannotStart
from tessera.up.postgres import dsn_of

CONNECT_TIMEOUT_S = 10.0

_REVISION = re.compile(r"^(down_revision|revision)\b[^=\n]*=\s*(.+)$", re.MULTILINE)


async def prepare_databases(admin_dsn: str, passwords: Mapping[str, str]) -> dict[str, str]:
    """Creates what is missing; returns the DSN of each service."""
    try:
        admin = await asyncpg.connect(admin_dsn, timeout=CONNECT_TIMEOUT_S)
    except (OSError, asyncpg.PostgresError, TimeoutError) as error:
        raise CannotStart(f"PostgreSQL cannot be reached: {error}") from None
    try:
        # The passwords are random and long: stretching them would make every connection slower and none safer.
        await admin.execute("SET scram_iterations = 1")
        for service in SERVICES:
            await _prepare(admin, f"tessera_{service}", passwords[service])
    except asyncpg.InsufficientPrivilegeError as error:
        raise CannotStart(f"the admin DSN's role may not create roles and databases: {error}") from None
    finally:
        await admin.close()
    return {
        service: dsn_of(admin_dsn, f"tessera_{service}", passwords[service], f"tessera_{service}")
        for service in SERVICES
    }


async def _prepare(admin: asyncpg.Connection, name: str, password: str) -> None:
    """A role, and a database of the same name that it owns and nobody else may connect to."""
    is_known = await admin.fetchval("SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = $1)", name)
    # Neither names nor passwords can be parameters here; both are ours, of letters, digits and underscores.
    await admin.execute(f"{'ALTER' if is_known else 'CREATE'} ROLE {name} LOGIN PASSWORD '{password}'")
    if await admin.fetchval("SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)", name):
        return
    await admin.execute(f"GRANT {name} TO CURRENT_USER")
    await admin.execute(f"CREATE DATABASE {name} OWNER {name} TEMPLATE template0 STRATEGY file_copy")
    await admin.execute(f"REVOKE ALL ON DATABASE {name} FROM PUBLIC")


async def outdated(dsns: Mapping[str, str], root: Path) -> set[str]:
    """The services whose database lacks a migration that their code has."""
    current = await asyncio.gather(*(_revision(dsn) for dsn in dsns.values()))
    return {
        service
        for service, revision in zip(dsns, current, strict=True)
        if revision != newest_revision(root / "services" / service / "migrations" / "versions")
    }


async def _revision(dsn: str) -> str | None:
    connection = await asyncpg.connect(dsn, timeout=CONNECT_TIMEOUT_S)
    try:
        revision: str | None = await connection.fetchval("SELECT version_num FROM alembic_version")
        return revision
    except asyncpg.UndefinedTableError:
        return None
    finally:
        await connection.close()


def newest_revision(versions: Path) -> str | None:
    """The revision that no other names as the one before it; read from the files, since running them takes longer."""
    revisions: set[str] = set()
    befores: set[str] = set()
    for file in versions.glob("*.py"):
        for name, value in _REVISION.findall(file.read_text()):
            (revisions if name == "revision" else befores).add(value.strip().strip("\"'"))
    newest = revisions - befores
    return newest.pop() if len(newest) == 1 else None
