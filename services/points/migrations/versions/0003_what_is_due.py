"""Lots that are due are found without looking at those that expire with their wallet."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Leave lots that slide out of the index of what is due."""
    op.drop_index("lots_due")
    is_due_alone = sa.text("remaining > 0 AND NOT slides")
    op.create_index("lots_due", "lots", ["partition", "expires_at"], postgresql_where=is_due_alone)
