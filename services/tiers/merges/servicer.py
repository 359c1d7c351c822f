"""Serves `tessera.records.v1.MemberRecordsService` for tiers."""

from collections.abc import AsyncGenerator
from typing import Any

from services.chassis import ids
from services.chassis.app import Platform
from services.chassis.clock import EPOCH
from services.chassis.member_rows import rows_of_member
from services.chassis.partitions import partition_of
from services.chassis.replies import unary_reply
from services.chassis.rpc import Call
from services.tiers import reads
from services.tiers.events import Unmerged
from services.tiers.merges.previews import Preview, PreviewErasure, PreviewMerge, PreviewUnmerge
from services.tiers.tables import METADATA
from services.tiers.values import MEMBER, Config
from tessera.records.v1 import member_records_pb2 as pb

_ACCOUNT = "account"
_SERVICE = "tiers"


class MemberRecords:
    """What tiers holds on a member, and what will become of it."""

    def __init__(self, platform: Platform[Config]) -> None:
        self._platform = platform

    async def PreviewMerge(self, request: pb.PreviewMergeRequest, call: Call) -> pb.PreviewMergeResponse:
        """What a merge would do."""
        await self._platform.at_least.wait(request.at_least, call)
        survivor_id = ids.decode(MEMBER, request.survivor_id)
        merged_id = ids.decode(MEMBER, request.merged_id)
        return pb.PreviewMergeResponse.FromString(await self._preview(PreviewMerge(survivor_id, merged_id), call))

    async def PreviewUnmerge(self, request: pb.PreviewUnmergeRequest, call: Call) -> pb.PreviewUnmergeResponse:
        """What an unmerge would do."""
        await self._platform.at_least.wait(request.at_least, call)
        told = Unmerged(
            holder_id=ids.decode(MEMBER, request.holder_id),
            member_id=ids.decode(MEMBER, request.member_id),
            absorbed_ids=tuple(ids.decode(MEMBER, each) for each in request.absorbed_ids),
            account_ids=tuple(ids.decode(_ACCOUNT, each) for each in request.account_ids),
            whole=request.whole,
            unmerged_at=EPOCH,
        )
        return pb.PreviewUnmergeResponse.FromString(await self._preview(PreviewUnmerge(told), call))

    async def PreviewErasure(self, request: pb.PreviewErasureRequest, call: Call) -> pb.PreviewErasureResponse:
        """What an erasure would do."""
        await self._platform.at_least.wait(request.at_least, call)
        member_id = ids.decode(MEMBER, request.member_id)
        return pb.PreviewErasureResponse.FromString(await self._preview(PreviewErasure(member_id), call))

    async def ExportMember(
        self, request: pb.ExportMemberRequest, call: Call
    ) -> AsyncGenerator[pb.ExportMemberResponse, None]:
        """Every row about a person."""
        await self._platform.at_least.wait(request.at_least, call)
        member_id = ids.decode(MEMBER, request.member_id)
        partitions = self._platform.settings.partitions
        person = await reads.person(self._platform.pool, partitions, member_id)
        async with self._platform.long_reads() as connection:
            for each in person:
                partition = partition_of(each, partitions)
                async for kind, record in rows_of_member(connection, METADATA, partition, each, {}):
                    yield pb.ExportMemberResponse(service=_SERVICE, kind=kind, record_json=record)

    async def _preview(self, command: Preview, call: Call) -> bytes:
        (outcome,) = await self._platform.lanes.submit((command,), deadline=call.deadline)
        answer: Any = unary_reply(outcome).answer
        return bytes(answer)
