"""Identifiers of members, who holds which value, who looked for one, and who met by one."""

import sqlalchemy as sa
from alembic import op

from services.chassis.migrations import distribute_tables

revision = "0005"
down_revision = "0004"

_TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Make the four tables."""
    op.create_table(
        "identifiers",
        sa.Column("partition", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("identifier_id", sa.Uuid, primary_key=True),
        sa.Column("member_id", sa.Uuid, nullable=False),
        sa.Column("type", sa.Text, nullable=False),
        sa.Column("key_version", sa.SmallInteger, nullable=False),
        sa.Column("blind_index", sa.LargeBinary, nullable=False),
        sa.Column("value", sa.LargeBinary, nullable=False),
        sa.Column("is_demoted", sa.Boolean, nullable=False),
        sa.Column("verified_at", _TIME),
        sa.Column("first_seen_at", _TIME, nullable=False),
        sa.Column("last_seen_at", _TIME, nullable=False),
        sa.Column("removed_at", _TIME),
    )
    op.create_table(
        "identifier_holders",
        sa.Column("partition", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("blind_index", sa.LargeBinary, primary_key=True),
        sa.Column("identifier_id", sa.Uuid, primary_key=True),
        sa.Column("member_id", sa.Uuid, nullable=False),
        sa.Column("type", sa.Text, nullable=False),
        sa.Column("is_demoted", sa.Boolean, nullable=False),
        sa.Column("verified_at", _TIME),
        sa.Column("removed_at", _TIME),
    )
    op.create_table(
        "lookups",
        sa.Column("partition", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("lookup_id", sa.Uuid, primary_key=True),
        sa.Column("caller", sa.Text, nullable=False),
        sa.Column("type", sa.Text, nullable=False),
        sa.Column("member_id", sa.Uuid),
        sa.Column("looked_up_at", _TIME, nullable=False),
    )
    op.create_table(
        "matches",
        sa.Column("partition", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("owner_id", sa.Uuid, primary_key=True),
        sa.Column("match_id", sa.Uuid, primary_key=True),
        sa.Column("member_id", sa.Uuid, nullable=False),
        sa.Column("other_id", sa.Uuid, nullable=False),
        sa.Column("type", sa.Text, nullable=False),
        sa.Column("identifier_id", sa.Uuid, nullable=False),
        sa.Column("other_identifier_id", sa.Uuid, nullable=False),
        sa.Column("score", sa.SmallInteger, nullable=False),
        sa.Column("status", sa.SmallInteger, nullable=False),
        sa.Column("created_at", _TIME, nullable=False),
    )
    distribute_tables("identifiers", "identifier_holders", "lookups", "matches")
    op.create_index(
        "identifiers_of_member",
        "identifiers",
        ["partition", "member_id"],
        postgresql_where=sa.text("member_id IS NOT NULL"),
    )
    op.create_index(
        "identifiers_by_key",
        "identifiers",
        ["partition", "key_version"],
        postgresql_where=sa.text("key_version > 0"),
    )
    op.create_index(
        "identifier_holders_removed",
        "identifier_holders",
        ["partition"],
        postgresql_where=sa.text("removed_at IS NOT NULL"),
    )
