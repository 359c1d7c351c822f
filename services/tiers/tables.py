"""The tables of the tiers service."""

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB

from services.chassis.tables import UPSERT, chassis_tables

METADATA = sa.MetaData()
chassis_tables(METADATA)

_TIME = sa.DateTime(timezone=True)


def _partition() -> sa.Column[int]:
    return sa.Column("partition", sa.Integer, primary_key=True, autoincrement=False)


# What identity has told: a projection, no more than tiers needs.
MEMBERS = sa.Table(
    "members",
    METADATA,
    _partition(),
    sa.Column("member_id", sa.Uuid, primary_key=True),
    sa.Column("status", sa.SmallInteger, nullable=False),
    sa.Column("enrolled_at", _TIME, nullable=False),
    info=UPSERT,
)

# What is special of an ID since a merge, an unmerge or an erasure; most have no row. `merged` and `elsewhere` are IDs
# of 16 bytes each: those that lead to it, and pairs of an account and whose it is now.
LINKS = sa.Table(
    "links",
    METADATA,
    _partition(),
    sa.Column("member_id", sa.Uuid, primary_key=True),
    sa.Column("leads_to", sa.Uuid),
    sa.Column("merged", sa.LargeBinary, nullable=False),
    sa.Column("since", _TIME, nullable=False),
    sa.Column("is_erased", sa.Boolean, nullable=False),
    sa.Column("elsewhere", sa.LargeBinary, nullable=False),
    info=UPSERT,
)

# What a member scored in a unit on a civil day. `entries` are its parts, [[acts from, in microseconds; amount; what it
# came through, if known], …]: they are read when something is learnt late, when somebody asks about the past, and when
# members are merged or unmerged.
SCORES = sa.Table(
    "scores",
    METADATA,
    _partition(),
    sa.Column("member_id", sa.Uuid, primary_key=True),
    sa.Column("unit", sa.Text, primary_key=True),
    sa.Column("day", sa.Date, primary_key=True),
    sa.Column("amount", sa.BigInteger, nullable=False),
    sa.Column("last_at", _TIME, nullable=False),
    sa.Column("entries", JSONB, nullable=False),
    info=UPSERT,
)

# Where members stand and stood. The place in the journal is the order in which it was learnt: among those that nothing
# took back it is also the order of `effective_from`, and the last one is where the member stands.
STANDINGS = sa.Table(
    "standings",
    METADATA,
    _partition(),
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
    # The first evaluation that it may not survive, and the first day of the scores which that evaluation looks at.
    sa.Column("valid_until", _TIME),
    sa.Column("scores_from", sa.Date),
    sa.Column("superseded_at", _TIME),
    sa.Index(
        "standings_due",
        "partition",
        "ladder",
        "valid_until",
        postgresql_where=sa.text("effective_to IS NULL AND superseded_at IS NULL"),
    ),
    info=UPSERT,
)

# How far each partition's standings on a ladder are evaluated, and by which definition of the ladder.
EVALUATIONS = sa.Table(
    "evaluations",
    METADATA,
    _partition(),
    sa.Column("ladder", sa.Text, primary_key=True),
    sa.Column("through", _TIME, nullable=False),
    sa.Column("fingerprint", sa.Text, nullable=False),
    sa.Column("since", _TIME, nullable=False),
    info=UPSERT,
)
