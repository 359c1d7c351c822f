"""The points service: projections, activities, the ledger."""

import sqlalchemy as sa
from alembic import op

from services.chassis.migrations import create_chassis_tables, distribute_tables

revision = "0001"
down_revision = None

TIME = sa.DateTime(timezone=True)


def _partition() -> sa.Column[int]:
    return sa.Column("partition", sa.Integer, primary_key=True, autoincrement=False)


def upgrade() -> None:
    """Create everything."""
    create_chassis_tables()
    _create_projections()
    _create_facts()
    _create_wallets()
    distribute_tables(
        "members",
        "accounts",
        "standings",
        "activities",
        "entries",
        "balances",
        "lots",
        "holds",
        "spends",
        "clawbacks",
        "lot_uses",
        "cap_uses",
    )


def _create_projections() -> None:
    op.create_table(
        "members",
        _partition(),
        sa.Column("member_id", sa.Uuid, primary_key=True),
        sa.Column("status", sa.SmallInteger, nullable=False),
    )
    op.create_table(
        "accounts",
        _partition(),
        sa.Column("account_id", sa.Uuid, primary_key=True),
        sa.Column("member_id", sa.Uuid, nullable=False),
        sa.Column("domain", sa.Text, nullable=False),
        sa.Column("linked", sa.Boolean, nullable=False),
    )
    op.create_table(
        "standings",
        _partition(),
        sa.Column("member_id", sa.Uuid, primary_key=True),
        sa.Column("ladder", sa.Text, primary_key=True),
        sa.Column("effective_from", TIME, primary_key=True),
        sa.Column("level", sa.Text, nullable=False),
        sa.Column("stands", sa.Boolean, nullable=False),
    )


def _create_facts() -> None:
    op.create_table(
        "activities",
        _partition(),
        sa.Column("activity_id", sa.Uuid, primary_key=True),
        sa.Column("natural_key", sa.Uuid, nullable=False),
        sa.Column("member_id", sa.Uuid, nullable=False),
        sa.Column("effective_at", TIME, nullable=False),
        sa.Column("fingerprint", sa.LargeBinary, nullable=False),
        sa.Column("body", sa.LargeBinary, nullable=False),
        sa.Column("answer", sa.LargeBinary, nullable=False),
        sa.Column("lines", sa.Integer, nullable=False),
        sa.Column("reversed_at", TIME),
    )
    op.create_index("activities_natural_key", "activities", ["partition", "natural_key"], unique=True)
    op.create_table(
        "entries",
        _partition(),
        sa.Column("member_id", sa.Uuid, primary_key=True),
        sa.Column("position", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("ordinal", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("unit", sa.Text, nullable=False),
        sa.Column("kind", sa.SmallInteger, nullable=False),
        sa.Column("amount", sa.BigInteger, nullable=False),
        sa.Column("balance_after", sa.BigInteger, nullable=False),
        sa.Column("counterparty", sa.Text, nullable=False),
        sa.Column("effective_at", TIME, nullable=False),
        sa.Column("recorded_at", TIME, nullable=False),
        sa.Column("account_id", sa.Uuid),
        sa.Column("source_id", sa.Uuid, nullable=False),
        sa.Column("level", sa.Text, nullable=False),
    )


def _create_wallets() -> None:
    op.create_table(
        "balances",
        _partition(),
        sa.Column("member_id", sa.Uuid, primary_key=True),
        sa.Column("unit", sa.Text, primary_key=True),
        sa.Column("balance", sa.BigInteger, nullable=False),
        sa.Column("debt", sa.BigInteger, nullable=False),
        sa.Column("slides_to", TIME),
    )
    op.create_index(
        "balances_due", "balances", ["partition", "slides_to"], postgresql_where=sa.text("slides_to IS NOT NULL")
    )
    op.create_table(
        "lots",
        _partition(),
        sa.Column("member_id", sa.Uuid, primary_key=True),
        sa.Column("lot_id", sa.Uuid, primary_key=True),
        sa.Column("unit", sa.Text, nullable=False),
        sa.Column("amount", sa.BigInteger, nullable=False),
        sa.Column("remaining", sa.BigInteger, nullable=False),
        sa.Column("held", sa.BigInteger, nullable=False),
        sa.Column("expired", sa.BigInteger, nullable=False),
        sa.Column("available_at", TIME, nullable=False),
        sa.Column("expires_at", TIME),
        sa.Column("funder", sa.Text, nullable=False),
        sa.Column("source_id", sa.Uuid, nullable=False),
        sa.Column("account_id", sa.Uuid),
        sa.Column("slides", sa.Boolean, nullable=False),
        sa.Column("origin_lot", sa.Uuid),
        sa.CheckConstraint(
            "remaining >= 0 AND held >= 0 AND expired >= 0 AND remaining + held + expired <= amount", "lots_within"
        ),
    )
    op.create_index("lots_due", "lots", ["partition", "expires_at"], postgresql_where=sa.text("remaining > 0"))
    op.create_table(
        "holds",
        _partition(),
        sa.Column("hold_id", sa.Uuid, primary_key=True),
        sa.Column("member_id", sa.Uuid, nullable=False),
        sa.Column("account_id", sa.Uuid, nullable=False),
        sa.Column("domain", sa.Text, nullable=False),
        sa.Column("unit", sa.Text, nullable=False),
        sa.Column("amount", sa.BigInteger, nullable=False),
        sa.Column("captured", sa.BigInteger, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("reference", sa.Text, nullable=False),
        sa.Column("placed_at", TIME, nullable=False),
        sa.Column("expires_at", TIME, nullable=False),
        sa.Column("closed_at", TIME),
    )
    op.create_index("holds_of_member", "holds", ["partition", "member_id"])
    op.create_index("holds_due", "holds", ["partition", "expires_at"], postgresql_where=sa.text("state = 'open'"))
    op.create_table(
        "spends",
        _partition(),
        sa.Column("spend_id", sa.Uuid, primary_key=True),
        sa.Column("member_id", sa.Uuid, nullable=False),
        sa.Column("account_id", sa.Uuid, nullable=False),
        sa.Column("domain", sa.Text, nullable=False),
        sa.Column("unit", sa.Text, nullable=False),
        sa.Column("amount", sa.BigInteger, nullable=False),
        sa.Column("refunded", sa.BigInteger, nullable=False),
        sa.Column("reference", sa.Text, nullable=False),
        sa.Column("spent_at", TIME, nullable=False),
    )
    op.create_table(
        "clawbacks",
        _partition(),
        sa.Column("member_id", sa.Uuid, primary_key=True),
        sa.Column("clawback_id", sa.Uuid, primary_key=True),
        sa.Column("account_id", sa.Uuid, nullable=False),
        sa.Column("unit", sa.Text, nullable=False),
        sa.Column("activity_id", sa.Uuid, nullable=False),
        sa.Column("funder", sa.Text, nullable=False),
        sa.Column("amount", sa.BigInteger, nullable=False),
        sa.Column("owed", sa.BigInteger, nullable=False),
        sa.Column("taken_at", TIME, nullable=False),
    )
    op.create_table(
        "lot_uses",
        _partition(),
        sa.Column("user_id", sa.Uuid, primary_key=True),
        sa.Column("ordinal", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("lot_id", sa.Uuid, nullable=False),
        sa.Column("amount", sa.BigInteger, nullable=False),
        sa.Column("refunded", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "cap_uses",
        _partition(),
        sa.Column("member_id", sa.Uuid, primary_key=True),
        sa.Column("rule", sa.Text, primary_key=True),
        sa.Column("period_start", sa.Date, primary_key=True),
        sa.Column("used", sa.BigInteger, nullable=False),
    )
