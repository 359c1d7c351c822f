"""What identity knows of merges, as plain values."""

from datetime import datetime
from typing import NamedTuple
from uuid import UUID

MERGE = "merge"
"""The prefix of merges' IDs, which route like those of their survivors."""
UNMERGE = "unmerge"
"""The prefix of unmerges' IDs, which route like those of their merges."""


class Absorbed(NamedTuple):
    """A member whose ID led to one that was merged then, and the merge by which it did."""

    member_id: UUID
    merge_id: UUID


class MovedSeat(NamedTuple):
    """A seat that ended, and the one of the survivor that was given for it."""

    ended: UUID
    given: UUID


class Merge(NamedTuple):
    """One member was merged into another. Each of the two has the row."""

    merge_id: UUID
    survivor_id: UUID
    merged_id: UUID
    cause: str
    merged_by: str
    """The caller."""
    merged_at: datetime
    account_ids: frozenset[UUID]
    """The accounts that came along."""
    absorbed: tuple[Absorbed, ...]
    """The members that had been merged into the merged one before, and so came along, too."""
    seats: tuple[MovedSeat, ...]
    undone_at: datetime | None
    """When the last of what came along was given back."""


class Unmerge(NamedTuple):
    """Some of what came along by a merge was given back, or all that was left of it."""

    unmerge_id: UUID
    merge_id: UUID
    holder_id: UUID
    """Who had it until then: the survivor, or who that was merged into."""
    member_id: UUID
    account_ids: frozenset[UUID]
    whole: bool
    cause: str
    unmerged_by: str
    """The caller."""
    unmerged_at: datetime
