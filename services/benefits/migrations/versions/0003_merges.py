"""Whom members' IDs lead to since merges, and where what they have and used came from."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Nobody was merged before; what was used through which account is known from now on."""
    op.add_column("members", sa.Column("leads_to", sa.Uuid))
    op.add_column("members", sa.Column("merged", sa.LargeBinary))
    op.add_column("entitlements", sa.Column("origin_id", sa.Uuid))
    op.add_column("quota_uses", sa.Column("sources", sa.Text))
