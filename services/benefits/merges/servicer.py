"""Serves `tessera.records.v1.MemberRecordsService` for benefits."""

from collections.abc import AsyncGenerator
from typing import Any
from uuid import UUID

from services.benefits import queries, wire
from services.benefits.merges.commands import Preview, PreviewErasure, PreviewMerge, PreviewUnmerge
from services.benefits.merges.values import MovedAccount, UnmergeHeard
from services.benefits.tables import METADATA
from services.benefits.values import BenefitsConfig, Member
from services.chassis import ids
from services.chassis.app import Platform
from services.chassis.member_rows import rows_of_member
from services.chassis.partitions import partition_of
from services.chassis.replies import unary_reply
from services.chassis.rpc import Call
from tessera.records.v1 import member_records_pb2 as pb


class MemberRecords:
    """What benefits holds on a member, and what will become of it."""

    def __init__(self, platform: Platform[BenefitsConfig]) -> None:
        self._platform = platform
        self._partitions = platform.settings.partitions

    async def PreviewMerge(self, request: pb.PreviewMergeRequest, call: Call) -> pb.PreviewMergeResponse:
        """What a merge would do."""
        await self._platform.at_least.wait(request.at_least, call)
        command = PreviewMerge(_member(request.survivor_id), _member(request.merged_id))
        return pb.PreviewMergeResponse.FromString(await self._preview(command, call))

    async def PreviewUnmerge(self, request: pb.PreviewUnmergeRequest, call: Call) -> pb.PreviewUnmergeResponse:
        """What an unmerge would do."""
        await self._platform.at_least.wait(request.at_least, call)
        heard = UnmergeHeard(
            merge_id=None,
            holder_id=_member(request.holder_id),
            member_id=_member(request.member_id),
            absorbed_ids=tuple(map(_member, request.absorbed_ids)),
            accounts=tuple(MovedAccount(ids.decode(wire.ACCOUNT, each), "") for each in request.account_ids),
            whole=request.whole,
        )
        return pb.PreviewUnmergeResponse.FromString(await self._preview(PreviewUnmerge(heard), call))

    async def PreviewErasure(self, request: pb.PreviewErasureRequest, call: Call) -> pb.PreviewErasureResponse:
        """What an erasure would do. Nothing here is ever in its way."""
        await self._platform.at_least.wait(request.at_least, call)
        command = PreviewErasure(_member(request.member_id))
        return pb.PreviewErasureResponse.FromString(await self._preview(command, call))

    async def ExportMember(
        self, request: pb.ExportMemberRequest, call: Call
    ) -> AsyncGenerator[pb.ExportMemberResponse, None]:
        """Every row about a member and those that were merged into it."""
        await self._platform.at_least.wait(request.at_least, call)
        persons = await self._person(_member(request.member_id))
        async with self._platform.long_reads() as connection:
            for each in persons:
                async for kind, record in rows_of_member(
                    connection, METADATA, partition_of(each, self._partitions), each, {}
                ):
                    yield pb.ExportMemberResponse(service=wire.SERVICE, kind=kind, record_json=record)

    async def _person(self, member_id: UUID) -> list[UUID]:
        """Whom an ID means, and all whose IDs mean the same."""
        member = await self._find(member_id)
        if member is not None and member.leads_to is not None:
            member = await self._find(member.leads_to)
        return [member_id] if member is None else [member.member_id, *member.merged_ids()]

    async def _find(self, member_id: UUID) -> Member | None:
        return await queries.member(self._platform.pool, partition_of(member_id, self._partitions), member_id)

    async def _preview(self, command: Preview, call: Call) -> bytes:
        (outcome,) = await self._platform.lanes.submit((command,), deadline=call.deadline)
        answer: Any = unary_reply(outcome).answer
        return bytes(answer)


def _member(text: str) -> UUID:
    return ids.decode(wire.MEMBER, text)
