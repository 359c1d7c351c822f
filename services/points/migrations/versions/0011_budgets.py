"""Earn rules draw on budgets."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    """Make the tables of what partitions have of budgets, and of what their pools gave."""
    op.create_table(
        "budget_portions",
        sa.Column("partition", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("budget", sa.Text, primary_key=True),
        sa.Column("period_start", sa.Date, primary_key=True),
        sa.Column("leased", sa.BigInteger, nullable=False),
        sa.Column("drawn", sa.BigInteger, nullable=False),
        sa.Column("amount", sa.BigInteger, nullable=False),
        sa.Column("exhausted", sa.Boolean, nullable=False),
    )
    op.create_check_constraint("drawn_within", "budget_portions", "drawn >= 0 AND drawn <= leased")
    op.create_table(
        "budget_pools",
        sa.Column("partition", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("budget", sa.Text, primary_key=True),
        sa.Column("period_start", sa.Date, primary_key=True),
        sa.Column("leased", sa.BigInteger, nullable=False),
        sa.Column("amount", sa.BigInteger, nullable=False),
    )
