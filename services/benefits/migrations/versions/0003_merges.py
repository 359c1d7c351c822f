"""Whom members' IDs lead to since merges, and which rights a merge took."""

import sqlalchemy as sa
from alembic import op

from services.chassis.migrations import distribute_tables

revision = "0003"
down_revision = "0002"


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
    distribute_tables("links")
    op.add_column("members", sa.Column("is_linked", sa.Boolean, nullable=False, server_default=sa.false()))
    op.alter_column("members", "is_linked", server_default=None)
    op.add_column("entitlements", sa.Column("revoked_by", sa.Uuid))
