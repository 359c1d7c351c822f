"""The plain values that benefits decides on. Rows are tuples in the order of their table's columns after the first."""

from dataclasses import dataclass
from datetime import date, datetime
from enum import IntEnum
from typing import NamedTuple
from uuid import UUID

from services.benefits.config import Benefit
from services.chassis import ids

LEVEL_UP = "level-up"
MONTHLY = "monthly"
LIST = "list"
"""Why an entitlement was issued."""


class MemberStatus(IntEnum):
    """The numbers of `tessera.identity.v1.MemberStatus`, and of our own: 0 is a member of whom only tiers has told."""

    UNHEARD = 0
    ACTIVE = 1
    SUSPENDED = 2
    CLOSED = 3
    MERGED = 4
    ERASED = 5


class EntitlementState(IntEnum):
    """The numbers of `tessera.benefits.v1.EntitlementState`, and MOVED: another partition has it, with its member."""

    GRANTED = 1
    REDEEMED = 2
    EXPIRED = 3
    REVOKED = 4
    MOVED = 99


class Member(NamedTuple):
    """A member as told by identity and tiers. `standing` and `upcoming`: see standings.py.

    `leads_to` is whom its ID means since it was merged, `merged` the IDs that lead to it, joined.
    """

    member_id: UUID
    status: int
    enrolled_at: datetime | None
    standing: str
    upcoming: str | None
    leads_to: UUID | None = None
    merged: bytes | None = None

    def merged_ids(self) -> list[UUID]:
        """The IDs that lead to it."""
        return ids.split(self.merged or b"")


class Account(NamedTuple):
    """A member's account in a domain."""

    account_id: UUID
    member_id: UUID
    domain: str
    linked: bool


class Interval(NamedTuple):
    """A member stands on a level of a ladder in [effective_from, ends_at); empty when it was taken back."""

    member_id: UUID
    ladder: str
    effective_from: datetime
    ends_at: datetime | None
    level: str
    rank: int
    highest_rank: int


class Entitlement(NamedTuple):
    """A member's right to use a benefit in [valid_from, valid_until). `uses_left` None is without limit.

    `origin_id` is the member to whom it was issued, where that is another one that was merged.
    """

    entitlement_id: UUID
    member_id: UUID
    benefit: str
    state: int
    valid_from: datetime
    valid_until: datetime | None
    uses_left: int | None
    issued_at: datetime
    cause: str
    reference: str
    config_version: int
    origin_id: UUID | None = None


class Right(NamedTuple):
    """An entitlement that is not over, as far as it matters to who would use it. `begins_at` None: it has begun."""

    entitlement_id: UUID
    uses_left: int | None
    begins_at: datetime | None


class Redemption(NamedTuple):
    """One use of a benefit: of an entitlement, or of the quota of the period that begins on `period_start`."""

    redemption_id: UUID
    fingerprint: bytes
    member_id: UUID
    benefit: str
    domain: str
    account_id: UUID | None
    reference: str
    entitlement_id: UUID | None
    period_start: date | None
    uses_left: int | None
    redeemed_at: datetime
    position: int
    config_version: int
    reversed_at: datetime | None


class QuotaUse(NamedTuple):
    """What a member used of a quota in the period it used last.

    `sources`, JSON: how much of it came through accounts, or members that were merged, by their ID; None for nothing.
    """

    member_id: UUID
    benefit: str
    period_start: date
    used: int
    sources: str | None = None


class Counts(NamedTuple):
    """How many of each there are, of one benefit in one partition."""

    benefit: str
    issued: int = 0
    redeemed: int = 0
    reversed: int = 0
    expired: int = 0


@dataclass(frozen=True, slots=True)
class Grant:
    """A benefit that falls to a member, and why. Nobody gets a benefit twice for the same cause and reference."""

    benefit: Benefit
    cause: str
    reference: str
