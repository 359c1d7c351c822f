"""Every SQL statement with which it is read whom IDs lead to, and what members have in all."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any
from uuid import UUID

import asyncpg

from services.benefits.merges.values import Link
from services.benefits.queries import ENTITLEMENT_COLUMNS, REDEMPTION_COLUMNS
from services.benefits.state import State
from services.benefits.values import Entitlement, QuotaUse, Redemption
from services.chassis import ids
from services.chassis.database import Connection
from services.chassis.partitions import partition_of
from services.chassis.reading import Reading

Person = tuple[UUID, ...]
"""The member that IDs lead to, and those whose IDs lead there, too."""

_LINKS = """
    SELECT member_id, leads_to, merged, gone
    FROM links
    WHERE partition = $1
      AND member_id = ANY($2::uuid[])
"""
_ENTITLEMENTS = f"""
    SELECT found.*
    FROM unnest($2::uuid[]) AS wanted (member_id)
    CROSS JOIN LATERAL (
        SELECT {ENTITLEMENT_COLUMNS}
        FROM entitlements AS e
        WHERE e.partition = $1
          AND e.member_id = wanted.member_id
        OFFSET 0
    ) AS found
"""
_QUOTA_USES = """
    SELECT member_id, benefit, period_start, used
    FROM quota_uses
    WHERE partition = $1
      AND member_id = ANY($2::uuid[])
"""
# What was used of quotas in the periods that are still kept.
_QUOTA_REDEMPTIONS = f"""
    SELECT {REDEMPTION_COLUMNS}
    FROM redemptions
    WHERE partition = $1
      AND member_id = ANY($2::uuid[])
      AND entitlement_id IS NULL
      AND reversed_at IS NULL
"""
_FIND_LINKS = """
    SELECT found.*
    FROM unnest($1::int[], $2::uuid[]) AS wanted (partition, member_id)
    CROSS JOIN LATERAL (
        SELECT member_id, leads_to, merged, gone
        FROM links
        WHERE partition = wanted.partition
          AND member_id = wanted.member_id
        OFFSET 0
    ) AS found
"""


def read_links(reading: Reading, member_ids: Iterable[UUID], state: State) -> None:
    """Whom IDs lead to; members that were never merged are missing."""

    def take(rows: Sequence[Any]) -> None:
        state.links.update((row[0], _link(row)) for row in rows)

    reading.add(_LINKS, list(member_ids), take=take)


def read_all_of(reading: Reading, member_ids: Collection[UUID], state: State) -> None:
    """All that members have, and all that they used of quotas."""
    wanted = list(member_ids)

    def take_uses(rows: Sequence[Any]) -> None:
        state.quota_uses.update(((row[0], row[1]), QuotaUse._make(row)) for row in rows)

    def take_redemptions(rows: Sequence[Any]) -> None:
        state.quota_redemptions.update((row[0], Redemption._make(row)) for row in rows)

    reading.add_many(_ENTITLEMENTS, wanted, take=lambda rows: state.fill_entitlements(map(Entitlement._make, rows)))
    reading.add_many(_QUOTA_USES, wanted, take=take_uses)
    reading.add_many(_QUOTA_REDEMPTIONS, wanted, take=take_redemptions)


async def persons_of(
    connection: Connection | asyncpg.Pool, member_ids: Collection[UUID], partitions: int
) -> dict[UUID, Person]:
    """The persons whom IDs mean."""
    links = await _links(connection, member_ids, partitions)
    survivors = {link.leads_to for link in links.values() if link.leads_to is not None} - links.keys()
    if survivors:
        links |= await _links(connection, survivors, partitions)
    return {member_id: _person(member_id, links) for member_id in member_ids}


async def _links(
    connection: Connection | asyncpg.Pool, member_ids: Collection[UUID], partitions: int
) -> dict[UUID, Link]:
    wanted = list(member_ids)
    rows = await connection.fetch(_FIND_LINKS, [partition_of(each, partitions) for each in wanted], wanted)
    return {row["member_id"]: _link(row) for row in rows}


def _person(member_id: UUID, links: Mapping[UUID, Link]) -> Person:
    link = links.get(member_id) or Link(member_id)
    if link.leads_to is not None:
        link = links.get(link.leads_to) or Link(link.leads_to)
    return (link.member_id, *link.merged)


def _link(row: Any) -> Link:
    member_id, leads_to, merged, gone = row
    each = iter(ids.split(gone))
    return Link(member_id, leads_to, tuple(ids.split(merged)), tuple(zip(each, each, strict=True)))
