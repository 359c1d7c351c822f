"""Reading what waits for activities."""

from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import UUID

from services.chassis.app import Platform
from services.chassis.instants import timestamp
from services.chassis.rpc import Call
from services.points import wire
from services.points.activities import reads
from services.points.activities import wire as activity_wire
from services.points.activities.parking import COMPLETION
from services.points.documents import PointsConfig
from services.points.values import ParkedRefund
from tessera.points.v1 import refund_pb2

DEFAULT_PAGE = 100
_FIRST: reads.ParkedPlace = (0, datetime.min.replace(tzinfo=UTC), UUID(int=0))


class ActivityReads:
    """The methods of the contract that read what concerns activities."""

    def __init__(self, platform: Platform[PointsConfig]) -> None:
        self._platform = platform

    async def ListParkedRefunds(
        self, request: refund_pb2.ListParkedRefundsRequest, call: Call
    ) -> refund_pb2.ListParkedRefundsResponse:
        """A page of parked refunds."""
        await self._platform.at_least.wait(request.at_least, call)
        tokens, size = self._platform.page_tokens, request.page_size or DEFAULT_PAGE
        after = _place(tokens.decode(request.page_token, call.method, call.caller.name, request))
        partitions = range(after[0], self._platform.settings.partitions)
        rows = await reads.parked_refunds(self._platform.pool, partitions, request.state, after, size + 1)
        response = refund_pb2.ListParkedRefundsResponse()
        for _, parked in rows[:size]:
            _fill(response.refunds.add(), parked)
        if len(rows) > size:
            partition, last = rows[size - 1]
            place = (partition, last.parked_at.isoformat(), str(last.parked_refund_id))
            response.next_page_token = tokens.encode(call.method, call.caller.name, request, place)
        return response


def _place(cursor: Sequence[str | int] | None) -> reads.ParkedPlace:
    if not cursor:
        return _FIRST
    partition, parked_at, parked_refund_id = cursor
    return int(partition), datetime.fromisoformat(str(parked_at)), UUID(str(parked_refund_id))


def _fill(message: refund_pb2.ParkedRefund, parked: ParkedRefund) -> None:
    message.parked_refund_id = activity_wire.parked_refund_id(parked.parked_refund_id)
    message.key.member_id = wire.member_id(parked.member_id)
    message.key.domain = parked.domain
    message.key.type = parked.type
    message.key.reference = parked.activity_reference
    if parked.reference == COMPLETION:
        message.completed_at.CopyFrom(timestamp(activity_wire.completed_at_of(parked.body)))
    else:
        message.refund.CopyFrom(activity_wire.refund_of(parked.body))
    message.state = refund_pb2.ParkedRefundState.ValueType(parked.state)
    message.reason = parked.reason
    message.parked_at.CopyFrom(timestamp(parked.parked_at))
    if parked.closed_at is not None:
        message.closed_at.CopyFrom(timestamp(parked.closed_at))
