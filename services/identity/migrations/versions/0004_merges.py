"""Merges of members and what undid them: whom an ID leads to, and who holds an account."""

import sqlalchemy as sa
from alembic import op

from services.chassis.migrations import distribute_tables

revision = "0004"
down_revision = "0002"

_TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Until now every ID led to itself, and who an account was linked to held it."""
    op.add_column("members", sa.Column("survivor_id", sa.Uuid))
    op.add_column("members", sa.Column("merge_id", sa.Uuid))
    op.add_column("members", sa.Column("homes", sa.LargeBinary, server_default=""))
    op.alter_column("members", "homes", nullable=False, server_default=None)
    op.create_index(
        "members_merged",
        "members",
        ["partition", "survivor_id"],
        postgresql_where=sa.text("survivor_id IS NOT NULL"),
    )
    op.add_column("accounts", sa.Column("holder_id", sa.Uuid))
    op.execute("UPDATE accounts SET holder_id = member_id")
    op.alter_column("accounts", "holder_id", nullable=False)
    op.drop_index("accounts_of_member", "accounts")
    op.create_index("accounts_of_holder", "accounts", ["partition", "holder_id"])
    op.create_table(
        "merges",
        sa.Column("partition", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("owner_id", sa.Uuid, primary_key=True),
        sa.Column("merge_id", sa.Uuid, primary_key=True),
        sa.Column("survivor_id", sa.Uuid, nullable=False),
        sa.Column("merged_id", sa.Uuid, nullable=False),
        sa.Column("cause", sa.Text, nullable=False),
        sa.Column("merged_by", sa.Text, nullable=False),
        sa.Column("merged_at", _TIME, nullable=False),
        sa.Column("account_ids", sa.LargeBinary, nullable=False),
        sa.Column("absorbed", sa.LargeBinary, nullable=False),
        sa.Column("seats", sa.LargeBinary, nullable=False),
        sa.Column("undone_at", _TIME),
    )
    op.create_table(
        "unmerges",
        sa.Column("partition", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("owner_id", sa.Uuid, primary_key=True),
        sa.Column("unmerge_id", sa.Uuid, primary_key=True),
        sa.Column("merge_id", sa.Uuid, nullable=False),
        sa.Column("holder_id", sa.Uuid, nullable=False),
        sa.Column("member_id", sa.Uuid, nullable=False),
        sa.Column("account_ids", sa.LargeBinary, nullable=False),
        sa.Column("whole", sa.Boolean, nullable=False),
        sa.Column("cause", sa.Text, nullable=False),
        sa.Column("unmerged_by", sa.Text, nullable=False),
        sa.Column("unmerged_at", _TIME, nullable=False),
    )
    distribute_tables("merges", "unmerges")
    op.create_index("merges_by_id", "merges", ["partition", "merge_id"])
    op.create_index("unmerges_of_merge", "unmerges", ["partition", "owner_id", "merge_id"])
