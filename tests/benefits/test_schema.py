"""The migrations make exactly the tables that the service knows."""

from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, Index
from sqlalchemy.ext.asyncio import create_async_engine

from services.benefits.tables import METADATA
from tests.support import postgres


async def test_the_migrations_make_the_tables_of_the_service() -> None:
    dsn = await postgres.new_database("benefits")
    engine = create_async_engine(dsn.replace("postgresql://", "postgresql+asyncpg://", 1))
    try:
        async with engine.connect() as connection:
            differences = await connection.run_sync(_differences)
    finally:
        await engine.dispose()
        await postgres.drop_database(dsn)
    assert [difference for difference in differences if not _is_a_month_of_requests(difference)] == []


def _differences(connection: Connection) -> list[Any]:
    context = MigrationContext.configure(connection, opts={"compare_type": True, "target_metadata": METADATA})
    return list(compare_metadata(context, METADATA))


def _is_a_month_of_requests(difference: Any) -> bool:
    return bool(difference[0] == "remove_table" and difference[1].name.startswith(("requests_", "alembic_version")))


@pytest.mark.parametrize("table", [table for table in METADATA.sorted_tables if "partition" in table.columns], ids=str)
def test_the_partition_comes_first_in_every_key_and_index(table: Any) -> None:
    assert next(iter(table.primary_key.columns)).name == "partition"
    indexes: list[Index] = sorted(table.indexes, key=str)
    assert all(next(iter(index.columns)).name == "partition" for index in indexes)
