"""The tables that every service has, beside its own."""

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB

UPSERT = {"upsert": True}
"""The `info` of a table whose rows a batch may write again (store.py); other tables only grow."""
OF_BATCH = {"of_batch": True}
"""The `info` of a column that says which batch wrote a row: its `position`, its time `recorded_at`, and the row's
`ordinal` among the rows that the batch wrote to the table, from 0. The store knows them; rows do not have them."""


def chassis_tables(metadata: sa.MetaData) -> None:
    """Add the chassis' tables to a service's metadata."""
    _tables_of_batches(metadata)
    _tables_of_the_system(metadata)


def _tables_of_batches(metadata: sa.MetaData) -> None:
    """What every batch reads and writes: a partition's head and history, answers given, and how far feeds were read."""
    sa.Table(
        "head",
        metadata,
        sa.Column("partition", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("position", sa.BigInteger, nullable=False),
        sa.Column("chain_hash", sa.LargeBinary, nullable=False),
        sa.Column("config_version", sa.BigInteger, nullable=False),
        sa.Column("last_at", sa.DateTime(timezone=True), nullable=False),
        # Versions of a head pile up while an old snapshot is open; room for them keeps updates in the page (HOT).
        postgresql_with={
            "fillfactor": "10",
            "autovacuum_vacuum_scale_factor": "0",
            "autovacuum_vacuum_threshold": "1000",
        },
    )
    sa.Table(
        "journal",
        metadata,
        sa.Column("partition", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("position", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("payload", sa.LargeBinary, nullable=False),
        sa.Column("chain_hash", sa.LargeBinary, nullable=False),
    )
    # One child table for each month of real time (idempotency.py); the months are not part of the schema.
    sa.Table(
        "requests",
        metadata,
        sa.Column("partition", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("request_key", sa.Uuid, primary_key=True),
        sa.Column("created_on", sa.Date, primary_key=True),
        sa.Column("fingerprint", sa.LargeBinary, nullable=False),
        sa.Column("code", sa.SmallInteger, nullable=False),
        sa.Column("payload", sa.LargeBinary, nullable=False),
        postgresql_partition_by="RANGE (created_on)",
    )
    sa.Table(
        "cursors",
        metadata,
        sa.Column("partition", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("source", sa.Text, primary_key=True),
        sa.Column("position", sa.BigInteger, nullable=False),
        info=UPSERT,
    )


def _tables_of_the_system(metadata: sa.MetaData) -> None:
    """What a service has once, whatever its partitions: its clock, its configuration and its jobs."""
    sa.Table(
        "clock",
        metadata,
        sa.Column("singleton", sa.Boolean, primary_key=True),
        sa.Column("now", sa.DateTime(timezone=True), nullable=False),
    )
    sa.Table(
        "config_versions",
        metadata,
        sa.Column("version", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("published_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("caller", sa.Text, nullable=False),
    )
    sa.Table(
        "config_documents",
        metadata,
        sa.Column("version", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("kind", sa.Text, primary_key=True),
        sa.Column("code", sa.Text, primary_key=True),
        sa.Column("programme", sa.Text, nullable=False),
        sa.Column("spec", JSONB, nullable=False),
    )
    # Who called what (audit/); one row that says where it ends, under whose lock each link is written.
    sa.Table(
        "audit",
        metadata,
        sa.Column("number", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("payload", sa.LargeBinary, nullable=False),
        sa.Column("chain_hash", sa.LargeBinary, nullable=False),
    )
    sa.Table(
        "audit_head",
        metadata,
        sa.Column("number", sa.BigInteger, nullable=False),
        sa.Column("chain_hash", sa.LargeBinary, nullable=False),
        sa.Column("kept_after", sa.BigInteger, nullable=False),
        sa.Column("kept_hash", sa.LargeBinary, nullable=False),
    )
    sa.Table(
        "job_runs",
        metadata,
        sa.Column("job", sa.Text, primary_key=True),
        sa.Column("last_instant", sa.DateTime(timezone=True), nullable=False),
    )
