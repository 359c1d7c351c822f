"""Members give points to each other."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0007"

TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Make the table of gifts."""
    op.create_table(
        "gifts",
        sa.Column("partition", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("gift_id", sa.Uuid, primary_key=True),
        sa.Column("member_id", sa.Uuid, nullable=False),
        sa.Column("account_id", sa.Uuid, nullable=False),
        sa.Column("domain", sa.Text, nullable=False),
        sa.Column("to_member_id", sa.Uuid, nullable=False),
        sa.Column("to_account_id", sa.Uuid, nullable=False),
        sa.Column("to_domain", sa.Text, nullable=False),
        sa.Column("unit", sa.Text, nullable=False),
        sa.Column("amount", sa.BigInteger, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("reference", sa.Text, nullable=False),
        sa.Column("given_at", TIME, nullable=False),
        sa.Column("expires_at", TIME),
        sa.Column("closed_at", TIME),
    )
