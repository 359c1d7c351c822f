"""Points are granted, forfeited and converted; a lot may be for one merchant only, a spend for an order."""

import sqlalchemy as sa
from alembic import op

from services.chassis.migrations import distribute_tables

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Create the table of movements, let lots name a merchant, and holds and spends the money of an order."""
    op.create_table(
        "movements",
        sa.Column("partition", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("member_id", sa.Uuid, primary_key=True),
        sa.Column("movement_id", sa.Uuid, primary_key=True),
        sa.Column("account_id", sa.Uuid),
        sa.Column("domain", sa.Text, nullable=False),
        sa.Column("kind", sa.SmallInteger, nullable=False),
        sa.Column("unit", sa.Text, nullable=False),
        sa.Column("amount", sa.BigInteger, nullable=False),
        sa.Column("conversion", sa.Text, nullable=False),
        sa.Column("credited", sa.BigInteger, nullable=False),
        sa.Column("moved_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("reference", sa.Text, nullable=False),
    )
    op.add_column("lots", sa.Column("merchant", sa.Text))
    op.add_column("holds", sa.Column("order_minor", sa.BigInteger))
    op.add_column("spends", sa.Column("order_minor", sa.BigInteger))
    op.add_column("spends", sa.Column("order_returned", sa.BigInteger))
    distribute_tables("movements")
