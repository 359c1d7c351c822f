"""Groups whose members hold the same identifier, say an address."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    """Until now they could only agree in an attribute."""
    op.alter_column("groups", "attribute_index", new_column_name="common_index")
    op.add_column("groups", sa.Column("same_identifier", sa.Text, server_default=""))
    op.alter_column("groups", "same_identifier", nullable=False, server_default=None)
