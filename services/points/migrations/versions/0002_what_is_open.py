"""Open lots and holds of a member are found without looking at those long closed, or at everybody's."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Index the lots in which something is left or held, and the holds that are not closed."""
    lot_is_open, hold_is_open = sa.text("remaining > 0 OR held > 0"), sa.text("closed_at IS NULL")
    op.create_index("lots_open", "lots", ["partition", "member_id"], postgresql_where=lot_is_open)
    op.create_index("holds_open", "holds", ["partition", "member_id"], postgresql_where=hold_is_open)
    op.drop_index("holds_of_member")
