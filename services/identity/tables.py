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
    # The member's own key, wrapped by a version of the master keys; what is sealed below is sealed under it. 0 and
    # nothing for who was erased.
    sa.Column("key_version", sa.SmallInteger, nullable=False, server_default="1"),
    sa.Column("data_key", sa.LargeBinary, nullable=False),
    sa.Column("attributes", sa.LargeBinary, nullable=False),
    # Whom the ID leads to and by which merge; null while it leads to itself.
    sa.Column("survivor_id", sa.Uuid),
    sa.Column("merge_id", sa.Uuid),
    # The IDs of other members, 16 bytes each, in whose partitions accounts are kept that this one may hold.
    sa.Column("homes", sa.LargeBinary, nullable=False),
    sa.Index("members_by_status", "partition", "status", "member_id"),
    sa.Index("members_by_key", "partition", "key_version", postgresql_where=sa.text("key_version > 0")),
    sa.Index("members_merged", "partition", "survivor_id", postgresql_where=sa.text("survivor_id IS NOT NULL")),
    info=UPSERT,
)
# Which accounts a member has and had. An account that was unlinked keeps its row; linked again, it is a new account.
# The row stays with the member that it was linked to, whose key seals it; after a merge another one holds it.
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
    sa.Column("holder_id", sa.Uuid, nullable=False),
    sa.Index("accounts_of_holder", "partition", "holder_id"),
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
# What a group is. It lives in the partition of its own ID, which is that of the member who founded it.
GROUPS = sa.Table(
    "groups",
    METADATA,
    _partition(),
    sa.Column("group_id", sa.Uuid, primary_key=True),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("owner_id", sa.Uuid, nullable=False),
    sa.Column("status", sa.SmallInteger, nullable=False),
    sa.Column("shares", sa.Text, nullable=False),
    sa.Column("same_attribute", sa.Text, nullable=False),
    sa.Column("same_identifier", sa.Text, nullable=False),
    sa.Column("common_index", sa.LargeBinary, nullable=False),
    sa.Column("created_at", _TIME, nullable=False),
    sa.Column("dissolved_at", _TIME),
    info=UPSERT,
)
# Who is and was in which group: each seat twice, as its group's (owner_id) in that partition, and as its member's.
SEATS = sa.Table(
    "seats",
    METADATA,
    _partition(),
    sa.Column("owner_id", sa.Uuid, primary_key=True),
    sa.Column("seat_id", sa.Uuid, primary_key=True),
    sa.Column("group_id", sa.Uuid, nullable=False),
    sa.Column("member_id", sa.Uuid, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("role", sa.Text, nullable=False),
    sa.Column("label", sa.Text, nullable=False),
    sa.Column("cost_centre", sa.Text, nullable=False),
    sa.Column("joined_at", _TIME, nullable=False),
    sa.Column("role_since", _TIME, nullable=False),
    sa.Column("left_at", _TIME),
    sa.Index("seats_taken", "partition", "owner_id", "seat_id", postgresql_where=sa.text("left_at IS NULL")),
    info=UPSERT,
)
# What persons have decided on the data of a domain for a purpose: every decision, of which the last one holds.
CONSENTS = sa.Table(
    "consents",
    METADATA,
    _partition(),
    sa.Column("member_id", sa.Uuid, primary_key=True),
    sa.Column("domain", sa.Text, primary_key=True),
    sa.Column("purpose", sa.Text, primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("granted", sa.Boolean, nullable=False),
    sa.Column("evidence", sa.Text, nullable=False),
    sa.Column("through_domain", sa.Text, nullable=False),
    sa.Column("caller", sa.Text, nullable=False),
    sa.Column("decided_at", _TIME, nullable=False),
)
# What programmes remember of members that were erased: of each account a keyed and salted hash, and until when.
PERSON_KEYS = sa.Table(
    "person_keys",
    METADATA,
    _partition(),
    sa.Column("person_key", sa.LargeBinary, primary_key=True),
    sa.Column("kept_until", _TIME, nullable=False),
    sa.Index("person_keys_over", "partition", "kept_until"),
    info=UPSERT,
)
# Who was asked to join which group: each invitation twice, like seats.
INVITATIONS = sa.Table(
    "invitations",
    METADATA,
    _partition(),
    sa.Column("owner_id", sa.Uuid, primary_key=True),
    sa.Column("invitation_id", sa.Uuid, primary_key=True),
    sa.Column("group_id", sa.Uuid, nullable=False),
    sa.Column("member_id", sa.Uuid, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("role", sa.Text, nullable=False),
    sa.Column("label", sa.Text, nullable=False),
    sa.Column("cost_centre", sa.Text, nullable=False),
    sa.Column("invited_by", sa.Uuid),
    sa.Column("status", sa.SmallInteger, nullable=False),
    sa.Column("created_at", _TIME, nullable=False),
    sa.Column("expires_at", _TIME, nullable=False),
    sa.Column("closed_at", _TIME),
    sa.Index("invitations_by_id", "partition", "invitation_id"),
    sa.Index("invitations_open", "partition", "owner_id", "invitation_id", postgresql_where=sa.text("status = 1")),
    # Its end is booked from the group's half.
    sa.Index(
        "invitations_due", "partition", "expires_at", postgresql_where=sa.text("status = 1 AND owner_id = group_id")
    ),
    info=UPSERT,
)
# Which members were merged: each merge once by its survivor and once by the member that was merged (owner_id). Lists of
# IDs stand as 16 bytes each.
MERGES = sa.Table(
    "merges",
    METADATA,
    _partition(),
    sa.Column("owner_id", sa.Uuid, primary_key=True),
    sa.Column("merge_id", sa.Uuid, primary_key=True),
    sa.Column("survivor_id", sa.Uuid, nullable=False),
    sa.Column("merged_id", sa.Uuid, nullable=False),
    sa.Column("cause", sa.Text, nullable=False),
    sa.Column("merged_by", sa.Text, nullable=False),
    sa.Column("merged_at", _TIME, nullable=False),
    sa.Column("account_ids", sa.LargeBinary, nullable=False),
    # The members that had been merged into the merged one, and by which merge: pairs.
    sa.Column("absorbed", sa.LargeBinary, nullable=False),
    # The seats that came along: pairs of what ended and what was given for it.
    sa.Column("seats", sa.LargeBinary, nullable=False),
    sa.Column("undone_at", _TIME),
    sa.Index("merges_by_id", "partition", "merge_id"),
    info=UPSERT,
)
# What was given back of merges: each unmerge once by the survivor of its merge and once by the member merged then.
UNMERGES = sa.Table(
    "unmerges",
    METADATA,
    _partition(),
    sa.Column("owner_id", sa.Uuid, primary_key=True),
    sa.Column("unmerge_id", sa.Uuid, primary_key=True),
    sa.Column("merge_id", sa.Uuid, nullable=False),
    sa.Column("holder_id", sa.Uuid, nullable=False),
    sa.Column("member_id", sa.Uuid, nullable=False),
    sa.Column("account_ids", sa.LargeBinary, nullable=False),
    sa.Column("whole", sa.Boolean, nullable=False),
    sa.Column("cause", sa.Text, nullable=False),
    sa.Column("unmerged_by", sa.Text, nullable=False),
    sa.Column("unmerged_at", _TIME, nullable=False),
    sa.Index("unmerges_of_merge", "partition", "owner_id", "merge_id"),
)
# What members are known by beside accounts. The row stays with the member that it was added to, whose key seals it. A
# value is one row of a member, whatever is done to it; one that was removed keeps no value.
IDENTIFIERS = sa.Table(
    "identifiers",
    METADATA,
    _partition(),
    sa.Column("identifier_id", sa.Uuid, primary_key=True),
    sa.Column("member_id", sa.Uuid, nullable=False),
    sa.Column("type", sa.Text, nullable=False),
    # The version of the keys under which the blind index was made.
    sa.Column("key_version", sa.SmallInteger, nullable=False),
    sa.Column("blind_index", sa.LargeBinary, nullable=False),
    sa.Column("value", sa.LargeBinary, nullable=False),
    sa.Column("is_demoted", sa.Boolean, nullable=False),
    sa.Column("verified_at", _TIME),
    sa.Column("first_seen_at", _TIME, nullable=False),
    sa.Column("last_seen_at", _TIME, nullable=False),
    sa.Column("removed_at", _TIME),
    # The conditions hold for all rows: no look-up by something else takes these for its own while the table is young.
    sa.Index("identifiers_of_member", "partition", "member_id", postgresql_where=sa.text("member_id IS NOT NULL")),
    sa.Index("identifiers_by_key", "partition", "key_version", postgresql_where=sa.text("key_version > 0")),
    info=UPSERT,
)
# Who holds a value. Its partition follows from the blind index, like that of a route; the rest follows from the
# identifier, and is written with it.
IDENTIFIER_HOLDERS = sa.Table(
    "identifier_holders",
    METADATA,
    _partition(),
    sa.Column("blind_index", sa.LargeBinary, primary_key=True),
    sa.Column("identifier_id", sa.Uuid, primary_key=True),
    sa.Column("member_id", sa.Uuid, nullable=False),
    sa.Column("type", sa.Text, nullable=False),
    sa.Column("is_demoted", sa.Boolean, nullable=False),
    sa.Column("verified_at", _TIME),
    sa.Column("removed_at", _TIME),
    sa.Index("identifier_holders_removed", "partition", postgresql_where=sa.text("removed_at IS NOT NULL")),
    info=UPSERT,
)
# Who looked for the holder of an identifier of a type, and whom it led to; null when nobody was found.
LOOKUPS = sa.Table(
    "lookups",
    METADATA,
    _partition(),
    sa.Column("lookup_id", sa.Uuid, primary_key=True),
    sa.Column("caller", sa.Text, nullable=False),
    sa.Column("type", sa.Text, nullable=False),
    sa.Column("member_id", sa.Uuid),
    sa.Column("looked_up_at", _TIME, nullable=False),
    sa.Index(
        "lookups_of_member", "partition", "member_id", "lookup_id", postgresql_where=sa.text("member_id IS NOT NULL")
    ),
)
# Members who may be one person: each match once for each of the two (owner_id). Evidence is a JSON text: of each shared
# value the type, the two identifiers, strength, whether both are verified, and weight.
MATCHES = sa.Table(
    "matches",
    METADATA,
    _partition(),
    sa.Column("owner_id", sa.Uuid, primary_key=True),
    sa.Column("match_id", sa.Uuid, primary_key=True),
    sa.Column("member_id", sa.Uuid, nullable=False),
    sa.Column("other_id", sa.Uuid, nullable=False),
    sa.Column("score", sa.SmallInteger, nullable=False),
    sa.Column("status", sa.SmallInteger, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("policy", sa.Text, nullable=False),
    sa.Column("config_version", sa.Integer, nullable=False),
    sa.Column("evidence", sa.Text, nullable=False),
    sa.Column("created_at", _TIME, nullable=False),
    sa.Column("changed_at", _TIME, nullable=False),
    sa.Column("decided_at", _TIME),
    sa.Column("decided_by", sa.Text, nullable=False),
    sa.Column("cause", sa.Text, nullable=False),
    sa.Column("merge_id", sa.Uuid),
    # Of each match the row of who met the other one.
    sa.Index("matches_in_order", "partition", "match_id", postgresql_where=sa.text("owner_id = member_id")),
    sa.Index("matches_by_status", "partition", "status", "match_id", postgresql_where=sa.text("owner_id = member_id")),
    info=UPSERT,
)
