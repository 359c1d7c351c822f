"""Whom members' IDs lead to since merges."""

import sqlalchemy as sa
from alembic import op

from services.chassis.migrations import distribute_tables

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Nobody was merged before; what was scored through which account is known from now on."""
    op.create_table(
        "links",
        sa.Column("partition", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("member_id", sa.Uuid, primary_key=True),
        sa.Column("leads_to", sa.Uuid),
        sa.Column("merged", sa.LargeBinary, nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("is_erased", sa.Boolean, nullable=False),
        sa.Column("elsewhere", sa.LargeBinary, nullable=False),
    )
    distribute_tables("links")
