"""Matches as a batch loads and changes them."""

from collections.abc import Callable, Collection, Iterable
from typing import Any
from uuid import UUID

from services.identity.matches.queries import text_of
from services.identity.matches.values import Match, MatchStatus

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

    def match(self, match_id: UUID) -> Match | None:
        """A match, if one of this ID was read."""
        return self._matches.get(match_id)

    def between(self, ones: Collection[UUID], others: Collection[UUID]) -> list[Match]:
        """The matches in which one of some members met one of some others."""
        return [
            match
            for match in self._matches.values()
            if (match.member_id in ones and match.other_id in others)
            or (match.member_id in others and match.other_id in ones)
        ]

    def waiting(self, member_ids: Collection[UUID]) -> list[Match]:
        """The matches of members on which nobody has decided, and that have not lapsed."""
        mine = (one for one in self._matches.values() if one.member_id in member_ids or one.other_id in member_ids)
        return [match for match in mine if not match.is_settled and match.status is not MatchStatus.LAPSED]

    def put(self, match: Match, partition_of: PartitionOf) -> None:
        """A match is new or changed; both members have it."""
        self._matches[match.match_id] = match
        row = match._replace(status=int(match.status), evidence=text_of(match.evidence))  # type: ignore[arg-type]  # as rows keep them
        for owner_id in (match.member_id, match.other_id):
            self._change(partition_of(owner_id.int), "matches", (owner_id, match.match_id), (owner_id, *row))
