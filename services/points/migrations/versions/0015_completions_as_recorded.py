"""A completion says when it was recorded and which lots it released, so that what was known before can be told."""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"


def upgrade() -> None:
    """Add the columns; completions that are there have neither."""
    op.add_column("completions", sa.Column("recorded_at", sa.DateTime(timezone=True)))
    op.add_column("completions", sa.Column("released", sa.LargeBinary))
