"""What identity knows of matches, as plain values."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum, StrEnum
from typing import NamedTuple
from uuid import UUID

from services.identity.identifiers.values import Strength

MATCH = "match"
"""The prefix of matches' IDs, which route like those of the members who met another one."""
FULL_SCORE = 100
"""Of a match that is certain."""
MAX_HOLDERS = 20
"""A value that more members hold says nothing about any of them: a kiosk, or a type that is mistaken."""


class MatchStatus(IntEnum):
    """What became of a match; the numbers are those of the contract."""

    OPEN = 1
    MERGED = 2
    REFUSED = 3
    LINKED = 4
    MERGING = 5
    LAPSED = 6


class Action(IntEnum):
    """What a policy makes of two members, from the least to the most."""

    NOTHING = 0
    LINK = 1
    REVIEW = 2
    MERGE = 3


STATUS_OF = {
    Action.NOTHING: MatchStatus.LAPSED,
    Action.LINK: MatchStatus.LINKED,
    Action.REVIEW: MatchStatus.OPEN,
    Action.MERGE: MatchStatus.MERGING,
}


@dataclass(frozen=True, slots=True)
class MatchPolicy:
    """From which score on two members are merged, reviewed, or linked as of one household; None means never."""

    code: str
    weights: Mapping[tuple[str, Strength], int]
    """What a shared value gives, by its type and how much it says at the weaker of the two."""
    merge_from: int | None
    review_from: int | None
    link_from: int | None


class Evidence(NamedTuple):
    """A value that two members share."""

    type: str
    identifier_id: UUID
    other_identifier_id: UUID
    strength: Strength
    """As much as the weaker of the two identifiers says."""
    is_verified: bool
    """Whether both are verified."""
    weight: int = 0
    """What the policy gives for it."""

    @property
    def known_by(self) -> tuple[frozenset[UUID], Strength]:
        """What makes it the same evidence, whoever of the two comes first."""
        return frozenset({self.identifier_id, self.other_identifier_id}), self.strength


class Outcome(NamedTuple):
    """What a policy makes of two members."""

    action: Action
    score: int
    """0 to 100."""
    policy: str
    evidence: tuple[Evidence, ...]
    """With what the policy gives for each, the most first."""
    reason: str


class MatchReason(StrEnum):
    """Why a match is as it is, beside the reasons and blockers for which merges are not done."""

    SCORE = "SCORE"
    NO_POLICY = "NO_POLICY"
    REAL_NAMES_DIFFER = "REAL_NAMES_DIFFER"
    DECIDED_BEFORE = "DECIDED_BEFORE"
    DECIDED = "DECIDED"
    UNMERGED = "UNMERGED"
    SUPERSEDED = "SUPERSEDED"
    MEMBER_SUSPENDED = "MEMBER_SUSPENDED"
    MEMBER_ERASED = "MEMBER_ERASED"


class Match(NamedTuple):
    """Two members who share values. Each of the two has the row."""

    match_id: UUID
    member_id: UUID
    """Who met the other one."""
    other_id: UUID
    score: int
    """0 to 100."""
    status: MatchStatus
    reason: str
    policy: str
    config_version: int
    evidence: tuple[Evidence, ...]
    created_at: datetime
    changed_at: datetime
    decided_at: datetime | None = None
    """When it was last decided, by somebody or by being merged. It may be open again on new evidence."""
    decided_by: str = ""
    cause: str = ""
    merge_id: UUID | None = None

    @property
    def is_settled(self) -> bool:
        """Whether it is as it was decided: nothing but new evidence changes it."""
        is_link = self.status is MatchStatus.LINKED and self.reason == MatchReason.DECIDED
        return is_link or self.status in (MatchStatus.MERGED, MatchStatus.REFUSED)
