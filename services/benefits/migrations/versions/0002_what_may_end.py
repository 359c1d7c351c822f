"""Entitlements that are due are found without looking at those that never end."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Leave entitlements without an end out of the index of what is due."""
    op.drop_index("entitlements_due")
    may_end = sa.text("state = 1 AND valid_until IS NOT NULL")
    op.create_index("entitlements_due", "entitlements", ["partition", "valid_until"], postgresql_where=may_end)
