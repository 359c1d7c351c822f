"""What identity knows of matches, as plain values."""

from datetime import datetime
from enum import IntEnum
from typing import NamedTuple
from uuid import UUID

MATCH = "match"
"""The prefix of matches' IDs, which route like those of the members who met another one."""
PROOF_SCORE = 100
"""The score of a match by a proof that both have verified: certain."""


class MatchStatus(IntEnum):
    """What became of a match."""

    OPEN = 1
    MERGED = 2
    REFUSED = 3
    LINKED = 4


class Match(NamedTuple):
    """Two members who hold the same value, verified. Each of the two has the row."""

    match_id: UUID
    member_id: UUID
    """Who met the other one: the one that verified it last."""
    other_id: UUID
    type: str
    """The type of identifier in which they met."""
    identifier_id: UUID
    other_identifier_id: UUID
    score: int
    """0 to 100."""
    status: MatchStatus
    created_at: datetime

    @property
    def identifiers(self) -> frozenset[UUID]:
        """What speaks for it, whoever verified it last."""
        return frozenset({self.identifier_id, self.other_identifier_id})
