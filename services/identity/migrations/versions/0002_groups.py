"""Groups of members, their seats, and invitations to them."""

import sqlalchemy as sa
from alembic import op

from services.chassis.migrations import distribute_tables

revision = "0002"
down_revision = "0001"

_TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Make the three tables."""
    op.create_table(
        "groups",
        sa.Column("partition", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("group_id", sa.Uuid, primary_key=True),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("owner_id", sa.Uuid, nullable=False),
        sa.Column("status", sa.SmallInteger, nullable=False),
        sa.Column("shares", sa.Text, nullable=False),
        sa.Column("same_attribute", sa.Text, nullable=False),
        sa.Column("attribute_index", sa.LargeBinary, nullable=False),
        sa.Column("created_at", _TIME, nullable=False),
        sa.Column("dissolved_at", _TIME),
    )
    op.create_table(
        "seats",
        sa.Column("partition", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("owner_id", sa.Uuid, primary_key=True),
        sa.Column("seat_id", sa.Uuid, primary_key=True),
        sa.Column("group_id", sa.Uuid, nullable=False),
        sa.Column("member_id", sa.Uuid, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("role", sa.Text, nullable=False),
        sa.Column("label", sa.Text, nullable=False),
        sa.Column("cost_centre", sa.Text, nullable=False),
        sa.Column("joined_at", _TIME, nullable=False),
        sa.Column("role_since", _TIME, nullable=False),
        sa.Column("left_at", _TIME),
    )
    op.create_table(
        "invitations",
        sa.Column("partition", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("owner_id", sa.Uuid, primary_key=True),
        sa.Column("invitation_id", sa.Uuid, primary_key=True),
        sa.Column("group_id", sa.Uuid, nullable=False),
        sa.Column("member_id", sa.Uuid, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("role", sa.Text, nullable=False),
        sa.Column("label", sa.Text, nullable=False),
        sa.Column("cost_centre", sa.Text, nullable=False),
        sa.Column("invited_by", sa.Uuid),
        sa.Column("status", sa.SmallInteger, nullable=False),
        sa.Column("created_at", _TIME, nullable=False),
        sa.Column("expires_at", _TIME, nullable=False),
        sa.Column("closed_at", _TIME),
    )
    distribute_tables("groups", "seats", "invitations")
    op.create_index(
        "seats_taken", "seats", ["partition", "owner_id", "seat_id"], postgresql_where=sa.text("left_at IS NULL")
    )
    op.create_index("invitations_by_id", "invitations", ["partition", "invitation_id"])
    op.create_index(
        "invitations_open",
        "invitations",
        ["partition", "owner_id", "invitation_id"],
        postgresql_where=sa.text("status = 1"),
    )
    op.create_index(
        "invitations_due",
        "invitations",
        ["partition", "expires_at"],
        postgresql_where=sa.text("status = 1 AND owner_id = group_id"),
    )
