"""Which version of the master keys wraps a data key; and look-ups by whom they led to."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    """Everybody's is wrapped by the first version, but of those whose key was destroyed."""
    op.add_column("members", sa.Column("key_version", sa.SmallInteger, nullable=False, server_default="1"))
    op.execute("UPDATE members SET key_version = 0 WHERE data_key = ''")
    op.create_index(
        "members_by_key", "members", ["partition", "key_version"], postgresql_where=sa.text("key_version > 0")
    )
    op.create_index(
        "lookups_of_member",
        "lookups",
        ["partition", "member_id", "lookup_id"],
        postgresql_where=sa.text("member_id IS NOT NULL"),
    )
