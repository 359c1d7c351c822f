"""Serves `tessera.records.v1.MemberRecordsService` for a service that follows identity."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Sequence
from typing import Any, Protocol
from uuid import UUID

import asyncpg
import sqlalchemy as sa

from services.chassis import ids
from services.chassis.app import Platform
from services.chassis.member_records.commands import Preview, PreviewErasure, PreviewMerge, PreviewUnmerge
from services.chassis.member_records.rows import Readers, rows_of_member
from services.chassis.partitions import partition_of
from services.chassis.replies import Serialised, unary_reply
from services.chassis.rpc import Call
from services.chassis.server import Service
from tessera.records.v1 import member_records_pb2 as pb
from tessera.type.v1 import position_pb2


class Link(Protocol):
    """Whom a member's ID leads to, and which IDs lead to it."""

    @property
    def leads_to(self) -> UUID | None:
        """None while it stands on its own."""

    def merged_ids(self) -> Sequence[UUID]:
        """The members that were merged into it."""


FindLink = Callable[[asyncpg.Pool, int, UUID], Awaitable[Link | None]]
"""Finds the link of a member in its partition; None where nothing is known of one."""


def member_records(
    platform: Platform[Any], metadata: sa.MetaData, find_link: FindLink, readers: Readers | None = None
) -> Service:
    """The contract and who serves it, for the rows about members in some tables. The service decides the previews."""
    contract = pb.DESCRIPTOR.services_by_name["MemberRecordsService"]
    return contract, MemberRecords(platform, metadata, find_link, readers or {})


class MemberRecords:
    """What a service holds on a member, and what will become of it. The contract has checked the form of all IDs."""

    def __init__(self, platform: Platform[Any], metadata: sa.MetaData, find_link: FindLink, readers: Readers) -> None:
        self._platform = platform
        self._metadata = metadata
        self._find_link = find_link
        self._readers = readers

    async def PreviewMerge(self, request: pb.PreviewMergeRequest, call: Call) -> Serialised:
        """What a merge would do."""
        command = PreviewMerge(_member(request.survivor_id), _member(request.merged_id))
        return await self._preview(command, request.at_least, call)

    async def PreviewUnmerge(self, request: pb.PreviewUnmergeRequest, call: Call) -> Serialised:
        """What an unmerge would do."""
        command = PreviewUnmerge(
            merge_id=ids.decode("merge", request.merge_id),
            holder_id=_member(request.holder_id),
            member_id=_member(request.member_id),
            absorbed_ids=tuple(map(_member, request.absorbed_ids)),
            account_ids=tuple(ids.decode("account", each) for each in request.account_ids),
            whole=request.whole,
        )
        return await self._preview(command, request.at_least, call)

    async def PreviewErasure(self, request: pb.PreviewErasureRequest, call: Call) -> Serialised:
        """What an erasure would do."""
        return await self._preview(PreviewErasure(_member(request.member_id)), request.at_least, call)

    async def ExportMember(
        self, request: pb.ExportMemberRequest, call: Call
    ) -> AsyncGenerator[pb.ExportMemberResponse, None]:
        """Every row about a person: the member whom the ID leads to, and those that were merged into it."""
        await self._platform.at_least.wait(request.at_least, call)
        person = await self._person(_member(request.member_id))
        service = self._platform.settings.service
        async with self._platform.long_reads() as connection:
            for each in person:
                async for kind, record in rows_of_member(
                    connection, self._metadata, self._partition_of(each), each, self._readers
                ):
                    yield pb.ExportMemberResponse(service=service, kind=kind, record_json=record)

    async def _person(self, member_id: UUID) -> Sequence[UUID]:
        link = await self._link(member_id)
        if link is not None and link.leads_to is not None:
            member_id = link.leads_to
            link = await self._link(member_id)
        return (member_id,) if link is None else (member_id, *link.merged_ids())

    async def _link(self, member_id: UUID) -> Link | None:
        return await self._find_link(self._platform.pool, self._partition_of(member_id), member_id)

    def _partition_of(self, member_id: UUID) -> int:
        return partition_of(member_id, self._platform.settings.partitions)

    async def _preview(self, command: Preview, at_least: Iterable[position_pb2.Position], call: Call) -> Serialised:
        await self._platform.at_least.wait(at_least, call)
        (outcome,) = await self._platform.lanes.submit((command,), deadline=call.deadline)
        return unary_reply(outcome)


def _member(text: str) -> UUID:
    return ids.decode("member", text)
