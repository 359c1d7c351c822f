"""Reading gifts."""

from services.chassis.app import Platform
from services.chassis.errors import Refused
from services.chassis.partitions import partition_of
from services.chassis.rpc import Call
from services.points.documents import PointsConfig
from services.points.gifts import errors, reads, rules, wire
from services.points.requests import decode
from tessera.points.v1 import points_service_pb2 as pb


class GiftReads:
    """The methods of the contract that read gifts."""

    def __init__(self, platform: Platform[PointsConfig]) -> None:
        self._platform = platform

    async def GetGift(self, request: pb.GetGiftRequest, call: Call) -> pb.GetGiftResponse:
        """One gift."""
        await self._platform.at_least.wait(request.at_least, call)
        gift_id = decode("gift", request.gift_id, "gift_id")
        partition = partition_of(gift_id, self._platform.settings.partitions)
        gift = await reads.gift(self._platform.pool, partition, gift_id)
        if gift is None:
            raise Refused(errors.gift_unknown(request.gift_id))
        state = rules.state_at(gift, await self._platform.clock.now())
        return pb.GetGiftResponse(gift=wire.gift_message(gift, state))
