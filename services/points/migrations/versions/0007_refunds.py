"""What comes back of activities, and refunds that wait for theirs; what waits for a completion."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0005"


def upgrade() -> None:
    """Keep each refund of an activity with its first answer, which says what it took back; and those that wait."""
    op.create_table(
        "refunds",
        sa.Column("partition", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("activity_id", sa.Uuid(), nullable=False),
        sa.Column("ordinal", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("member_id", sa.Uuid(), nullable=False),
        sa.Column("reference", sa.Text(), nullable=False),
        sa.Column("fingerprint", sa.LargeBinary(), nullable=False),
        sa.Column("answer", sa.LargeBinary(), nullable=False),
        sa.Column("refunded_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("partition", "activity_id", "ordinal"),
    )
    op.create_table(
        "parked_refunds",
        sa.Column("partition", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("parked_refund_id", sa.Uuid(), nullable=False),
        sa.Column("natural_key", sa.Uuid(), nullable=False),
        sa.Column("ordinal", sa.Integer(), nullable=False),
        sa.Column("member_id", sa.Uuid(), nullable=False),
        sa.Column("domain", sa.Text(), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("activity_reference", sa.Text(), nullable=False),
        sa.Column("reference", sa.Text(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("answer", sa.LargeBinary(), nullable=False),
        sa.Column("state", sa.SmallInteger(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("parked_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("partition", "parked_refund_id"),
    )
    op.create_index("parked_refunds_natural_key", "parked_refunds", ["partition", "natural_key"])
    op.create_index(
        "parked_refunds_waiting",
        "parked_refunds",
        ["partition", "parked_at", "parked_refund_id"],
        postgresql_where=sa.text("state = 1"),
    )
    op.create_index(
        "parked_refunds_closed",
        "parked_refunds",
        ["partition", "state", "parked_at", "parked_refund_id"],
        postgresql_where=sa.text("state <> 1"),
    )
    op.create_table(
        "completions",
        sa.Column("partition", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("activity_id", sa.Uuid(), nullable=False),
        sa.Column("member_id", sa.Uuid(), nullable=False),
        sa.Column("completed_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("partition", "activity_id"),
    )
