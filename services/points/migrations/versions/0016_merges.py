"""Whom members' IDs lead to since merges."""

import sqlalchemy as sa
from alembic import op

from services.chassis.migrations import distribute_tables

revision = "0016"
down_revision = "0015"


def upgrade() -> None:
    """Nobody was merged before."""
    op.create_table(
        "links",
        sa.Column("partition", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("member_id", sa.Uuid, primary_key=True),
        sa.Column("leads_to", sa.Uuid),
        sa.Column("merged", sa.LargeBinary, nullable=False),
        sa.Column("gone", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "merges",
        sa.Column("partition", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("merge_id", sa.Uuid, primary_key=True),
        sa.Column("survivor_id", sa.Uuid, nullable=False),
        sa.Column("merged_ids", sa.LargeBinary, nullable=False),
        sa.Column("is_checked", sa.Boolean, nullable=False),
    )
    distribute_tables("links", "merges")
    op.create_index("merges_unchecked", "merges", ["partition", "merge_id"], postgresql_where=sa.text("NOT is_checked"))
