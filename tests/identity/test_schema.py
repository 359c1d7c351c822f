"""The migrations make the tables that the code writes."""

import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy.ext.asyncio import create_async_engine

from services.identity.tables import METADATA
from tests.support import postgres


async def test_migrations_and_tables_are_equal() -> None:
    dsn = await postgres.new_database("identity")
    engine = create_async_engine(dsn.replace("postgresql://", "postgresql+asyncpg://"))
    try:
        async with engine.connect() as connection:
            differences = await connection.run_sync(_differences)
    finally:
        await engine.dispose()
        await postgres.drop_database(dsn)
    assert differences == []


def _differences(connection: sa.Connection) -> list[object]:
    def is_ours(name: str | None, kind: str, parents: object) -> bool:
        return kind != "table" or not (name == "alembic_version" or (name or "").startswith("requests_"))

    options = {"compare_type": True, "compare_server_default": True, "include_name": is_ours}
    return list(compare_metadata(MigrationContext.configure(connection, opts=options), METADATA))
