"""Whom an ID means, and what that member holds: read without a lock, for answers and to make commands of."""

from collections.abc import Collection, Iterable
from uuid import UUID

import asyncpg

from services.chassis.partitions import partition_of
from services.identity import queries
from services.identity.groups import queries as group_queries
from services.identity.identifiers import queries as identifier_queries
from services.identity.identifiers.values import Identifier
from services.identity.values import Account, Member


class People:
    """Members as they are now."""

    def __init__(self, pool: asyncpg.Pool, partitions: int) -> None:
        self._pool = pool
        self._partitions = partitions

    async def find(self, member_ids: Collection[UUID]) -> dict[UUID, Member]:
        """Members of these very IDs; those that do not exist are missing."""
        found = await queries.find_members(self._pool, self._places(member_ids), member_ids)
        return {member.member_id: member for member in found}

    async def meant(self, member_id: UUID) -> Member | None:
        """The member that an ID leads to."""
        member = (await self.find([member_id])).get(member_id)
        if member is None or member.survivor_id is None:
            return member
        return (await self.find([member.survivor_id])).get(member.survivor_id)

    async def survivors(self, member_ids: Collection[UUID]) -> list[Member]:
        """The members that IDs lead to, each once."""
        found = await self.find(member_ids)
        others = {one.survivor_id for one in found.values() if one.survivor_id is not None} - found.keys()
        found |= await self.find(others) if others else {}
        return [one for one in found.values() if one.survivor_id is None]

    async def families(self, member_ids: Collection[UUID]) -> list[Member]:
        """The members that IDs lead to, with those that were merged into them."""
        heads = await self.survivors(member_ids)
        joined = [one for one in heads if one.homes]
        places = self._places({home for one in joined for home in (one.member_id, *one.homes)})
        merged = await queries.find_merged(self._pool, places, [one.member_id for one in joined]) if joined else []
        return [*heads, *merged]

    async def accounts(self, member: Member) -> list[Account]:
        """The accounts that it holds, by the time they were linked."""
        return await queries.find_accounts(self._pool, self._places_of(member), [member.member_id])

    async def merged_into(self, member: Member) -> list[Member]:
        """The members whose IDs lead to it, by ID."""
        return await queries.find_merged(self._pool, self._places_of(member), [member.member_id])

    async def identifiers(self, member: Member, merged: Iterable[Member]) -> list[Identifier]:
        """The identifiers that it holds, with those of members merged into it, by ID."""
        keepers = [member.member_id, *(one.member_id for one in merged)]
        return await identifier_queries.find_identifiers(self._pool, list(self._places(keepers)), keepers)

    async def group_ids(self, member_id: UUID) -> list[UUID]:
        """The groups in which it has a seat, or is asked for."""
        place = partition_of(member_id, self._partitions)
        seats = await group_queries.seats_taken(self._pool, place, member_id)
        asked = await group_queries.open_invitations(self._pool, place, member_id)
        return [*(seat.group_id for seat in seats), *(invitation.group_id for invitation in asked)]

    def _places_of(self, member: Member) -> set[int]:
        return self._places({member.member_id, *member.homes})

    def _places(self, member_ids: Iterable[UUID]) -> set[int]:
        return {partition_of(member_id, self._partitions) for member_id in member_ids}
