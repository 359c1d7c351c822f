"""Merges as a batch loads and changes them."""

from collections.abc import Callable, Iterable
from typing import Any
from uuid import UUID

from services.chassis import ids
from services.identity.merges.values import Merge, Unmerge

Change = Callable[[int, str, Any, tuple[Any, ...]], None]
"""Takes a row that is new or changed: its partition, its table, its key there, and what it is."""
PartitionOf = Callable[[int], int]
"""The partition of an owner, by the number of its ID."""

_LISTS = Merge._fields.index("account_ids")
"""Where the lists of IDs begin, which rows keep as texts."""


class MergeState:
    """The merges that the commands of a batch concern, and what became of them."""

    def __init__(self, change: Change) -> None:
        self._change = change
        self._merges: dict[UUID, Merge] = {}

    def fill(self, merges: Iterable[Merge]) -> None:
        """Take over merges that were read."""
        self._merges |= {merge.merge_id: merge for merge in merges}

    def merge(self, merge_id: UUID) -> Merge | None:
        """A merge, if there is one of this ID."""
        return self._merges.get(merge_id)

    def put_merge(self, merge: Merge, partition_of: PartitionOf) -> None:
        """A merge is new, or undone."""
        self._merges[merge.merge_id] = merge
        row = (
            *merge[:_LISTS],
            ids.joined(sorted(merge.account_ids)),
            ids.joined(each for pair in merge.absorbed for each in pair),
            ids.joined(each for pair in merge.seats for each in pair),
            merge.undone_at,
        )
        for owner_id in (merge.survivor_id, merge.merged_id):
            self._change(partition_of(owner_id.int), "merges", (owner_id, merge.merge_id), (owner_id, *row))

    def put_unmerge(self, unmerge: Unmerge, merge: Merge, partition_of: PartitionOf) -> None:
        """An unmerge is new; both members of its merge have it."""
        place = Unmerge._fields.index("account_ids")
        row = (*unmerge[:place], ids.joined(sorted(unmerge.account_ids)), *unmerge[place + 1 :])
        for owner_id in (merge.survivor_id, merge.merged_id):
            self._change(partition_of(owner_id.int), "unmerges", (owner_id, unmerge.unmerge_id), (owner_id, *row))
