"""Commands on merges, made of what is there now: whoever and whatever is concerned has to be known before its locks."""

from collections.abc import Collection, Iterable
from uuid import UUID

import asyncpg

from services.chassis import idempotency, ids
from services.chassis.errors import Refused
from services.chassis.partitions import partition_of
from services.identity.merges import errors, queries
from services.identity.merges.commands import Concerned, MergeMembers, UnmergeMember
from services.identity.merges.values import Merge
from services.identity.people import People
from services.identity.values import Account, Member, route_key


class Making:
    """Makes commands."""

    def __init__(self, pool: asyncpg.Pool, partitions: int, people: People) -> None:
        self._pool = pool
        self._partitions = partitions
        self._people = people

    async def merging(
        self,
        identified: idempotency.Request,
        sent_id: UUID,
        merged_id: UUID,
        cause: str,
        caller: str,
        *,
        validate_only: bool,
    ) -> MergeMembers:
        """The command to merge a member into whom another ID means."""
        survivor = await self._people.meant(sent_id)
        survivor_id = sent_id if survivor is None else survivor.member_id
        merged = (await self._people.find([merged_id])).get(merged_id)
        accounts = [] if merged is None else await self._people.accounts(merged)
        absorbed = [] if merged is None else await self._people.merged_into(merged)
        return MergeMembers(
            request=identified,
            sent_id=sent_id,
            merge_id=ids.new_id(ids.routing_of(survivor_id)),
            survivor_id=survivor_id,
            merged_id=merged_id,
            concerned=self._moving(
                frozenset[UUID]().union(*(one.homes for one in (survivor, merged) if one is not None)),
                (one.member_id for one in absorbed),
                accounts,
                await self._people.group_ids(merged_id),
            ),
            cause=cause,
            caller=caller,
            validate_only=validate_only,
        )

    async def unmerging(
        self,
        identified: idempotency.Request,
        merge_id: UUID,
        account_ids: frozenset[UUID],
        cause: str,
        caller: str,
        *,
        validate_only: bool,
    ) -> UnmergeMember:
        """The command to give back what came along by a merge. Raises Refused (MERGE_UNKNOWN)."""
        found = await queries.load_merges(self._pool, partition_of(merge_id, self._partitions), [merge_id])
        if not found:
            raise Refused(errors.MERGE_UNKNOWN)
        merge = found[0]
        holder = await self._holder(merge)
        accounts = [one for one in await self._people.accounts(holder) if one.account_id in merge.account_ids]
        return UnmergeMember(
            request=identified,
            unmerge_id=ids.new_id(ids.routing_of(merge_id)),
            merge_id=merge_id,
            survivor_id=merge.survivor_id,
            holder_id=holder.member_id,
            member_id=merge.merged_id,
            account_ids=account_ids,
            left=frozenset(account.account_id for account in accounts),
            concerned=self._moving(
                holder.homes,
                (each.member_id for each in merge.absorbed),
                accounts,
                await self._people.group_ids(holder.member_id),
            ),
            cause=cause,
            caller=caller,
            validate_only=validate_only,
        )

    async def _holder(self, merge: Merge) -> Member:
        """Who has now what came along by a merge."""
        holder = await self._people.meant(merge.survivor_id)
        assert holder is not None, "a member never vanishes"
        return holder

    def _moving(
        self,
        homes: Collection[UUID],
        absorbed: Iterable[UUID],
        accounts: Iterable[Account],
        group_ids: Iterable[UUID],
    ) -> Concerned:
        routes = tuple(route_key(one.blind_index, self._partitions) for one in accounts)
        return Concerned(frozenset(homes), frozenset(absorbed), routes, frozenset(group_ids))
