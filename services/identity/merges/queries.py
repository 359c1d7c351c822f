"""Every statement on merges. Each is a row twice, its survivor's and the merged member's: `owner_id` is whose it is."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import asyncpg

from services.chassis import ids
from services.identity.merges.values import Absorbed, Merge, MovedSeat, Unmerge

_MERGE = """merge_id, survivor_id, merged_id, cause, merged_by, merged_at, account_ids, absorbed, seats, undone_at"""
_UNMERGE = """unmerge_id, merge_id, holder_id, member_id, account_ids, whole, cause, unmerged_by, unmerged_at"""
_LOAD_MERGES = f"""
    SELECT {_MERGE}
    FROM merges
    WHERE partition = $1
      AND merge_id = ANY($2)
"""
_PAGE_OF_MERGES = f"""
    SELECT {_MERGE}
    FROM merges
    WHERE partition = $1
      AND owner_id = $2
      AND merge_id > $3
    ORDER BY merge_id
    LIMIT $4
"""
_UNMERGES = f"""
    SELECT {_UNMERGE}
    FROM unmerges
    WHERE partition = $1
      AND owner_id = $2
      AND merge_id = ANY($3)
    ORDER BY unmerged_at, unmerge_id
"""

Reader = asyncpg.Connection | asyncpg.Pool


async def load_merges(reader: Reader, partition: int, merge_ids: Sequence[UUID]) -> list[Merge]:
    """Merges whose survivors live in a partition; one that never was is missing."""
    return [_merge(row) for row in await reader.fetch(_LOAD_MERGES, partition, merge_ids)]


async def page_of_merges(reader: Reader, partition: int, member_id: UUID, after: UUID, limit: int) -> list[Merge]:
    """At most `limit` merges in which a member was survivor or merged, after an ID, by ID."""
    return [_merge(row) for row in await reader.fetch(_PAGE_OF_MERGES, partition, member_id, after, limit)]


async def unmerges_of(reader: Reader, partition: int, member_id: UUID, merge_ids: Sequence[UUID]) -> list[Unmerge]:
    """What was given back of merges that a member has, by time."""
    return [_unmerge(row) for row in await reader.fetch(_UNMERGES, partition, member_id, merge_ids)]


def _merge(row: Any) -> Merge:
    merge = Merge(*row)
    return merge._replace(
        account_ids=frozenset(ids.split(row["account_ids"])),
        absorbed=tuple(Absorbed(*pair) for pair in _pairs(row["absorbed"])),
        seats=tuple(MovedSeat(*pair) for pair in _pairs(row["seats"])),
    )


def _unmerge(row: Any) -> Unmerge:
    return Unmerge(*row)._replace(account_ids=frozenset(ids.split(row["account_ids"])))


def _pairs(raw: bytes) -> list[tuple[UUID, UUID]]:
    each = iter(ids.split(raw))
    return list(zip(each, each, strict=True))
