"""What persons have agreed to, and what is remembered of members that were erased."""

import sqlalchemy as sa
from alembic import op

from services.chassis.migrations import distribute_tables

revision = "0006"
down_revision = "0005"

_TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Make the two tables."""
    op.create_table(
        "consents",
        sa.Column("partition", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("member_id", sa.Uuid, primary_key=True),
        sa.Column("domain", sa.Text, primary_key=True),
        sa.Column("purpose", sa.Text, primary_key=True),
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("granted", sa.Boolean, nullable=False),
        sa.Column("evidence", sa.Text, nullable=False),
        sa.Column("through_domain", sa.Text, nullable=False),
        sa.Column("caller", sa.Text, nullable=False),
        sa.Column("decided_at", _TIME, nullable=False),
    )
    op.create_table(
        "person_keys",
        sa.Column("partition", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("person_key", sa.LargeBinary, primary_key=True),
        sa.Column("kept_until", _TIME, nullable=False),
    )
    distribute_tables("consents", "person_keys")
    op.create_index("person_keys_over", "person_keys", ["partition", "kept_until"])
