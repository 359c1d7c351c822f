"""Erasures, made of what is there now: whoever and whatever is concerned has to be known before its locks."""

from collections.abc import Iterable
from uuid import UUID

import asyncpg

from services.chassis.idempotency import Request
from services.chassis.partitions import partition_of
from services.identity.people import People
from services.identity.privacy import queries
from services.identity.privacy.commands import EraseMember
from services.identity.values import route_key
from services.identity.vault import Vault


class Making:
    """Makes commands."""

    def __init__(self, pool: asyncpg.Pool, partitions: int, people: People, vault: Vault) -> None:
        self._pool = pool
        self._partitions = partitions
        self._people = people
        self._vault = vault

    async def erasure(self, identified: Request, sent_id: UUID, *, validate_only: bool) -> EraseMember:
        """The command to erase whom an ID means, and those that were merged into it."""
        member = await self._people.meant(sent_id)
        merged = [] if member is None else await self._people.merged_into(member)
        absorbed_ids = tuple(one.member_id for one in merged)
        erased = ((sent_id if member is None else member.member_id), *absorbed_ids)
        homes = frozenset[UUID]().union(*(one.homes for one in (member, *merged) if one is not None))
        places = self._places((*erased, *homes))
        moved = await queries.merged_accounts(self._pool, places, erased)
        accounts = await queries.all_accounts(self._pool, places, erased, moved)
        seats = await queries.all_seats(self._pool, places, erased, erased)
        invitations = await queries.all_invitations(self._pool, places, erased, erased)
        names = {account.blind_index for account in accounts if account.blind_index}
        groups = {seat.group_id for _, seat in seats} | {invitation.group_id for _, invitation in invitations}
        return EraseMember(
            request=identified,
            sent_id=sent_id,
            member_id=erased[0],
            absorbed_ids=absorbed_ids,
            homes=homes,
            account_ids=tuple(moved),
            routes=tuple(route_key(name, self._partitions) for name in sorted(names)),
            group_ids=tuple(sorted(groups)),
            vault=self._vault,
            validate_only=validate_only,
        )

    def _places(self, member_ids: Iterable[UUID]) -> set[int]:
        return {partition_of(member_id, self._partitions) for member_id in member_ids}
