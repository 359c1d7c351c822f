"""What benefits there are: their documents, compiled and ready to be decided on."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from zoneinfo import ZoneInfo

from services.benefits.eligibility import Eligibility


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
    once_per_person: bool | None = None
    """Whether of entitlements that two members have who are merged only one stays; None: of gifts for life."""

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

    def asks_for_enrolment(self, code: str) -> bool:
        """Whether the condition of a benefit looks at when a member was enrolled."""
        benefit = self.benefits.get(code)
        return benefit is not None and benefit.eligibility is not None and benefit.eligibility.asks_for_enrolment
