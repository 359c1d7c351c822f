"""What benefits hears from the others."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from services.benefits.merges.values import ErasureHeard, MergeHeard, UnmergeHeard


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


Told = (
    MemberEnrolled
    | StatusChanged
    | AccountLinked
    | AccountUnlinked
    | StandingChanged
    | MergeHeard
    | UnmergeHeard
    | ErasureHeard
)
