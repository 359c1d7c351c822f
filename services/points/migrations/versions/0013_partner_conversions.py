"""Points are converted to and from units of outside partners, and scores are corrected by hand."""

import sqlalchemy as sa
from alembic import op

from services.chassis.migrations import distribute_tables

revision = "0013"
down_revision = "0012"

TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Make the table of conversions with partners, with the index by which those that are so far are found.

    An adjustment says when the score that it corrects counts.
    """
    op.add_column("adjustments", sa.Column("effective_at", TIME))
    op.create_table(
        "partner_conversions",
        sa.Column("partition", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("partner_conversion_id", sa.Uuid, primary_key=True),
        sa.Column("member_id", sa.Uuid, nullable=False),
        sa.Column("account_id", sa.Uuid, nullable=False),
        sa.Column("domain", sa.Text, nullable=False),
        sa.Column("conversion", sa.Text, nullable=False),
        sa.Column("partner", sa.Text, nullable=False),
        sa.Column("partner_account_id", sa.Uuid, nullable=False),
        sa.Column("incoming", sa.Boolean, nullable=False),
        sa.Column("unit", sa.Text, nullable=False),
        sa.Column("amount", sa.BigInteger, nullable=False),
        sa.Column("partner_unit", sa.Text, nullable=False),
        sa.Column("partner_amount", sa.BigInteger, nullable=False),
        sa.Column("state", sa.SmallInteger, nullable=False),
        sa.Column("funder", sa.Text, nullable=False),
        sa.Column("started_at", TIME, nullable=False),
        sa.Column("closed_at", TIME),
        sa.Column("settled_by", sa.Text, nullable=False),
        sa.Column("reference", sa.Text, nullable=False),
        sa.Column("booking", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
    )
    op.create_index(
        "partner_conversions_by_state", "partner_conversions", ["partition", "state", "partner_conversion_id"]
    )
    distribute_tables("partner_conversions")
