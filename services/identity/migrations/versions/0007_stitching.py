"""Matches say what speaks for them, by which policy, and who decided what. Those found before stand for themselves."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"

_TIME = sa.DateTime(timezone=True)
_PROOF = 3
_ADDED = {"reason": "NO_POLICY", "policy": "", "config_version": "0", "decided_by": "", "cause": ""}
"""What they say, as far as nothing better is known."""


def upgrade() -> None:
    """Tell of each match what was known by its type and its two identifiers, which was a proof both had verified."""
    for name, value in _ADDED.items():
        kind = sa.Integer if name == "config_version" else sa.Text
        op.add_column("matches", sa.Column(name, kind, server_default=value))
    op.add_column("matches", sa.Column("evidence", sa.Text))
    op.add_column("matches", sa.Column("changed_at", _TIME))
    op.add_column("matches", sa.Column("decided_at", _TIME))
    op.add_column("matches", sa.Column("merge_id", sa.Uuid))
    op.execute(f"""
        UPDATE matches
        SET changed_at = created_at,
            evidence = json_build_array(
                json_build_array(type, identifier_id, other_identifier_id, {_PROOF}, true, score)
            )::text
    """)
    for name in (*_ADDED, "evidence", "changed_at"):
        op.alter_column("matches", name, nullable=False, server_default=None)
    for name in ("type", "identifier_id", "other_identifier_id"):
        op.drop_column("matches", name)
    whose = sa.text("owner_id = member_id")
    op.create_index("matches_in_order", "matches", ["partition", "match_id"], postgresql_where=whose)
    op.create_index("matches_by_status", "matches", ["partition", "status", "match_id"], postgresql_where=whose)
