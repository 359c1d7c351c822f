"""Reading adjustments."""

from uuid import UUID

from services.chassis.app import Platform
from services.chassis.errors import Refused
from services.chassis.partitions import partition_of
from services.chassis.rpc import Call
from services.points.adjustments import errors, reads, wire
from services.points.documents import PointsConfig
from services.points.requests import decode
from tessera.points.v1 import points_service_pb2 as pb

DEFAULT_PAGE = 100
_FIRST = UUID(int=0)


class AdjustmentReads:
    """The methods of the contract that read adjustments."""

    def __init__(self, platform: Platform[PointsConfig]) -> None:
        self._platform = platform

    async def GetAdjustment(self, request: pb.GetAdjustmentRequest, call: Call) -> pb.GetAdjustmentResponse:
        """One adjustment."""
        await self._platform.at_least.wait(request.at_least, call)
        adjustment_id = decode("adjustment", request.adjustment_id, "adjustment_id")
        partition = partition_of(adjustment_id, self._platform.settings.partitions)
        found = await reads.adjustment(self._platform.pool, partition, adjustment_id)
        if found is None:
            raise Refused(errors.adjustment_unknown(request.adjustment_id))
        return pb.GetAdjustmentResponse(adjustment=wire.adjustment_message(found))

    async def ListProposedAdjustments(
        self, request: pb.ListProposedAdjustmentsRequest, call: Call
    ) -> pb.ListProposedAdjustmentsResponse:
        """A page of those that wait for approval."""
        await self._platform.at_least.wait(request.at_least, call)
        tokens, size = self._platform.page_tokens, request.page_size or DEFAULT_PAGE
        cursor = tokens.decode(request.page_token, call.method, call.caller.name, request)
        after = UUID(str(cursor[0])) if cursor else _FIRST
        partitions = range(self._platform.settings.partitions)
        found = await reads.proposed(self._platform.pool, partitions, after, size + 1)
        response = pb.ListProposedAdjustmentsResponse(
            adjustments=[wire.adjustment_message(adjustment) for adjustment in found[:size]]
        )
        if len(found) > size:
            place = (str(found[size - 1].adjustment_id),)
            response.next_page_token = tokens.encode(call.method, call.caller.name, request, place)
        return response
