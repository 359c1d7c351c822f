"""Serves `tessera.records.v1.MemberRecordsService` for a service in which nothing stands in the way of a merge, an
unmerge or an erasure, and nothing has to be told of what they do."""

from collections.abc import AsyncGenerator
from typing import Any

import sqlalchemy as sa

from services.chassis import ids
from services.chassis.app import Platform
from services.chassis.member_rows import rows_of_member
from services.chassis.partitions import partition_of
from services.chassis.rpc import Call
from tessera.records.v1 import member_records_pb2 as pb

DESCRIPTOR = pb.DESCRIPTOR.services_by_name["MemberRecordsService"]


class MemberRecords:
    """What a service holds on a member."""

    def __init__(self, platform: Platform[Any], metadata: sa.MetaData, service: str) -> None:
        self._platform = platform
        self._metadata = metadata
        self._service = service

    async def PreviewMerge(self, request: pb.PreviewMergeRequest, call: Call) -> pb.PreviewMergeResponse:
        """Nothing to tell."""
        await self._platform.at_least.wait(request.at_least, call)
        return pb.PreviewMergeResponse()

    async def PreviewUnmerge(self, request: pb.PreviewUnmergeRequest, call: Call) -> pb.PreviewUnmergeResponse:
        """Nothing to tell."""
        await self._platform.at_least.wait(request.at_least, call)
        return pb.PreviewUnmergeResponse()

    async def PreviewErasure(self, request: pb.PreviewErasureRequest, call: Call) -> pb.PreviewErasureResponse:
        """Nothing to tell."""
        await self._platform.at_least.wait(request.at_least, call)
        return pb.PreviewErasureResponse()

    async def ExportMember(
        self, request: pb.ExportMemberRequest, call: Call
    ) -> AsyncGenerator[pb.ExportMemberResponse, None]:
        """Every row about the member."""
        await self._platform.at_least.wait(request.at_least, call)
        member_id = ids.decode("member", request.member_id)
        partition = partition_of(member_id, self._platform.settings.partitions)
        async with self._platform.long_reads() as connection:
            async for kind, record in rows_of_member(connection, self._metadata, partition, member_id, {}):
                yield pb.ExportMemberResponse(service=self._service, kind=kind, record_json=record)
