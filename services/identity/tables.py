"""The tables of the identity service."""

import sqlalchemy as sa

from services.chassis.tables import UPSERT, chassis_tables

METADATA = sa.MetaData()
chassis_tables(METADATA)

_TIME = sa.DateTime(timezone=True)


def _partition() -> sa.Column[int]:
    return sa.Column("partition", sa.Integer, primary_key=True, autoincrement=False)


MEMBERS = sa.Table(
    "members",
    METADATA,
    _partition(),
    sa.Column("member_id", sa.Uuid, primary_key=True),
    sa.Column("status", sa.SmallInteger, nullable=False),
    sa.Column("enrolled_at", _TIME, nullable=False),
    # The member's own key, wrapped by the master key; what is sealed below is sealed under it.
    sa.Column("data_key", sa.LargeBinary, nullable=False),
    sa.Column("attributes", sa.LargeBinary, nullable=False),
    sa.Index("members_by_status", "partition", "status", "member_id"),
    info=UPSERT,
)
# Which accounts a member has and had. An account that was unlinked keeps its row; linked again, it is a new account.
ACCOUNTS = sa.Table(
    "accounts",
    METADATA,
    _partition(),
    sa.Column("account_id", sa.Uuid, primary_key=True),
    sa.Column("member_id", sa.Uuid, nullable=False),
    sa.Column("domain", sa.Text, nullable=False),
    sa.Column("blind_index", sa.LargeBinary, nullable=False),
    sa.Column("external_id", sa.LargeBinary, nullable=False),
    sa.Column("verified", sa.Boolean, nullable=False),
    sa.Column("linked_at", _TIME, nullable=False),
    sa.Column("unlinked_at", _TIME),
    sa.Index("accounts_of_member", "partition", "member_id"),
    info=UPSERT,
)
# Where an account's name leads. Its partition follows from the blind index, not from the member. `reply` is the rest of
# the row as it is sent, serialised when it is written, so that resolving is copying.
ROUTES = sa.Table(
    "routes",
    METADATA,
    _partition(),
    sa.Column("blind_index", sa.LargeBinary, primary_key=True),
    sa.Column("account_id", sa.Uuid),
    sa.Column("member_id", sa.Uuid),
    sa.Column("status", sa.SmallInteger, nullable=False),
    sa.Column("enrolled_by", sa.BigInteger, nullable=False),
    sa.Column("reply", sa.LargeBinary),
    info=UPSERT,
)
