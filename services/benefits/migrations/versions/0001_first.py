"""Members and their standings as told, entitlements, redemptions, uses of quotas, counts."""

import sqlalchemy as sa
from alembic import op

from services.chassis.migrations import create_chassis_tables, distribute_tables

revision = "0001"
down_revision = None

_TIME = sa.DateTime(timezone=True)
_GRANTED = sa.text("state = 1")


def upgrade() -> None:
    """The first schema."""
    create_chassis_tables()
    _create_projections()
    _create_facts()
    _create_sums()
    distribute_tables("members", "accounts", "standings", "entitlements", "redemptions", "quota_uses", "benefit_counts")
    op.create_check_constraint("entitlements_uses", "entitlements", "uses_left >= 0")
    op.create_check_constraint("quota_uses_used", "quota_uses", "used >= 0")
    op.create_index(
        "entitlements_granted", "entitlements", ["partition", "member_id", "benefit"], postgresql_where=_GRANTED
    )
    op.create_index("entitlements_due", "entitlements", ["partition", "valid_until"], postgresql_where=_GRANTED)
    op.create_index("entitlements_of_member", "entitlements", ["partition", "member_id", "issued_at", "entitlement_id"])


def _create_projections() -> None:
    op.create_table(
        "members",
        sa.Column("partition", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("member_id", sa.Uuid, primary_key=True),
        sa.Column("status", sa.SmallInteger, nullable=False),
        sa.Column("enrolled_at", _TIME),
        sa.Column("standing", sa.Text, nullable=False),
        sa.Column("upcoming", sa.Text),
    )
    op.create_table(
        "accounts",
        sa.Column("partition", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("account_id", sa.Uuid, primary_key=True),
        sa.Column("member_id", sa.Uuid, nullable=False),
        sa.Column("domain", sa.Text, nullable=False),
        sa.Column("linked", sa.Boolean, nullable=False),
    )
    op.create_table(
        "standings",
        sa.Column("partition", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("member_id", sa.Uuid, primary_key=True),
        sa.Column("ladder", sa.Text, primary_key=True),
        sa.Column("effective_from", _TIME, primary_key=True),
        sa.Column("ends_at", _TIME),
        sa.Column("level", sa.Text, nullable=False),
        sa.Column("rank", sa.Integer, nullable=False),
        sa.Column("highest_rank", sa.Integer, nullable=False),
    )


def _create_facts() -> None:
    op.create_table(
        "entitlements",
        sa.Column("partition", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("entitlement_id", sa.Uuid, primary_key=True),
        sa.Column("member_id", sa.Uuid, nullable=False),
        sa.Column("benefit", sa.Text, nullable=False),
        sa.Column("state", sa.SmallInteger, nullable=False),
        sa.Column("valid_from", _TIME, nullable=False),
        sa.Column("valid_until", _TIME),
        sa.Column("uses_left", sa.BigInteger),
        sa.Column("issued_at", _TIME, nullable=False),
        sa.Column("cause", sa.Text, nullable=False),
        sa.Column("reference", sa.Text, nullable=False),
        sa.Column("config_version", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "redemptions",
        sa.Column("partition", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("redemption_id", sa.Uuid, primary_key=True),
        sa.Column("fingerprint", sa.LargeBinary, nullable=False),
        sa.Column("member_id", sa.Uuid, nullable=False),
        sa.Column("benefit", sa.Text, nullable=False),
        sa.Column("domain", sa.Text, nullable=False),
        sa.Column("account_id", sa.Uuid),
        sa.Column("reference", sa.Text, nullable=False),
        sa.Column("entitlement_id", sa.Uuid),
        sa.Column("period_start", sa.Date),
        sa.Column("uses_left", sa.BigInteger),
        sa.Column("redeemed_at", _TIME, nullable=False),
        sa.Column("position", sa.BigInteger, nullable=False),
        sa.Column("config_version", sa.BigInteger, nullable=False),
        sa.Column("reversed_at", _TIME),
    )


def _create_sums() -> None:
    op.create_table(
        "quota_uses",
        sa.Column("partition", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("member_id", sa.Uuid, primary_key=True),
        sa.Column("benefit", sa.Text, primary_key=True),
        sa.Column("period_start", sa.Date, nullable=False),
        sa.Column("used", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "benefit_counts",
        sa.Column("partition", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("benefit", sa.Text, primary_key=True),
        sa.Column("issued", sa.BigInteger, nullable=False),
        sa.Column("redeemed", sa.BigInteger, nullable=False),
        sa.Column("reversed", sa.BigInteger, nullable=False),
        sa.Column("expired", sa.BigInteger, nullable=False),
    )
