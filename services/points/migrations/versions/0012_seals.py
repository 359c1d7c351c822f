"""What was proved is sealed."""

import sqlalchemy as sa
from alembic import op

from services.chassis.migrations import distribute_tables

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    """Make the tables of seals, and of the state at the newest of each partition."""
    op.create_table(
        "seals",
        sa.Column("partition", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("position", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("previous_position", sa.BigInteger, nullable=False),
        sa.Column("chain_hash", sa.LargeBinary, nullable=False),
        sa.Column("entries", sa.BigInteger, nullable=False),
        sa.Column("entries_digest", sa.LargeBinary, nullable=False),
        sa.Column("state_digest", sa.LargeBinary, nullable=False),
        sa.Column("sealed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("seal_hash", sa.LargeBinary, nullable=False),
        sa.Column("archived", sa.Boolean, nullable=False),
    )
    op.create_index("seals_successor", "seals", ["partition", "previous_position"], unique=True)
    op.create_table(
        "seal_parts",
        sa.Column("partition", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("position", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("ordinal", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("payload", sa.LargeBinary, nullable=False),
    )
    # Digests cannot be compressed.
    op.execute("ALTER TABLE seal_parts ALTER COLUMN payload SET STORAGE EXTERNAL")
    distribute_tables("seals", "seal_parts")
