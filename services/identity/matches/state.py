"""Matches as a batch loads and changes them."""

from collections.abc import Callable, Iterable
from typing import Any
from uuid import UUID

from services.identity.matches.values import Match

Change = Callable[[int, str, Any, tuple[Any, ...]], None]
"""Takes a row that is new or changed: its partition, its table, its key there, and what it is."""
PartitionOf = Callable[[int], int]
"""The partition of an owner, by the number of its ID."""


class MatchState:
    """The matches of the members that the commands of a batch concern."""

    def __init__(self, change: Change) -> None:
        self._change = change
        self._matches: dict[UUID, Match] = {}

    def fill(self, matches: Iterable[Match]) -> None:
        """Take over matches that were read."""
        self._matches |= {match.match_id: match for match in matches}

    def is_known(self, identifiers: frozenset[UUID]) -> bool:
        """Whether two identifiers were found to match before, whatever became of it."""
        return any(match.identifiers == identifiers for match in self._matches.values())

    def put(self, match: Match, partition_of: PartitionOf) -> None:
        """A match is new or changed; both members have it."""
        self._matches[match.match_id] = match
        for owner_id in (match.member_id, match.other_id):
            row = (owner_id, *match[:-2], int(match.status), match.created_at)
            self._change(partition_of(owner_id.int), "matches", (owner_id, match.match_id), row)
