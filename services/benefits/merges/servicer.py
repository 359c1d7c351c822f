"""Serves `tessera.records.v1.MemberRecordsService` for benefits."""

from collections.abc import AsyncGenerator
from typing import Any

from services.benefits import wire
from services.benefits.merges.previews import Preview, PreviewErasure, PreviewMerge, PreviewUnmerge
from services.benefits.merges.queries import persons_of
from services.benefits.tables import METADATA
from services.benefits.values import BenefitsConfig, Unmerged
from services.chassis import ids
from services.chassis.app import Platform
from services.chassis.member_rows import rows_of_member
from services.chassis.partitions import partition_of
from services.chassis.replies import unary_reply
from services.chassis.rpc import Call
from tessera.records.v1 import member_records_pb2 as pb

_MERGE = "merge"


class MemberRecords:
    """What benefits holds on a member, and what will become of it."""

    def __init__(self, platform: Platform[BenefitsConfig]) -> None:
        self._platform = platform

    async def PreviewMerge(self, request: pb.PreviewMergeRequest, call: Call) -> pb.PreviewMergeResponse:
        """What a merge would do."""
        await self._platform.at_least.wait(request.at_least, call)
        survivor_id = ids.decode(wire.MEMBER, request.survivor_id)
        merged_id = ids.decode(wire.MEMBER, request.merged_id)
        return pb.PreviewMergeResponse.FromString(await self._preview(PreviewMerge(survivor_id, merged_id), call))

    async def PreviewUnmerge(self, request: pb.PreviewUnmergeRequest, call: Call) -> pb.PreviewUnmergeResponse:
        """What an unmerge would do."""
        await self._platform.at_least.wait(request.at_least, call)
        told = Unmerged(
            merge_id=ids.decode(_MERGE, request.merge_id),
            holder_id=ids.decode(wire.MEMBER, request.holder_id),
            member_id=ids.decode(wire.MEMBER, request.member_id),
            absorbed_ids=tuple(ids.decode(wire.MEMBER, each) for each in request.absorbed_ids),
            accounts=tuple((ids.decode(wire.ACCOUNT, each), "") for each in request.account_ids),
            whole=request.whole,
        )
        return pb.PreviewUnmergeResponse.FromString(await self._preview(PreviewUnmerge(told), call))

    async def PreviewErasure(self, request: pb.PreviewErasureRequest, call: Call) -> pb.PreviewErasureResponse:
        """What an erasure would do."""
        await self._platform.at_least.wait(request.at_least, call)
        member_id = ids.decode(wire.MEMBER, request.member_id)
        return pb.PreviewErasureResponse.FromString(await self._preview(PreviewErasure(member_id), call))

    async def ExportMember(
        self, request: pb.ExportMemberRequest, call: Call
    ) -> AsyncGenerator[pb.ExportMemberResponse, None]:
        """Every row about a person."""
        await self._platform.at_least.wait(request.at_least, call)
        member_id = ids.decode(wire.MEMBER, request.member_id)
        partitions = self._platform.settings.partitions
        person = (await persons_of(self._platform.pool, [member_id], partitions))[member_id]
        async with self._platform.long_reads() as connection:
            for each in person:
                partition = partition_of(each, partitions)
                async for kind, record in rows_of_member(connection, METADATA, partition, each, {}):
                    yield pb.ExportMemberResponse(service=wire.SERVICE, kind=kind, record_json=record)

    async def _preview(self, command: Preview, call: Call) -> bytes:
        (outcome,) = await self._platform.lanes.submit((command,), deadline=call.deadline)
        answer: Any = unary_reply(outcome).answer
        return bytes(answer)
