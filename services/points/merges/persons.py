"""Whose wallets are one person's, read without a lock."""

from collections.abc import Collection, Mapping
from uuid import UUID

import asyncpg

from services.chassis.database import Connection
from services.chassis.partitions import partition_of
from services.points.merges.queries import find_links
from services.points.merges.values import Link

Person = tuple[UUID, ...]
"""The member whose wallets are read, and those that were merged into it."""


async def persons_of(
    connection: Connection | asyncpg.Pool, member_ids: Collection[UUID], partitions: int
) -> dict[UUID, Person]:
    """The persons whom IDs mean: for each the member it leads to, and those whose IDs lead there, too."""
    links = await _links(connection, member_ids, partitions)
    survivors = {link.leads_to for link in links.values() if link.leads_to is not None} - links.keys()
    if survivors:
        links |= await _links(connection, survivors, partitions)
    return {member_id: _person(member_id, links) for member_id in member_ids}


async def _links(
    connection: Connection | asyncpg.Pool, member_ids: Collection[UUID], partitions: int
) -> dict[UUID, Link]:
    wanted = list(member_ids)
    return dict(await find_links(connection, [partition_of(each, partitions) for each in wanted], wanted))


def _person(member_id: UUID, links: Mapping[UUID, Link]) -> Person:
    link = links.get(member_id)
    if link is None:
        return (member_id,)
    if link.leads_to is not None:
        link = links[link.leads_to]
    return (link.member_id, *link.merged)
