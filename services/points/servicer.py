"""The points contract: messages to commands, to lanes, to replies; and the reads."""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from google.protobuf.message import Message

from services.chassis.app import Platform
from services.chassis.batches import Outcome
from services.chassis.operations import Command
from services.chassis.replies import bulk_reply, unary_reply
from services.chassis.rpc import Call
from services.chassis.telemetry import current_traceparent
from services.points import requests
from services.points.documents import PointsConfig
from services.points.ledger.servicer import LedgerReads
from services.points.wallets.servicer import WalletReads
from tessera.points.v1 import points_service_pb2 as pb

Response = TypeVar("Response", bound=Message)

ERROR_DOMAIN = "points.tessera"


class PointsServicer(WalletReads, LedgerReads):
    """Serves `tessera.points.v1.PointsService`."""

    def __init__(self, platform: Platform[PointsConfig]) -> None:
        WalletReads.__init__(self, platform)
        LedgerReads.__init__(self, platform)
        self._platform = platform

    async def RecordActivity(self, request: pb.RecordActivityRequest, call: Call) -> pb.RecordActivityResponse:
        """Record one activity."""
        await self._platform.at_least.wait(request.at_least, call)
        received_at = await self._platform.clock.now()
        command = requests.record_activity(request, call.caller, received_at)
        return await self._one(command, call, pb.RecordActivityResponse)

    async def BulkRecordActivities(
        self, request: pb.BulkRecordActivitiesRequest, call: Call
    ) -> pb.BulkRecordActivitiesResponse:
        """Record many."""
        received_at = await self._platform.clock.now()

        def to_command(item: pb.RecordActivityRequest) -> Command:
            return requests.record_activity(item, call.caller, received_at)

        return await self._many(request, to_command, call, pb.BulkRecordActivitiesResponse)

    async def ReverseActivity(self, request: pb.ReverseActivityRequest, call: Call) -> pb.ReverseActivityResponse:
        """Reverse one activity."""
        await self._platform.at_least.wait(request.at_least, call)
        return await self._one(requests.reverse_activity(request, call.caller), call, pb.ReverseActivityResponse)

    async def Spend(self, request: pb.SpendRequest, call: Call) -> pb.SpendResponse:
        """Spend once."""
        await self._platform.at_least.wait(request.at_least, call)
        return await self._one(requests.spend(request, call.caller), call, pb.SpendResponse)

    async def BulkSpend(self, request: pb.BulkSpendRequest, call: Call) -> pb.BulkSpendResponse:
        """Spend many times."""
        return await self._many(request, lambda item: requests.spend(item, call.caller), call, pb.BulkSpendResponse)

    async def Hold(self, request: pb.HoldRequest, call: Call) -> pb.HoldResponse:
        """Hold once."""
        await self._platform.at_least.wait(request.at_least, call)
        return await self._one(requests.place_hold(request, call.caller), call, pb.HoldResponse)

    async def BulkHold(self, request: pb.BulkHoldRequest, call: Call) -> pb.BulkHoldResponse:
        """Hold many times."""
        return await self._many(request, lambda item: requests.place_hold(item, call.caller), call, pb.BulkHoldResponse)

    async def CaptureHold(self, request: pb.CaptureHoldRequest, call: Call) -> pb.CaptureHoldResponse:
        """Capture one hold."""
        await self._platform.at_least.wait(request.at_least, call)
        return await self._one(requests.capture_hold(request, call.caller), call, pb.CaptureHoldResponse)

    async def BulkCaptureHolds(self, request: pb.BulkCaptureHoldsRequest, call: Call) -> pb.BulkCaptureHoldsResponse:
        """Capture many."""

        def to_command(item: pb.CaptureHoldRequest) -> Command:
            return requests.capture_hold(item, call.caller)

        return await self._many(request, to_command, call, pb.BulkCaptureHoldsResponse)

    async def ReleaseHold(self, request: pb.ReleaseHoldRequest, call: Call) -> pb.ReleaseHoldResponse:
        """Release one hold."""
        await self._platform.at_least.wait(request.at_least, call)
        return await self._one(requests.release_hold(request, call.caller), call, pb.ReleaseHoldResponse)

    async def BulkReleaseHolds(self, request: pb.BulkReleaseHoldsRequest, call: Call) -> pb.BulkReleaseHoldsResponse:
        """Release many."""

        def to_command(item: pb.ReleaseHoldRequest) -> Command:
            return requests.release_hold(item, call.caller)

        return await self._many(request, to_command, call, pb.BulkReleaseHoldsResponse)

    async def RefundSpend(self, request: pb.RefundSpendRequest, call: Call) -> pb.RefundSpendResponse:
        """Refund one spend."""
        await self._platform.at_least.wait(request.at_least, call)
        return await self._one(requests.refund_spend(request, call.caller), call, pb.RefundSpendResponse)

    async def BulkRefundSpends(self, request: pb.BulkRefundSpendsRequest, call: Call) -> pb.BulkRefundSpendsResponse:
        """Refund many."""

        def to_command(item: pb.RefundSpendRequest) -> Command:
            return requests.refund_spend(item, call.caller)

        return await self._many(request, to_command, call, pb.BulkRefundSpendsResponse)

    async def _one(self, command: Command, call: Call, response_class: type[Response]) -> Response:
        (outcome,) = await self._submit((command,), call)
        return unary_reply(outcome, response_class)

    async def _many(
        self, request: Any, to_command: Callable[[Any], Command], call: Call, response_class: type[Response]
    ) -> Response:
        await self._platform.at_least.wait(request.at_least, call)

        async def submit(commands: Sequence[Command]) -> list[Outcome]:
            return await self._submit(commands, call)

        return await bulk_reply(request.requests, to_command, submit, response_class, ERROR_DOMAIN)

    async def _submit(self, commands: Sequence[Command], call: Call) -> list[Outcome]:
        return await self._platform.lanes.submit(commands, deadline=call.deadline, traceparent=current_traceparent())
