"""Members, their accounts, and the routes by which accounts are found."""

import sqlalchemy as sa
from alembic import op

from services.chassis.migrations import create_chassis_tables, distribute_tables

revision = "0001"
down_revision = None

_TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    """The first schema."""
    create_chassis_tables()
    op.create_table(
        "members",
        sa.Column("partition", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("member_id", sa.Uuid, primary_key=True),
        sa.Column("status", sa.SmallInteger, nullable=False),
        sa.Column("enrolled_at", _TIME, nullable=False),
        sa.Column("data_key", sa.LargeBinary, nullable=False),
        sa.Column("attributes", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "accounts",
        sa.Column("partition", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("account_id", sa.Uuid, primary_key=True),
        sa.Column("member_id", sa.Uuid, nullable=False),
        sa.Column("domain", sa.Text, nullable=False),
        sa.Column("blind_index", sa.LargeBinary, nullable=False),
        sa.Column("external_id", sa.LargeBinary, nullable=False),
        sa.Column("verified", sa.Boolean, nullable=False),
        sa.Column("linked_at", _TIME, nullable=False),
        sa.Column("unlinked_at", _TIME),
    )
    op.create_table(
        "routes",
        sa.Column("partition", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("blind_index", sa.LargeBinary, primary_key=True),
        sa.Column("account_id", sa.Uuid),
        sa.Column("member_id", sa.Uuid),
        sa.Column("status", sa.SmallInteger, nullable=False),
        sa.Column("enrolled_by", sa.BigInteger, nullable=False),
        sa.Column("reply", sa.LargeBinary),
    )
    distribute_tables("members", "accounts", "routes")
    op.create_index("members_by_status", "members", ["partition", "status", "member_id"])
    op.create_index("accounts_of_member", "accounts", ["partition", "member_id"])
