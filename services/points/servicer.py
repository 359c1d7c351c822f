"""The points contract: messages to commands, to lanes, to replies; and the reads."""

from collections.abc import Callable, Sequence
from typing import Any

from services.chassis.app import Platform
from services.chassis.batches import Outcome
from services.chassis.operations import Command
from services.chassis.replies import Serialised, bulk_reply, unary_reply
from services.chassis.rpc import Call
from services.chassis.telemetry import current_traceparent
from services.points import requests
from services.points.activities.servicer import ActivityReads
from services.points.activities.simulation import Simulations
from services.points.adjustments import requests as adjustment_requests
from services.points.adjustments.servicer import AdjustmentReads
from services.points.budgets.servicer import BudgetReads
from services.points.documents import PointsConfig
from services.points.gifts import requests as gift_requests
from services.points.gifts.servicer import GiftReads
from services.points.groups.servicer import GroupReads
from services.points.ledger.servicer import LedgerReads
from services.points.partners.servicer import PartnerConversions
from services.points.rebuild.servicer import Rebuilds
from services.points.reports.servicer import Reports
from services.points.seals.servicer import Seals
from services.points.traces.servicer import Traces
from services.points.wallets.servicer import WalletReads
from tessera.points.v1 import completion_pb2, movement_pb2, refund_pb2
from tessera.points.v1 import points_service_pb2 as pb

ERROR_DOMAIN = "points.tessera"


class PointsServicer(
    Simulations,
    ActivityReads,
    WalletReads,
    GiftReads,
    GroupReads,
    AdjustmentReads,
    PartnerConversions,
    BudgetReads,
    LedgerReads,
    Seals,
    Rebuilds,
    Traces,
    Reports,
):
    """Serves `tessera.points.v1.PointsService`."""

    def __init__(self, platform: Platform[PointsConfig]) -> None:
        Simulations.__init__(self, platform)
        ActivityReads.__init__(self, platform)
        WalletReads.__init__(self, platform)
        GiftReads.__init__(self, platform)
        GroupReads.__init__(self, platform)
        AdjustmentReads.__init__(self, platform)
        PartnerConversions.__init__(self, platform)
        BudgetReads.__init__(self, platform)
        LedgerReads.__init__(self, platform)
        Seals.__init__(self, platform)
        Rebuilds.__init__(self, platform)
        Traces.__init__(self, platform)
        Reports.__init__(self, platform)
        self._platform = platform

    async def RecordActivity(self, request: pb.RecordActivityRequest, call: Call) -> Serialised:
        """Record one activity."""
        await self._platform.at_least.wait(request.at_least, call)
        received_at = await self._platform.clock.now()
        command = requests.record_activity(request, call.caller, received_at)
        return await self._one(command, call)

    async def BulkRecordActivities(self, request: pb.BulkRecordActivitiesRequest, call: Call) -> Serialised:
        """Record many."""
        received_at = await self._platform.clock.now()

        def to_command(item: pb.RecordActivityRequest) -> Command:
            return requests.record_activity(item, call.caller, received_at)

        return await self._many(request, to_command, call)

    async def ReverseActivity(self, request: pb.ReverseActivityRequest, call: Call) -> Serialised:
        """Reverse one activity."""
        await self._platform.at_least.wait(request.at_least, call)
        return await self._one(requests.reverse_activity(request, call.caller), call)

    async def RefundActivity(self, request: refund_pb2.RefundActivityRequest, call: Call) -> Serialised:
        """Refund one activity."""
        await self._platform.at_least.wait(request.at_least, call)
        return await self._one(requests.refund_activity(request, call.caller), call)

    async def BulkRefundActivities(self, request: refund_pb2.BulkRefundActivitiesRequest, call: Call) -> Serialised:
        """Refund many."""

        def to_command(item: refund_pb2.RefundActivityRequest) -> Command:
            return requests.refund_activity(item, call.caller)

        return await self._many(request, to_command, call)

    async def CompleteActivity(self, request: completion_pb2.CompleteActivityRequest, call: Call) -> Serialised:
        """Complete one activity."""
        await self._platform.at_least.wait(request.at_least, call)
        return await self._one(requests.complete_activity(request, call.caller), call)

    async def BulkCompleteActivities(
        self, request: completion_pb2.BulkCompleteActivitiesRequest, call: Call
    ) -> Serialised:
        """Complete many."""

        def to_command(item: completion_pb2.CompleteActivityRequest) -> Command:
            return requests.complete_activity(item, call.caller)

        return await self._many(request, to_command, call)

    async def ResolveParkedRefund(self, request: refund_pb2.ResolveParkedRefundRequest, call: Call) -> Serialised:
        """Resolve one parked refund."""
        await self._platform.at_least.wait(request.at_least, call)
        return await self._one(requests.resolve_parked_refund(request, call.caller), call)

    async def Spend(self, request: pb.SpendRequest, call: Call) -> Serialised:
        """Spend once."""
        await self._platform.at_least.wait(request.at_least, call)
        received_at = await self._platform.clock.now()
        return await self._one(requests.spend(request, call.caller, received_at), call)

    async def BulkSpend(self, request: pb.BulkSpendRequest, call: Call) -> Serialised:
        """Spend many times."""
        received_at = await self._platform.clock.now()

        def to_command(item: pb.SpendRequest) -> Command:
            return requests.spend(item, call.caller, received_at)

        return await self._many(request, to_command, call)

    async def Hold(self, request: pb.HoldRequest, call: Call) -> Serialised:
        """Hold once."""
        await self._platform.at_least.wait(request.at_least, call)
        received_at = await self._platform.clock.now()
        return await self._one(requests.place_hold(request, call.caller, received_at), call)

    async def BulkHold(self, request: pb.BulkHoldRequest, call: Call) -> Serialised:
        """Hold many times."""
        received_at = await self._platform.clock.now()

        def to_command(item: pb.HoldRequest) -> Command:
            return requests.place_hold(item, call.caller, received_at)

        return await self._many(request, to_command, call)

    async def CaptureHold(self, request: pb.CaptureHoldRequest, call: Call) -> Serialised:
        """Capture one hold."""
        await self._platform.at_least.wait(request.at_least, call)
        return await self._one(requests.capture_hold(request, call.caller), call)

    async def BulkCaptureHolds(self, request: pb.BulkCaptureHoldsRequest, call: Call) -> Serialised:
        """Capture many."""

        def to_command(item: pb.CaptureHoldRequest) -> Command:
            return requests.capture_hold(item, call.caller)

        return await self._many(request, to_command, call)

    async def ReleaseHold(self, request: pb.ReleaseHoldRequest, call: Call) -> Serialised:
        """Release one hold."""
        await self._platform.at_least.wait(request.at_least, call)
        return await self._one(requests.release_hold(request, call.caller), call)

    async def BulkReleaseHolds(self, request: pb.BulkReleaseHoldsRequest, call: Call) -> Serialised:
        """Release many."""

        def to_command(item: pb.ReleaseHoldRequest) -> Command:
            return requests.release_hold(item, call.caller)

        return await self._many(request, to_command, call)

    async def ExtendHold(self, request: pb.ExtendHoldRequest, call: Call) -> Serialised:
        """Extend one hold."""
        await self._platform.at_least.wait(request.at_least, call)
        return await self._one(requests.extend_hold(request, call.caller), call)

    async def RefundSpend(self, request: pb.RefundSpendRequest, call: Call) -> Serialised:
        """Refund one spend."""
        await self._platform.at_least.wait(request.at_least, call)
        return await self._one(requests.refund_spend(request, call.caller), call)

    async def BulkRefundSpends(self, request: pb.BulkRefundSpendsRequest, call: Call) -> Serialised:
        """Refund many."""

        def to_command(item: pb.RefundSpendRequest) -> Command:
            return requests.refund_spend(item, call.caller)

        return await self._many(request, to_command, call)

    async def Grant(self, request: movement_pb2.GrantRequest, call: Call) -> Serialised:
        """Grant once."""
        await self._platform.at_least.wait(request.at_least, call)
        return await self._one(requests.grant(request, call.caller), call)

    async def BulkGrant(self, request: movement_pb2.BulkGrantRequest, call: Call) -> Serialised:
        """Grant many times."""
        return await self._many(request, lambda item: requests.grant(item, call.caller), call)

    async def Forfeit(self, request: movement_pb2.ForfeitRequest, call: Call) -> Serialised:
        """Forfeit once."""
        await self._platform.at_least.wait(request.at_least, call)
        return await self._one(requests.forfeit(request, call.caller), call)

    async def Convert(self, request: movement_pb2.ConvertRequest, call: Call) -> Serialised:
        """Convert once."""
        await self._platform.at_least.wait(request.at_least, call)
        received_at = await self._platform.clock.now()
        return await self._one(requests.convert(request, call.caller, received_at), call)

    async def BulkConvert(self, request: movement_pb2.BulkConvertRequest, call: Call) -> Serialised:
        """Convert many times."""
        received_at = await self._platform.clock.now()

        def to_command(item: movement_pb2.ConvertRequest) -> Command:
            return requests.convert(item, call.caller, received_at)

        return await self._many(request, to_command, call)

    async def Gift(self, request: pb.GiftRequest, call: Call) -> Serialised:
        """Give to another member."""
        await self._platform.at_least.wait(request.at_least, call)
        received_at = await self._platform.clock.now()
        return await self._one(gift_requests.give(request, call.caller, received_at), call)

    async def AcceptGift(self, request: pb.AcceptGiftRequest, call: Call) -> Serialised:
        """Accept a gift."""
        await self._platform.at_least.wait(request.at_least, call)
        return await self._one(gift_requests.accept_gift(request, call.caller), call)

    async def CancelGift(self, request: pb.CancelGiftRequest, call: Call) -> Serialised:
        """End an offer."""
        await self._platform.at_least.wait(request.at_least, call)
        return await self._one(gift_requests.cancel_gift(request, call.caller), call)

    async def Adjust(self, request: pb.AdjustRequest, call: Call) -> Serialised:
        """Correct a wallet."""
        await self._platform.at_least.wait(request.at_least, call)
        return await self._one(adjustment_requests.adjust(request, call.caller), call)

    async def ResolveAdjustment(self, request: pb.ResolveAdjustmentRequest, call: Call) -> Serialised:
        """Approve or reject an adjustment."""
        await self._platform.at_least.wait(request.at_least, call)
        return await self._one(adjustment_requests.resolve_adjustment(request, call.caller), call)

    async def _one(self, command: Command, call: Call) -> Serialised:
        (outcome,) = await self._submit((command,), call)
        return unary_reply(outcome)

    async def _many(self, request: Any, to_command: Callable[[Any], Command], call: Call) -> Serialised:
        await self._platform.at_least.wait(request.at_least, call)

        async def submit(commands: Sequence[Command]) -> list[Outcome]:
            return await self._submit(commands, call)

        return await bulk_reply(request.requests, to_command, submit, ERROR_DOMAIN)

    async def _submit(self, commands: Sequence[Command], call: Call) -> list[Outcome]:
        return await self._platform.lanes.submit(commands, deadline=call.deadline, traceparent=current_traceparent())
