"""Bringing a service's database to its newest schema: Alembic, guarded so that two at once do it once."""

import asyncio
from pathlib import Path

import sqlalchemy as sa
from alembic import command, context, op
from alembic.config import Config
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import create_async_engine

MIGRATION_LOCK = 7_355_608
"""The advisory lock that one migration of a database holds."""


def migrate(dsn: str, service: str, partitions: int) -> None:
    """Run what is missing of the service's migrations. `dsn` is a postgresql:// URL.

    `partitions` is fixed by the first migration; a later start with another number is refused (heads.py).
    """
    asyncio.run(migrate_async(dsn, service, partitions))


async def migrate_async(dsn: str, service: str, partitions: int) -> None:
    """`migrate` for a running event loop."""
    engine = create_async_engine(f"postgresql+asyncpg://{dsn.partition('://')[2]}")
    try:
        async with engine.begin() as connection:
            await connection.execute(sa.text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": MIGRATION_LOCK})
            await connection.run_sync(_upgrade, service, partitions)
    finally:
        await engine.dispose()


def _upgrade(connection: sa.Connection, service: str, partitions: int) -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent.parent / service / "migrations"))
    config.attributes["connection"] = connection
    config.attributes["partitions"] = partitions
    command.upgrade(config, "head")


def run_environment() -> None:
    """What each service's `migrations/env.py` calls."""
    connection: sa.Connection = context.config.attributes["connection"]
    context.configure(connection=connection, target_metadata=None)
    context.run_migrations()


def create_chassis_tables() -> None:
    """The chassis' share of the first migration: its tables, and a head for each partition and the system partition."""
    partitions: int = context.config.attributes["partitions"]
    timestamp = sa.DateTime(timezone=True)
    op.create_table(
        "head",
        sa.Column("partition", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("position", sa.BigInteger, nullable=False),
        sa.Column("chain_hash", sa.LargeBinary, nullable=False),
        sa.Column("config_version", sa.BigInteger, nullable=False),
        sa.Column("last_at", timestamp, nullable=False),
        postgresql_with={
            "fillfactor": "10",
            "autovacuum_vacuum_scale_factor": "0",
            "autovacuum_vacuum_threshold": "1000",
        },
    )
    op.create_table(
        "journal",
        sa.Column("partition", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("position", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("recorded_at", timestamp, nullable=False),
        sa.Column("payload", sa.LargeBinary, nullable=False),
        sa.Column("chain_hash", sa.LargeBinary, nullable=False),
    )
    # Payloads are read whole and often; compressing them would cost more time than their space is worth.
    op.execute("ALTER TABLE journal ALTER COLUMN payload SET STORAGE EXTERNAL")
    op.create_table(
        "requests",
        sa.Column("partition", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("request_key", sa.Uuid, primary_key=True),
        sa.Column("created_on", sa.Date, primary_key=True),
        sa.Column("fingerprint", sa.LargeBinary, nullable=False),
        sa.Column("code", sa.SmallInteger, nullable=False),
        sa.Column("payload", sa.LargeBinary, nullable=False),
        postgresql_partition_by="RANGE (created_on)",
    )
    op.create_table(
        "cursors",
        sa.Column("partition", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("source", sa.Text, primary_key=True),
        sa.Column("position", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "clock", sa.Column("singleton", sa.Boolean, primary_key=True), sa.Column("now", timestamp, nullable=False)
    )
    op.create_table(
        "config_versions",
        sa.Column("version", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("published_at", timestamp, nullable=False),
        sa.Column("caller", sa.Text, nullable=False),
    )
    op.create_table(
        "config_documents",
        sa.Column("version", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("kind", sa.Text, primary_key=True),
        sa.Column("code", sa.Text, primary_key=True),
        sa.Column("programme", sa.Text, nullable=False),
        sa.Column("spec", JSONB, nullable=False),
    )
    op.create_table(
        "job_runs", sa.Column("job", sa.Text, primary_key=True), sa.Column("last_instant", timestamp, nullable=False)
    )
    op.execute(first_heads(partitions))


def create_audit_tables() -> None:
    """The audit trail, of which nothing is written yet."""
    op.create_table(
        "audit",
        sa.Column("number", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("payload", sa.LargeBinary, nullable=False),
        sa.Column("chain_hash", sa.LargeBinary, nullable=False),
    )
    # It is compressed already.
    op.execute("ALTER TABLE audit ALTER COLUMN payload SET STORAGE EXTERNAL")
    op.create_table(
        "audit_head",
        sa.Column("number", sa.BigInteger, nullable=False),
        sa.Column("chain_hash", sa.LargeBinary, nullable=False),
        sa.Column("kept_after", sa.BigInteger, nullable=False),
        sa.Column("kept_hash", sa.LargeBinary, nullable=False),
    )
    op.execute(first_audit_head())


def first_audit_head() -> str:
    """The statement that makes the one row of `audit_head`."""
    return "INSERT INTO audit_head (number, chain_hash, kept_after, kept_hash) VALUES (0, '', 0, '')"


def first_heads(partitions: int) -> str:
    """The statement that makes the head of each partition and of the system partition, before anything happened."""
    return (
        "INSERT INTO head (partition, position, chain_hash, config_version, last_at) "
        f"SELECT partition, 0, '', 0, 'epoch' FROM generate_series(-1, {int(partitions) - 1}) AS partition"
    )


def distribute_tables(*tables: str) -> None:
    """Where the Citus extension is present, distribute tables by partition, the chassis' own too; else do nothing."""
    connection = op.get_bind()
    if not connection.scalar(sa.text("SELECT 1 FROM pg_extension WHERE extname = 'citus'")):
        return
    if not connection.scalar(sa.text("SELECT 1 FROM pg_dist_partition WHERE logicalrel = 'head'::regclass")):
        op.execute("SELECT create_distributed_table('head', 'partition')")
        tables = (*CHASSIS_TABLES, *tables)
        for table in CHASSIS_REFERENCE_TABLES:
            op.execute(f"SELECT create_reference_table('{table}')")
    for table in tables:
        op.execute(f"SELECT create_distributed_table('{table}', 'partition', colocate_with => 'head')")


CHASSIS_TABLES = ("journal", "requests", "cursors")
CHASSIS_REFERENCE_TABLES = ("clock", "config_versions", "config_documents", "job_runs")
