"""The tables of the points service."""

import sqlalchemy as sa

from services.chassis.tables import OF_BATCH, UPSERT, chassis_tables

METADATA = sa.MetaData()
chassis_tables(METADATA)

_TIME = sa.DateTime(timezone=True)


def _partition() -> sa.Column[int]:
    return sa.Column("partition", sa.Integer, primary_key=True, autoincrement=False)


# What identity and tiers have told: projections, no more than points needs.
MEMBERS = sa.Table(
    "members",
    METADATA,
    _partition(),
    sa.Column("member_id", sa.Uuid, primary_key=True),
    sa.Column("status", sa.SmallInteger, nullable=False),
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
# Whom IDs lead to since merges, and which lead to them (`merged`, 16 bytes each); of members that were merged alone.
LINKS = sa.Table(
    "links",
    METADATA,
    _partition(),
    sa.Column("member_id", sa.Uuid, primary_key=True),
    sa.Column("leads_to", sa.Uuid),
    sa.Column("merged", sa.LargeBinary, nullable=False),
    # Accounts that left, each with the member to which they belong since: pairs.
    sa.Column("gone", sa.LargeBinary, nullable=False),
    info=UPSERT,
)
# Merges, and whether orders that both members had reported before were looked for (`merged_ids`, 16 bytes each).
MERGES = sa.Table(
    "merges",
    METADATA,
    _partition(),
    sa.Column("merge_id", sa.Uuid, primary_key=True),
    sa.Column("survivor_id", sa.Uuid, nullable=False),
    sa.Column("merged_ids", sa.LargeBinary, nullable=False),
    sa.Column("is_checked", sa.Boolean, nullable=False),
    sa.Index("merges_unchecked", "partition", "merge_id", postgresql_where=sa.text("NOT is_checked")),
    info=UPSERT,
)
STANDINGS = sa.Table(
    "standings",
    METADATA,
    _partition(),
    sa.Column("member_id", sa.Uuid, primary_key=True),
    sa.Column("ladder", sa.Text, primary_key=True),
    sa.Column("effective_from", _TIME, primary_key=True),
    sa.Column("level", sa.Text, nullable=False),
    # False when a later decision took back what was known of the time from here on.
    sa.Column("stands", sa.Boolean, nullable=False),
    info=UPSERT,
)
# Seats in groups, each by its owner twice: the group, in its partition, and the member, in that one's.
GROUP_SEATS = sa.Table(
    "group_seats",
    METADATA,
    _partition(),
    sa.Column("owner_id", sa.Uuid, primary_key=True),
    sa.Column("seat_id", sa.Uuid, primary_key=True),
    sa.Column("group_id", sa.Uuid, nullable=False),
    sa.Column("member_id", sa.Uuid, nullable=False),
    sa.Column("role", sa.Text, nullable=False),
    sa.Column("joined_at", _TIME, nullable=False),
    sa.Column("left_at", _TIME),
    # Whether the members of the group share points.
    sa.Column("shares_points", sa.Boolean, nullable=False),
    sa.Index("group_seats_taken", "partition", "owner_id", postgresql_where=sa.text("left_at IS NULL")),
    info=UPSERT,
)

# Facts. An activity's ID follows from caller and request id, its natural key from member, domain, type and reference:
# the two indexes are the idempotency of recording.
ACTIVITIES = sa.Table(
    "activities",
    METADATA,
    _partition(),
    sa.Column("activity_id", sa.Uuid, primary_key=True),
    sa.Column("natural_key", sa.Uuid, nullable=False),
    sa.Column("member_id", sa.Uuid, nullable=False),
    sa.Column("effective_at", _TIME, nullable=False),
    sa.Column("fingerprint", sa.LargeBinary, nullable=False),
    # The serialised Activity, and the serialised RecordActivityResponse: what happened, and its recorded effects.
    sa.Column("body", sa.LargeBinary, nullable=False),
    sa.Column("answer", sa.LargeBinary, nullable=False),
    sa.Column("lines", sa.Integer, nullable=False),
    sa.Column("reversed_at", _TIME),
    sa.Index("activities_natural_key", "partition", "natural_key", unique=True),
    info=UPSERT,
)
# What came back of activities. `answer` is the serialised RefundActivityResponse: the lines, and what was taken back.
REFUNDS = sa.Table(
    "refunds",
    METADATA,
    _partition(),
    sa.Column("activity_id", sa.Uuid, primary_key=True),
    sa.Column("ordinal", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("member_id", sa.Uuid, nullable=False),
    # As the domain calls it, unique for its activity; empty for a reversal.
    sa.Column("reference", sa.Text, nullable=False),
    sa.Column("fingerprint", sa.LargeBinary, nullable=False),
    sa.Column("answer", sa.LargeBinary, nullable=False),
    sa.Column("refunded_at", _TIME, nullable=False),
)
# Activities that were completed, so that what was pending until then is released.
COMPLETIONS = sa.Table(
    "completions",
    METADATA,
    _partition(),
    sa.Column("activity_id", sa.Uuid, primary_key=True),
    sa.Column("member_id", sa.Uuid, nullable=False),
    sa.Column("completed_at", _TIME, nullable=False),
    sa.Column("recorded_at", _TIME),
    # The IDs of the lots that it released, 16 bytes each.
    sa.Column("released", sa.LargeBinary),
)
# Refunds that arrived before their activity. `body` is the serialised ActivityRefund, `answer` the first answer. One
# without a reference is a completion, and `body` the serialised Timestamp of it.
PARKED_REFUNDS = sa.Table(
    "parked_refunds",
    METADATA,
    _partition(),
    sa.Column("parked_refund_id", sa.Uuid, primary_key=True),
    sa.Column("natural_key", sa.Uuid, nullable=False),
    sa.Column("ordinal", sa.Integer, nullable=False),
    sa.Column("member_id", sa.Uuid, nullable=False),
    sa.Column("domain", sa.Text, nullable=False),
    sa.Column("type", sa.Text, nullable=False),
    sa.Column("activity_reference", sa.Text, nullable=False),
    sa.Column("reference", sa.Text, nullable=False),
    sa.Column("body", sa.LargeBinary, nullable=False),
    sa.Column("answer", sa.LargeBinary, nullable=False),
    sa.Column("state", sa.SmallInteger, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("parked_at", _TIME, nullable=False),
    sa.Column("closed_at", _TIME),
    sa.Index("parked_refunds_natural_key", "partition", "natural_key"),
    # Those that wait are few, and asked for by every batch; so neither index serves where a natural key is looked up.
    sa.Index(
        "parked_refunds_waiting", "partition", "parked_at", "parked_refund_id", postgresql_where=sa.text("state = 1")
    ),
    sa.Index(
        "parked_refunds_closed",
        "partition",
        "state",
        "parked_at",
        "parked_refund_id",
        postgresql_where=sa.text("state <> 1"),
    ),
    info=UPSERT,
)
ENTRIES = sa.Table(
    "entries",
    METADATA,
    _partition(),
    sa.Column("member_id", sa.Uuid, primary_key=True),
    sa.Column("position", sa.BigInteger, primary_key=True, autoincrement=False, info=OF_BATCH),
    sa.Column("ordinal", sa.Integer, primary_key=True, autoincrement=False, info=OF_BATCH),
    sa.Column("unit", sa.Text, nullable=False),
    sa.Column("kind", sa.SmallInteger, nullable=False),
    sa.Column("amount", sa.BigInteger, nullable=False),
    sa.Column("balance_after", sa.BigInteger, nullable=False),
    sa.Column("counterparty", sa.Text, nullable=False),
    sa.Column("effective_at", _TIME, nullable=False),
    sa.Column("recorded_at", _TIME, nullable=False, info=OF_BATCH),
    sa.Column("account_id", sa.Uuid),
    sa.Column("source_id", sa.Uuid, nullable=False),
    sa.Column("level", sa.Text, nullable=False),
)

# The state that entries make, kept so that nobody has to sum.
BALANCES = sa.Table(
    "balances",
    METADATA,
    _partition(),
    sa.Column("member_id", sa.Uuid, primary_key=True),
    sa.Column("unit", sa.Text, primary_key=True),
    sa.Column("balance", sa.BigInteger, nullable=False),
    # What the member owes: taken back and not there. balance = lots − debt.
    sa.Column("debt", sa.BigInteger, nullable=False),
    # When the lots that slide on activity expire.
    sa.Column("slides_to", _TIME),
    sa.Index("balances_due", "partition", "slides_to", postgresql_where=sa.text("slides_to IS NOT NULL")),
    info=UPSERT,
)
LOTS = sa.Table(
    "lots",
    METADATA,
    _partition(),
    sa.Column("member_id", sa.Uuid, primary_key=True),
    sa.Column("lot_id", sa.Uuid, primary_key=True),
    sa.Column("unit", sa.Text, nullable=False),
    sa.Column("amount", sa.BigInteger, nullable=False),
    sa.Column("remaining", sa.BigInteger, nullable=False),
    sa.Column("held", sa.BigInteger, nullable=False),
    sa.Column("expired", sa.BigInteger, nullable=False),
    sa.Column("available_at", _TIME, nullable=False),
    sa.Column("expires_at", _TIME),
    sa.Column("funder", sa.Text, nullable=False),
    sa.Column("source_id", sa.Uuid, nullable=False),
    sa.Column("account_id", sa.Uuid),
    # Whether it expires with the wallet's slides_to (and not before its own expires_at).
    sa.Column("slides", sa.Boolean, nullable=False),
    # The lot whose points a refund restored with a new expiry.
    sa.Column("origin_lot", sa.Uuid),
    # The only merchant it can be spent at.
    sa.Column("merchant", sa.Text),
    sa.CheckConstraint(
        "remaining >= 0 AND held >= 0 AND expired >= 0 AND remaining + held + expired <= amount", "lots_within"
    ),
    # Those that slide expire with their wallet (balances_due).
    sa.Index("lots_due", "partition", "expires_at", postgresql_where=sa.text("remaining > 0 AND NOT slides")),
    # A member's lots pile up; those that can still be used are few.
    sa.Index("lots_open", "partition", "member_id", postgresql_where=sa.text("remaining > 0 OR held > 0")),
    info=UPSERT,
)
HOLDS = sa.Table(
    "holds",
    METADATA,
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
    sa.Column("placed_at", _TIME, nullable=False),
    sa.Column("expires_at", _TIME, nullable=False),
    sa.Column("closed_at", _TIME),
    # The money of the order it is for, where one was named.
    sa.Column("order_minor", sa.BigInteger),
    sa.Index("holds_of_member", "partition", "member_id", "closed_at"),
    sa.Index("holds_due", "partition", "expires_at", postgresql_where=sa.text("state = 'open'")),
    info=UPSERT,
)
SPENDS = sa.Table(
    "spends",
    METADATA,
    _partition(),
    sa.Column("spend_id", sa.Uuid, primary_key=True),
    sa.Column("member_id", sa.Uuid, nullable=False),
    sa.Column("account_id", sa.Uuid, nullable=False),
    sa.Column("domain", sa.Text, nullable=False),
    sa.Column("unit", sa.Text, nullable=False),
    sa.Column("amount", sa.BigInteger, nullable=False),
    sa.Column("refunded", sa.BigInteger, nullable=False),
    sa.Column("reference", sa.Text, nullable=False),
    sa.Column("spent_at", _TIME, nullable=False),
    # The money of the order it was for, where one was named, and how much of it was returned, once some was.
    sa.Column("order_minor", sa.BigInteger),
    sa.Column("order_returned", sa.BigInteger),
    # The pooled spend that it is a contribution to.
    sa.Column("pooled_spend_id", sa.Uuid),
    info=UPSERT,
)
# What members of groups spent together, in the partition of the member who spent; by ID they are spends like others.
POOLED_SPENDS = sa.Table(
    "pooled_spends",
    METADATA,
    _partition(),
    sa.Column("spend_id", sa.Uuid, primary_key=True),
    sa.Column("group_id", sa.Uuid, nullable=False),
    sa.Column("member_id", sa.Uuid, nullable=False),
    sa.Column("account_id", sa.Uuid, nullable=False),
    sa.Column("domain", sa.Text, nullable=False),
    sa.Column("unit", sa.Text, nullable=False),
    sa.Column("amount", sa.BigInteger, nullable=False),
    sa.Column("refunded", sa.BigInteger, nullable=False),
    sa.Column("reference", sa.Text, nullable=False),
    sa.Column("spent_at", _TIME, nullable=False),
    sa.Column("order_minor", sa.BigInteger),
    sa.Column("order_returned", sa.BigInteger),
    info=UPSERT,
)
# Whose points a pooled spend took, in the order in which they burnt; `spend_id` is the spend of that wallet.
CONTRIBUTIONS = sa.Table(
    "contributions",
    METADATA,
    _partition(),
    sa.Column("pooled_spend_id", sa.Uuid, primary_key=True),
    sa.Column("ordinal", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("member_id", sa.Uuid, nullable=False),
    sa.Column("spend_id", sa.Uuid, nullable=False),
    sa.Column("amount", sa.BigInteger, nullable=False),
    sa.Column("refunded", sa.BigInteger, nullable=False),
    info=UPSERT,
)
# What members give to each other, in the giver's partition. What is offered is held by a hold until it is accepted.
GIFTS = sa.Table(
    "gifts",
    METADATA,
    _partition(),
    sa.Column("gift_id", sa.Uuid, primary_key=True),
    sa.Column("member_id", sa.Uuid, nullable=False),
    sa.Column("account_id", sa.Uuid, nullable=False),
    sa.Column("domain", sa.Text, nullable=False),
    sa.Column("to_member_id", sa.Uuid, nullable=False),
    sa.Column("to_account_id", sa.Uuid, nullable=False),
    sa.Column("to_domain", sa.Text, nullable=False),
    sa.Column("unit", sa.Text, nullable=False),
    sa.Column("amount", sa.BigInteger, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("reference", sa.Text, nullable=False),
    sa.Column("given_at", _TIME, nullable=False),
    sa.Column("expires_at", _TIME),
    sa.Column("closed_at", _TIME),
    info=UPSERT,
)
# Wallets corrected by hand, and corrections that wait for approval.
ADJUSTMENTS = sa.Table(
    "adjustments",
    METADATA,
    _partition(),
    sa.Column("adjustment_id", sa.Uuid, primary_key=True),
    sa.Column("member_id", sa.Uuid, nullable=False),
    sa.Column("account_id", sa.Uuid, nullable=False),
    sa.Column("domain", sa.Text, nullable=False),
    sa.Column("unit", sa.Text, nullable=False),
    sa.Column("amount", sa.BigInteger, nullable=False),
    sa.Column("cause", sa.Text, nullable=False),
    sa.Column("funder", sa.Text, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("requested_by", sa.Text, nullable=False),
    sa.Column("requested_at", _TIME, nullable=False),
    sa.Column("resolved_by", sa.Text, nullable=False),
    sa.Column("resolved_at", _TIME),
    # When a score counts; of points none.
    sa.Column("effective_at", _TIME),
    sa.Index("adjustments_proposed", "partition", "adjustment_id", postgresql_where=sa.text("state = 'proposed'")),
    info=UPSERT,
)
# Points converted to and from units of outside partners. What goes out is held until the partner has answered.
PARTNER_CONVERSIONS = sa.Table(
    "partner_conversions",
    METADATA,
    _partition(),
    sa.Column("partner_conversion_id", sa.Uuid, primary_key=True),
    sa.Column("member_id", sa.Uuid, nullable=False),
    sa.Column("account_id", sa.Uuid, nullable=False),
    sa.Column("domain", sa.Text, nullable=False),
    sa.Column("conversion", sa.Text, nullable=False),
    sa.Column("partner", sa.Text, nullable=False),
    sa.Column("partner_account_id", sa.Uuid, nullable=False),
    sa.Column("incoming", sa.Boolean, nullable=False),
    sa.Column("unit", sa.Text, nullable=False),
    sa.Column("amount", sa.BigInteger, nullable=False),
    sa.Column("partner_unit", sa.Text, nullable=False),
    sa.Column("partner_amount", sa.BigInteger, nullable=False),
    sa.Column("state", sa.SmallInteger, nullable=False),
    sa.Column("funder", sa.Text, nullable=False),
    sa.Column("started_at", _TIME, nullable=False),
    sa.Column("closed_at", _TIME),
    sa.Column("settled_by", sa.Text, nullable=False),
    sa.Column("reference", sa.Text, nullable=False),
    # What the partner calls its booking, and why it was refused or settled by decision.
    sa.Column("booking", sa.Text, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Index("partner_conversions_by_state", "partition", "state", "partner_conversion_id"),
    info=UPSERT,
)
# What reversed activities took back; what is owed is the debt of the balance.
CLAWBACKS = sa.Table(
    "clawbacks",
    METADATA,
    _partition(),
    sa.Column("member_id", sa.Uuid, primary_key=True),
    sa.Column("clawback_id", sa.Uuid, primary_key=True),
    sa.Column("account_id", sa.Uuid, nullable=False),
    sa.Column("unit", sa.Text, nullable=False),
    sa.Column("activity_id", sa.Uuid, nullable=False),
    sa.Column("funder", sa.Text, nullable=False),
    sa.Column("amount", sa.BigInteger, nullable=False),
    sa.Column("owed", sa.BigInteger, nullable=False),
    sa.Column("taken_at", _TIME, nullable=False),
    info=UPSERT,
)
# Grants, forfeits and conversions, none of which ever changes.
MOVEMENTS = sa.Table(
    "movements",
    METADATA,
    _partition(),
    sa.Column("member_id", sa.Uuid, primary_key=True),
    sa.Column("movement_id", sa.Uuid, primary_key=True),
    sa.Column("account_id", sa.Uuid),
    sa.Column("domain", sa.Text, nullable=False),
    sa.Column("kind", sa.SmallInteger, nullable=False),
    sa.Column("unit", sa.Text, nullable=False),
    sa.Column("amount", sa.BigInteger, nullable=False),
    sa.Column("conversion", sa.Text, nullable=False),
    sa.Column("credited", sa.BigInteger, nullable=False),
    sa.Column("moved_at", _TIME, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("reference", sa.Text, nullable=False),
)
# Which lots a hold holds, and a spend, a gift, a forfeit or the like took, in order of use.
LOT_USES = sa.Table(
    "lot_uses",
    METADATA,
    _partition(),
    sa.Column("user_id", sa.Uuid, primary_key=True),
    sa.Column("ordinal", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("lot_id", sa.Uuid, nullable=False),
    sa.Column("amount", sa.BigInteger, nullable=False),
    sa.Column("refunded", sa.BigInteger, nullable=False),
    info=UPSERT,
)
# What partitions have of earn budgets, by the first day of the period.
BUDGET_PORTIONS = sa.Table(
    "budget_portions",
    METADATA,
    _partition(),
    sa.Column("budget", sa.Text, primary_key=True),
    sa.Column("period_start", sa.Date, primary_key=True),
    # What the partition got of the pool, and what of it is drawn.
    sa.Column("leased", sa.BigInteger, nullable=False),
    sa.Column("drawn", sa.BigInteger, nullable=False),
    # The budget's amount as it was when the pool was last asked.
    sa.Column("amount", sa.BigInteger, nullable=False),
    # Nothing is left in any partition.
    sa.Column("exhausted", sa.Boolean, nullable=False),
    sa.CheckConstraint("drawn >= 0 AND drawn <= leased", "drawn_within"),
    info=UPSERT,
)
# What earn budgets gave to partitions, in the partition of the hash of their code.
BUDGET_POOLS = sa.Table(
    "budget_pools",
    METADATA,
    _partition(),
    sa.Column("budget", sa.Text, primary_key=True),
    sa.Column("period_start", sa.Date, primary_key=True),
    sa.Column("leased", sa.BigInteger, nullable=False),
    sa.Column("amount", sa.BigInteger, nullable=False),
    info=UPSERT,
)
CAP_USES = sa.Table(
    "cap_uses",
    METADATA,
    _partition(),
    sa.Column("member_id", sa.Uuid, primary_key=True),
    sa.Column("rule", sa.Text, primary_key=True),
    sa.Column("period_start", sa.Date, primary_key=True),
    sa.Column("used", sa.BigInteger, nullable=False),
    info=UPSERT,
)
# What was proved up to a position: each seal hashes the one before it, which has no other successor.
SEALS = sa.Table(
    "seals",
    METADATA,
    _partition(),
    sa.Column("position", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("previous_position", sa.BigInteger, nullable=False),
    sa.Column("chain_hash", sa.LargeBinary, nullable=False),
    sa.Column("entries", sa.BigInteger, nullable=False),
    sa.Column("entries_digest", sa.LargeBinary, nullable=False),
    sa.Column("state_digest", sa.LargeBinary, nullable=False),
    sa.Column("sealed_at", _TIME, nullable=False),
    sa.Column("seal_hash", sa.LargeBinary, nullable=False),
    # Whether the journal up to the position was archived and is no longer in the database.
    sa.Column("archived", sa.Boolean, nullable=False),
    sa.Index("seals_successor", "partition", "previous_position", unique=True),
)
# The state at the newest seal of a partition, from which a proof goes on (seals/state.py).
SEAL_PARTS = sa.Table(
    "seal_parts",
    METADATA,
    _partition(),
    sa.Column("position", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("ordinal", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("payload", sa.LargeBinary, nullable=False),
)
