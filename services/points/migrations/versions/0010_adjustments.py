"""Wallets are corrected by hand."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"

TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Make the table of adjustments, and the index of those that wait for approval."""
    op.create_table(
        "adjustments",
        sa.Column("partition", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("adjustment_id", sa.Uuid, primary_key=True),
        sa.Column("member_id", sa.Uuid, nullable=False),
        sa.Column("account_id", sa.Uuid, nullable=False),
        sa.Column("domain", sa.Text, nullable=False),
        sa.Column("unit", sa.Text, nullable=False),
        sa.Column("amount", sa.BigInteger, nullable=False),
        sa.Column("cause", sa.Text, nullable=False),
        sa.Column("funder", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("requested_by", sa.Text, nullable=False),
        sa.Column("requested_at", TIME, nullable=False),
        sa.Column("resolved_by", sa.Text, nullable=False),
        sa.Column("resolved_at", TIME),
    )
    op.create_index(
        "adjustments_proposed",
        "adjustments",
        ["partition", "adjustment_id"],
        postgresql_where=sa.text("state = 'proposed'"),
    )
