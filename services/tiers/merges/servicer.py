"""Serves `tessera.records.v1.MemberRecordsService` for tiers."""

from collections.abc import AsyncGenerator
from typing import Any
from uuid import UUID

from services.chassis.app import Platform
from services.chassis.clock import EPOCH
from services.chassis.member_rows import rows_of_member
from services.chassis.partitions import partition_of
from services.chassis.replies import unary_reply
from services.chassis.rpc import Call
from services.tiers import wire
from services.tiers.merges.commands import Preview, PreviewErasure, PreviewMerge, PreviewUnmerge
from services.tiers.merges.queries import find_links
from services.tiers.merges.values import Link, UnmergeHeard
from services.tiers.tables import METADATA
from services.tiers.values import Config
from tessera.records.v1 import member_records_pb2 as pb

SERVICE = "tiers"


class MemberRecords:
    """What tiers holds on a member, and what will become of it."""

    def __init__(self, platform: Platform[Config]) -> None:
        self._platform = platform
        self._partitions = platform.settings.partitions

    async def PreviewMerge(self, request: pb.PreviewMergeRequest, call: Call) -> pb.PreviewMergeResponse:
        """What a merge would do."""
        await self._platform.at_least.wait(request.at_least, call)
        command = PreviewMerge(wire.member_of(request.survivor_id), wire.member_of(request.merged_id))
        return pb.PreviewMergeResponse.FromString(await self._preview(command, call))

    async def PreviewUnmerge(self, request: pb.PreviewUnmergeRequest, call: Call) -> pb.PreviewUnmergeResponse:
        """What an unmerge would do."""
        await self._platform.at_least.wait(request.at_least, call)
        heard = UnmergeHeard(
            holder_id=wire.member_of(request.holder_id),
            member_id=wire.member_of(request.member_id),
            absorbed_ids=tuple(map(wire.member_of, request.absorbed_ids)),
            account_ids=tuple(map(wire.account_of, request.account_ids)),
            whole=request.whole,
            at=EPOCH,
        )
        return pb.PreviewUnmergeResponse.FromString(await self._preview(PreviewUnmerge(heard), call))

    async def PreviewErasure(self, request: pb.PreviewErasureRequest, call: Call) -> pb.PreviewErasureResponse:
        """What an erasure would do. Nothing here is ever in its way."""
        await self._platform.at_least.wait(request.at_least, call)
        command = PreviewErasure(wire.member_of(request.member_id))
        return pb.PreviewErasureResponse.FromString(await self._preview(command, call))

    async def ExportMember(
        self, request: pb.ExportMemberRequest, call: Call
    ) -> AsyncGenerator[pb.ExportMemberResponse, None]:
        """Every row about a member and those that were merged into it."""
        await self._platform.at_least.wait(request.at_least, call)
        persons = await self._person(wire.member_of(request.member_id))
        async with self._platform.long_reads() as connection:
            for each in persons:
                async for kind, record in rows_of_member(
                    connection, METADATA, partition_of(each, self._partitions), each, {}
                ):
                    yield pb.ExportMemberResponse(service=SERVICE, kind=kind, record_json=record)

    async def _person(self, member_id: UUID) -> list[UUID]:
        """Whom an ID means, and all whose IDs mean the same."""
        link = await self._link(member_id)
        if link is not None and link.leads_to is not None:
            member_id = link.leads_to
            link = await self._link(member_id)
        return [member_id, *(link.merged_ids() if link is not None else ())]

    async def _link(self, member_id: UUID) -> Link | None:
        partition = partition_of(member_id, self._partitions)
        return (await find_links(self._platform.pool, [partition], [member_id])).get(member_id)

    async def _preview(self, command: Preview, call: Call) -> bytes:
        (outcome,) = await self._platform.lanes.submit((command,), deadline=call.deadline)
        answer: Any = unary_reply(outcome).answer
        return bytes(answer)
