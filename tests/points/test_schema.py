"""The migrations make the tables that the code writes."""

import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy.ext.asyncio import create_async_engine

from services.points.tables import METADATA
from services.points.values import Account, ActivityRow, Lot
from tests.support import postgres


async def test_migrations_and_tables_are_equal() -> None:
    dsn = await postgres.new_database("points")
    engine = create_async_engine(dsn.replace("postgresql://", "postgresql+asyncpg://"))
    try:
        async with engine.connect() as connection:
            differences = await connection.run_sync(_differences)
    finally:
        await engine.dispose()
        await postgres.drop_database(dsn)
    assert differences == []


def test_values_that_are_rows_have_the_columns_of_their_tables_in_order() -> None:
    for table, row in (("accounts", Account), ("activities", ActivityRow), ("lots", Lot)):
        columns = [column.name for column in METADATA.tables[table].columns]
        assert columns == ["partition", *row._fields]


def test_every_owned_table_is_keyed_by_partition_first() -> None:
    for table in METADATA.sorted_tables:
        if "partition" in table.columns:
            assert next(iter(table.primary_key.columns)).name == "partition", table.name
            assert all(next(iter(index.columns)).name == "partition" for index in table.indexes), table.name


def _differences(connection: sa.Connection) -> list[object]:
    def is_ours(name: str | None, kind: str, parents: object) -> bool:
        return kind != "table" or not (name == "alembic_version" or (name or "").startswith("requests_"))

    options = {"compare_type": True, "compare_server_default": True, "include_name": is_ours}
    return list(compare_metadata(MigrationContext.configure(connection, opts=options), METADATA))
