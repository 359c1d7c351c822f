"""Members, their scores by day, their standings, and how far those are evaluated."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

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
    )
    op.create_table(
        "scores",
        sa.Column("partition", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("member_id", sa.Uuid, primary_key=True),
        sa.Column("unit", sa.Text, primary_key=True),
        sa.Column("day", sa.Date, primary_key=True),
        sa.Column("amount", sa.BigInteger, nullable=False),
        sa.Column("last_at", _TIME, nullable=False),
        sa.Column("entries", JSONB, nullable=False),
    )
    op.create_table(
        "standings",
        sa.Column("partition", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("member_id", sa.Uuid, primary_key=True),
        sa.Column("ladder", sa.Text, primary_key=True),
        sa.Column("position", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("ordinal", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("effective_from", _TIME, nullable=False),
        sa.Column("effective_to", _TIME),
        sa.Column("level", sa.Text, nullable=False),
        sa.Column("rank", sa.Integer, nullable=False),
        sa.Column("previous_level", sa.Text, nullable=False),
        sa.Column("previous_rank", sa.Integer, nullable=False),
        sa.Column("score", sa.BigInteger, nullable=False),
        sa.Column("config_version", sa.BigInteger, nullable=False),
        sa.Column("recorded_at", _TIME, nullable=False),
        sa.Column("valid_until", _TIME),
        sa.Column("scores_from", sa.Date),
        sa.Column("superseded_at", _TIME),
    )
    op.create_table(
        "evaluations",
        sa.Column("partition", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("ladder", sa.Text, primary_key=True),
        sa.Column("through", _TIME, nullable=False),
        sa.Column("fingerprint", sa.Text, nullable=False),
        sa.Column("since", _TIME, nullable=False),
    )
    distribute_tables("members", "scores", "standings", "evaluations")
    op.create_index(
        "standings_due",
        "standings",
        ["partition", "ladder", "valid_until"],
        postgresql_where=sa.text("effective_to IS NULL AND superseded_at IS NULL"),
    )
