"""Serves `tessera.records.v1.MemberRecordsService` for points."""

from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any

from google.protobuf.json_format import MessageToDict

from services.chassis.app import Platform
from services.chassis.member_rows import rows_of_member
from services.chassis.partitions import partition_of
from services.chassis.replies import unary_reply
from services.chassis.rpc import Call
from services.points import wire
from services.points.documents import PointsConfig
from services.points.heard import MovedAccount, UnmergeHeard
from services.points.merges.persons import persons_of
from services.points.merges.previews import Preview, PreviewErasure, PreviewMerge, PreviewUnmerge
from services.points.requests import decode
from services.points.tables import METADATA
from tessera.records.v1 import member_records_pb2 as pb

_READERS = {("activities", "body"): lambda body: MessageToDict(wire.activity_of(body))}


class MemberRecords:
    """What points holds on a member, and what will become of it."""

    def __init__(self, platform: Platform[PointsConfig]) -> None:
        self._platform = platform

    async def PreviewMerge(self, request: pb.PreviewMergeRequest, call: Call) -> pb.PreviewMergeResponse:
        """What a merge would do."""
        await self._platform.at_least.wait(request.at_least, call)
        survivor_id = decode("member", request.survivor_id, "survivor_id")
        merged_id = decode("member", request.merged_id, "merged_id")
        return pb.PreviewMergeResponse.FromString(await self._preview(PreviewMerge(survivor_id, merged_id), call))

    async def PreviewUnmerge(self, request: pb.PreviewUnmergeRequest, call: Call) -> pb.PreviewUnmergeResponse:
        """What an unmerge would do."""
        await self._platform.at_least.wait(request.at_least, call)
        heard = UnmergeHeard(
            unmerge_id=decode("merge", request.merge_id, "merge_id"),
            holder_id=decode("member", request.holder_id, "holder_id"),
            member_id=decode("member", request.member_id, "member_id"),
            absorbed_ids=tuple(decode("member", each, "absorbed_ids") for each in request.absorbed_ids),
            accounts=tuple(MovedAccount(decode("account", each, "account_ids"), "") for each in request.account_ids),
            staying=(),
            whole=request.whole,
        )
        return pb.PreviewUnmergeResponse.FromString(await self._preview(PreviewUnmerge(heard), call))

    async def PreviewErasure(self, request: pb.PreviewErasureRequest, call: Call) -> pb.PreviewErasureResponse:
        """What an erasure would do."""
        await self._platform.at_least.wait(request.at_least, call)
        member_id = decode("member", request.member_id, "member_id")
        return pb.PreviewErasureResponse.FromString(await self._preview(PreviewErasure(member_id), call))

    async def ExportMember(
        self, request: pb.ExportMemberRequest, call: Call
    ) -> AsyncGenerator[pb.ExportMemberResponse, None]:
        """Every row about a person."""
        await self._platform.at_least.wait(request.at_least, call)
        member_id = decode("member", request.member_id, "member_id")
        partitions = self._platform.settings.partitions
        person = (await persons_of(self._platform.pool, [member_id], partitions))[member_id]
        async with self._platform.long_reads() as connection:
            for each in person:
                rows: AsyncIterator[tuple[str, str]] = rows_of_member(
                    connection, METADATA, partition_of(each, partitions), each, _READERS
                )
                async for kind, record in rows:
                    yield pb.ExportMemberResponse(service=wire.SERVICE, kind=kind, record_json=record)

    async def _preview(self, command: Preview, call: Call) -> bytes:
        (outcome,) = await self._platform.lanes.submit((command,), deadline=call.deadline)
        answer: Any = unary_reply(outcome).answer
        return bytes(answer)
