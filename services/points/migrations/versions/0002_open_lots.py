"""Open lots of a member are found without looking at those long closed."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Index the lots in which something is left or held."""
    is_open = sa.text("remaining > 0 OR held > 0")
    op.create_index("lots_open", "lots", ["partition", "member_id"], postgresql_where=is_open)
