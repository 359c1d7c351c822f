"""Holds of a member are found by when they closed: those that are open, and those that were at a past instant."""

from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Index the holds of a member, open or not."""
    op.create_index("holds_of_member", "holds", ["partition", "member_id", "closed_at"])
    op.drop_index("holds_open")
