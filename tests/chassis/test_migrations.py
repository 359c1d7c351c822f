"""Migrations make exactly the tables that the code writes, however often and by however many they are run."""

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy.ext.asyncio import create_async_engine

from services.chassis.app import start
from services.chassis.database import UnfitDatabase
from services.chassis.migrations import migrate_async
from services.chassis.tables import UPSERT
from tests.chassis.house import connection_to
from tests.support import postgres
from tests.support.suite import SERVICES, definition_of, free_port, settings_for

every_service = pytest.mark.parametrize("service", SERVICES)


@pytest.fixture
async def database(service: str) -> AsyncIterator[str]:
    """A migrated database of the service."""
    dsn = await postgres.new_database(service)
    yield dsn
    await postgres.drop_database(dsn)


def differences(connection: sa.Connection, metadata: sa.MetaData) -> list[object]:
    def is_ours(name: str | None, kind: str, parents: object) -> bool:
        is_month = kind == "table" and str(name).startswith("requests_")
        return not is_month and name != "alembic_version"

    options = {"compare_type": True, "compare_server_default": True, "include_name": is_ours}
    return list(compare_metadata(MigrationContext.configure(connection, opts=options), metadata))


@every_service
async def test_migrations_and_tables_are_equal(service: str, database: str) -> None:
    engine = create_async_engine(f"postgresql+asyncpg://{database.partition('://')[2]}")
    async with engine.connect() as connection:
        assert await connection.run_sync(differences, definition_of(service).metadata) == []
        more = sa.MetaData()
        sa.Table("head", more, sa.Column("partition", sa.Integer, primary_key=True), sa.Column("colour", sa.Text))
        assert await connection.run_sync(differences, more) != [], "the comparison sees nothing"
    await engine.dispose()


@every_service
async def test_migrating_again_changes_nothing(service: str, database: str) -> None:
    async with connection_to(database) as connection:
        await connection.execute("UPDATE head SET position = 7 WHERE partition = 0")
        await migrate_async(database, service, 64)
        rows = await connection.fetch("SELECT partition, position FROM head ORDER BY partition")
    assert list(map(tuple, rows)) == [(-1, 0), (0, 7), *((partition, 0) for partition in range(1, 8))]


async def test_two_that_migrate_at_once_do_it_once() -> None:
    database = await postgres.empty_database("points")
    try:
        await asyncio.gather(*(migrate_async(database, "points", 4) for _ in range(3)))
        async with connection_to(database) as connection:
            assert await connection.fetchval("SELECT count(*) FROM head") == 5
            assert await connection.fetchval("SELECT count(*) FROM alembic_version") == 1
    finally:
        await postgres.drop_database(database)


@every_service
async def test_a_service_does_not_start_on_another_number_of_partitions(service: str, database: str) -> None:
    settings = settings_for(service, database, free_port(), {}, partitions=16)
    with pytest.raises(UnfitDatabase, match="the database has 8 partitions, TESSERA_PARTITIONS says 16"):
        await start(settings, definition_of(service))
    async with connection_to(database) as connection:
        others = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
        assert await connection.fetchval(others) == 0, "what was opened is not closed"


async def test_a_service_does_not_start_without_migrations() -> None:
    database = await postgres.empty_database("points")
    try:
        with pytest.raises(UnfitDatabase, match="migrate"):
            await start(settings_for("points", database, free_port(), {}), definition_of("points"))
    finally:
        await postgres.drop_database(database)


@every_service
def test_every_row_lives_in_a_partition(service: str) -> None:
    """What lets the same schema be distributed: `partition` leads every key of every table that batches write."""
    reference = {"clock", "config_versions", "config_documents", "job_runs", "audit", "audit_head"}
    for table in definition_of(service).metadata.sorted_tables:
        if table.name in reference:
            continue
        keys = [list(table.primary_key.columns)]
        keys += [list(index.columns) for index in table.indexes]
        keys += [
            list(constraint.columns)
            for constraint in table.constraints
            if isinstance(constraint, sa.UniqueConstraint | sa.ForeignKeyConstraint)
        ]
        for columns in keys:
            assert columns[0].name == "partition", f"{table.name}: {[column.name for column in columns]}"
        assert table.info in ({}, UPSERT)


@every_service
def test_a_serving_process_does_not_load_what_migrations_need(service: str) -> None:
    loads = f"import sys, services.{service}.definition; sys.exit('alembic' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", loads], check=False).returncode == 0
