"""The tables of the benefits service."""

import sqlalchemy as sa

from services.chassis.tables import UPSERT, chassis_tables

METADATA = sa.MetaData()
chassis_tables(METADATA)

_TIME = sa.DateTime(timezone=True)
_GRANTED = sa.text("state = 1")
_MAY_END = sa.text("state = 1 AND valid_until IS NOT NULL")


def _partition() -> sa.Column[int]:
    return sa.Column("partition", sa.Integer, primary_key=True, autoincrement=False)


# What identity and tiers have told: projections, no more than benefits needs.
MEMBERS = sa.Table(
    "members",
    METADATA,
    _partition(),
    sa.Column("member_id", sa.Uuid, primary_key=True),
    # 0 while only tiers has told of the member.
    sa.Column("status", sa.SmallInteger, nullable=False),
    sa.Column("enrolled_at", _TIME),
    # What the standings of the member come to now, and at the instants to come that are known: a snapshot, so that a
    # check reads one row.
    sa.Column("standing", sa.Text, nullable=False),
    sa.Column("upcoming", sa.Text),
    # Whom the ID means since the member was merged; and the IDs that lead to it, 16 bytes each.
    sa.Column("leads_to", sa.Uuid),
    sa.Column("merged", sa.LargeBinary),
    info=UPSERT,
)
ACCOUNTS = sa.Table(
    "accounts",
    METADATA,
    _partition(),
    sa.Column("account_id", sa.Uuid, primary_key=True),
    sa.Column("member_id", sa.Uuid, nullable=False),
    sa.Column("domain", sa.Text, nullable=False),
    sa.Column("linked", sa.Boolean, nullable=False),
    info=UPSERT,
)
STANDINGS = sa.Table(
    "standings",
    METADATA,
    _partition(),
    sa.Column("member_id", sa.Uuid, primary_key=True),
    sa.Column("ladder", sa.Text, primary_key=True),
    sa.Column("effective_from", _TIME, primary_key=True),
    # Not included; none while nothing later is known. Equal to effective_from when a later decision took it back.
    sa.Column("ends_at", _TIME),
    sa.Column("level", sa.Text, nullable=False),
    sa.Column("rank", sa.Integer, nullable=False),
    # The highest that the member had reached on the ladder by then, what was taken back included.
    sa.Column("highest_rank", sa.Integer, nullable=False),
    info=UPSERT,
)

ENTITLEMENTS = sa.Table(
    "entitlements",
    METADATA,
    _partition(),
    # Follows from member, benefit, cause and reference: that nobody gets the same twice is its uniqueness.
    sa.Column("entitlement_id", sa.Uuid, primary_key=True),
    sa.Column("member_id", sa.Uuid, nullable=False),
    sa.Column("benefit", sa.Text, nullable=False),
    # As last booked: one whose time is over may still be booked as granted. 99: another partition has it since a merge.
    sa.Column("state", sa.SmallInteger, nullable=False),
    sa.Column("valid_from", _TIME, nullable=False),
    sa.Column("valid_until", _TIME),
    sa.Column("uses_left", sa.BigInteger),
    sa.Column("issued_at", _TIME, nullable=False),
    sa.Column("cause", sa.Text, nullable=False),
    sa.Column("reference", sa.Text, nullable=False),
    sa.Column("config_version", sa.BigInteger, nullable=False),
    # To whom it was issued, where that is another member that was merged.
    sa.Column("origin_id", sa.Uuid),
    sa.CheckConstraint("uses_left >= 0", "entitlements_uses"),
    sa.Index("entitlements_granted", "partition", "member_id", "benefit", postgresql_where=_GRANTED),
    # Not the words of the one above, or a young table's plan would look for a member's among all that a partition has.
    sa.Index("entitlements_due", "partition", "valid_until", postgresql_where=_MAY_END),
    sa.Index("entitlements_of_member", "partition", "member_id", "issued_at", "entitlement_id"),
    info=UPSERT,
)
REDEMPTIONS = sa.Table(
    "redemptions",
    METADATA,
    _partition(),
    # Follows from caller and request id: the row is the idempotency of redeeming.
    sa.Column("redemption_id", sa.Uuid, primary_key=True),
    sa.Column("fingerprint", sa.LargeBinary, nullable=False),
    sa.Column("member_id", sa.Uuid, nullable=False),
    sa.Column("benefit", sa.Text, nullable=False),
    sa.Column("domain", sa.Text, nullable=False),
    sa.Column("account_id", sa.Uuid),
    sa.Column("reference", sa.Text, nullable=False),
    # Of a coupon the entitlement, of a quota the first day of the period it was taken from.
    sa.Column("entitlement_id", sa.Uuid),
    sa.Column("period_start", sa.Date),
    sa.Column("uses_left", sa.BigInteger),
    sa.Column("redeemed_at", _TIME, nullable=False),
    sa.Column("position", sa.BigInteger, nullable=False),
    sa.Column("config_version", sa.BigInteger, nullable=False),
    sa.Column("reversed_at", _TIME),
    info=UPSERT,
)
# What a member has used of a quota in the period used last; what was used in those before stands in the redemptions.
QUOTA_USES = sa.Table(
    "quota_uses",
    METADATA,
    _partition(),
    sa.Column("member_id", sa.Uuid, primary_key=True),
    sa.Column("benefit", sa.Text, primary_key=True),
    sa.Column("period_start", sa.Date, nullable=False),
    sa.Column("used", sa.BigInteger, nullable=False),
    # How much of it came through accounts, or members that were merged, as JSON by their ID.
    sa.Column("sources", sa.Text),
    sa.CheckConstraint("used >= 0", "quota_uses_used"),
    info=UPSERT,
)
# How many of each there are in the partition, kept so that nobody has to count.
BENEFIT_COUNTS = sa.Table(
    "benefit_counts",
    METADATA,
    _partition(),
    sa.Column("benefit", sa.Text, primary_key=True),
    sa.Column("issued", sa.BigInteger, nullable=False),
    sa.Column("redeemed", sa.BigInteger, nullable=False),
    sa.Column("reversed", sa.BigInteger, nullable=False),
    sa.Column("expired", sa.BigInteger, nullable=False),
    info=UPSERT,
)
