"""Members of groups spend points together."""

import sqlalchemy as sa
from alembic import op

from services.chassis.migrations import distribute_tables

revision = "0014"
down_revision = "0013"

TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Make the projection of seats, with the index by which those that are taken are found, and pooled spends.

    A spend says which pooled spend it is a contribution to.
    """
    op.add_column("spends", sa.Column("pooled_spend_id", sa.Uuid))
    op.create_table(
        "group_seats",
        sa.Column("partition", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("owner_id", sa.Uuid, primary_key=True),
        sa.Column("seat_id", sa.Uuid, primary_key=True),
        sa.Column("group_id", sa.Uuid, nullable=False),
        sa.Column("member_id", sa.Uuid, nullable=False),
        sa.Column("role", sa.Text, nullable=False),
        sa.Column("joined_at", TIME, nullable=False),
        sa.Column("left_at", TIME),
        sa.Column("shares_points", sa.Boolean, nullable=False),
    )
    op.create_index(
        "group_seats_taken", "group_seats", ["partition", "owner_id"], postgresql_where=sa.text("left_at IS NULL")
    )
    op.create_table(
        "pooled_spends",
        sa.Column("partition", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("spend_id", sa.Uuid, primary_key=True),
        sa.Column("group_id", sa.Uuid, nullable=False),
        sa.Column("member_id", sa.Uuid, nullable=False),
        sa.Column("account_id", sa.Uuid, nullable=False),
        sa.Column("domain", sa.Text, nullable=False),
        sa.Column("unit", sa.Text, nullable=False),
        sa.Column("amount", sa.BigInteger, nullable=False),
        sa.Column("refunded", sa.BigInteger, nullable=False),
        sa.Column("reference", sa.Text, nullable=False),
        sa.Column("spent_at", TIME, nullable=False),
        sa.Column("order_minor", sa.BigInteger),
        sa.Column("order_returned", sa.BigInteger),
    )
    op.create_table(
        "contributions",
        sa.Column("partition", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("pooled_spend_id", sa.Uuid, primary_key=True),
        sa.Column("ordinal", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("member_id", sa.Uuid, nullable=False),
        sa.Column("spend_id", sa.Uuid, nullable=False),
        sa.Column("amount", sa.BigInteger, nullable=False),
        sa.Column("refunded", sa.BigInteger, nullable=False),
    )
    distribute_tables("group_seats", "pooled_spends", "contributions")
