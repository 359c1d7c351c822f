"""The plain values that benefits decides on. Rows are tuples in the order of their table's columns after the first."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from enum import IntEnum
from typing import Literal, NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfo

from services.benefits.eligibility import Eligibility

LEVEL_UP = "level-up"
MONTHLY = "monthly"
LIST = "list"
"""Why an entitlement was issued."""


class MemberStatus(IntEnum):
    """The numbers of `tessera.identity.v1.MemberStatus`; 0 is a member of whom only tiers has told."""

    UNHEARD = 0
    ACTIVE = 1
    SUSPENDED = 2
    CLOSED = 3


class EntitlementState(IntEnum):
    """The numbers of `tessera.benefits.v1.EntitlementState`."""

    GRANTED = 1
    REDEEMED = 2
    EXPIRED = 3
    REVOKED = 4


class Member(NamedTuple):
    """A member as told by identity and tiers. `standing` and `upcoming`: see standings.py."""

    member_id: UUID
    status: int
    enrolled_at: datetime | None
    standing: str
    upcoming: str | None
    is_linked: bool = False
    """Whether it was ever merged, or somebody into it."""


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
    """A member's right to use a benefit in [valid_from, valid_until). `uses_left` None is without limit."""

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
    revoked_by: UUID | None = None
    """The merge that took it, because the person had it twice."""


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
    """What a member used of a quota in the period it used last."""

    member_id: UUID
    benefit: str
    period_start: date
    used: int


class Counts(NamedTuple):
    """How many of each there are, of one benefit in one partition."""

    benefit: str
    issued: int = 0
    redeemed: int = 0
    reversed: int = 0
    expired: int = 0


@dataclass(frozen=True, slots=True)
class MemberEnrolled:
    """Identity told: a member was enrolled."""

    member_id: UUID
    enrolled_at: datetime


@dataclass(frozen=True, slots=True)
class StatusChanged:
    """Identity told: a member's status changed."""

    member_id: UUID
    status: int


@dataclass(frozen=True, slots=True)
class AccountLinked:
    """Identity told: an account belongs to a member."""

    account_id: UUID
    member_id: UUID
    domain: str


@dataclass(frozen=True, slots=True)
class AccountUnlinked:
    """Identity told: an account belongs to its member no more."""

    account_id: UUID
    member_id: UUID


@dataclass(frozen=True, slots=True)
class StandingChanged:
    """Tiers told: a member stands on a level from an instant on; what was known of the time from then on is void."""

    member_id: UUID
    ladder: str
    level: str
    rank: int
    effective_from: datetime


@dataclass(frozen=True, slots=True)
class Merged:
    """Identity told: a member was merged into another, and with it those that had been merged into it before."""

    merge_id: UUID
    survivor_id: UUID
    merged_ids: tuple[UUID, ...]
    """The merged one first."""
    accounts: tuple[tuple[UUID, str], ...]
    """What came along: accounts and their domains."""


@dataclass(frozen=True, slots=True)
class Unmerged:
    """Identity told: a member takes back what came through some accounts, or (`whole`) all that it had brought."""

    merge_id: UUID
    holder_id: UUID
    member_id: UUID
    absorbed_ids: tuple[UUID, ...]
    """Members that had been merged into it; with `whole` they are so again."""
    accounts: tuple[tuple[UUID, str], ...]
    whole: bool


Told = MemberEnrolled | StatusChanged | AccountLinked | AccountUnlinked | StandingChanged | Merged | Unmerged


@dataclass(frozen=True, slots=True)
class LevelUp:
    """Issued when a member rises on a ladder.

    Every rise to one of `levels` brings one; or each of them does once in a member's life, where rising over several at
    once brings all of them or the topmost alone.
    """

    ladder: str
    levels: frozenset[str]
    gifts: Literal["every-rise", "all-crossed", "top-only"]
    ranks: tuple[str, ...]
    """All levels of the ladder, by rank."""


@dataclass(frozen=True, slots=True)
class Monthly:
    """Issued at the start of each natural month."""


@dataclass(frozen=True, slots=True)
class Listed:
    """Issued to whoever is named."""


Way = LevelUp | Monthly | Listed

AtMerge = Literal["keep-all", "one-of-each", "one"]
"""Which entitlements stay when members are merged who have some: all; one of each cause and reference; one."""


@dataclass(frozen=True, slots=True)
class Lifetime:
    """How long an entitlement is valid.

    From its issue for so many hours (absolute) or civil days, months or years; or through the end of the month of its
    issue; or between fixed instants; or without end.
    """

    hours: int = 0
    days: int = 0
    months: int = 0
    through_month: bool = False
    starts_at: datetime | None = None
    ends_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Quota:
    """So many uses in each civil period: day, week, month, year, or once and for all."""

    uses: int
    period: str


@dataclass(frozen=True, slots=True)
class Benefit:
    """A benefit, ready to be decided on: offered in [offered_from, offered_until), used in `domains` (none: all).

    Of a coupon members have entitlements, each good for `uses` (None: without limit); a quota is counted.
    """

    code: str
    zone: ZoneInfo
    domains: frozenset[str]
    eligibility: Eligibility | None
    judged_at_use: bool
    offered_from: datetime | None
    offered_until: datetime | None
    ways: tuple[Way, ...]
    lifetime: Lifetime
    uses: int | None
    quota: Quota | None
    at_merge: AtMerge = "keep-all"

    @property
    def is_listed(self) -> bool:
        """Whether it can be issued to whoever is named."""
        return any(isinstance(way, Listed) for way in self.ways)

    @property
    def is_monthly(self) -> bool:
        """Whether it is issued each month."""
        return any(isinstance(way, Monthly) for way in self.ways)


@dataclass(frozen=True, slots=True)
class BenefitsConfig:
    """Everything configured, at one version."""

    benefits: Mapping[str, Benefit]
    level_ups: Mapping[str, tuple[tuple[Benefit, LevelUp], ...]]
    """By ladder."""
    monthly: tuple[Benefit, ...]
    zones: tuple[ZoneInfo, ...]
    """The zones of all programmes that have benefits."""
    once: tuple[Benefit, ...] = ()
    """Of which not all entitlements stay at a merge."""

    def asks_for_enrolment(self, code: str) -> bool:
        """Whether the condition of a benefit looks at when a member was enrolled."""
        benefit = self.benefits.get(code)
        return benefit is not None and benefit.eligibility is not None and benefit.eligibility.asks_for_enrolment


@dataclass(frozen=True, slots=True)
class Grant:
    """A benefit that falls to a member, and why. Nobody gets a benefit twice for the same cause and reference."""

    benefit: Benefit
    cause: str
    reference: str
