"""Conversions with partners: begun through a lane, gone on with at the partner, read."""

from uuid import UUID

from services.chassis.app import Platform
from services.chassis.errors import Refused
from services.chassis.operations import Command
from services.chassis.partitions import partition_of
from services.chassis.replies import Serialised, unary_reply
from services.chassis.rpc import Call
from services.chassis.telemetry import current_traceparent
from services.points.documents import PointsConfig
from services.points.partners import errors, legs, loading, requests, wire
from services.points.partners.values import PartnerConversion, State
from services.points.requests import decode
from tessera.points.v1 import partner_conversion_pb2 as pb

DEFAULT_PAGE = 100
_FIRST = UUID(int=0)


class PartnerConversions:
    """The methods of the contract about conversions with partners."""

    def __init__(self, platform: Platform[PointsConfig]) -> None:
        self._platform = platform

    async def ConvertWithPartner(
        self, request: pb.ConvertWithPartnerRequest, call: Call
    ) -> pb.ConvertWithPartnerResponse:
        """Begin a conversion, and go on with it as far as the partner answers in time."""
        await self._platform.at_least.wait(request.at_least, call)
        received_at = await self._platform.clock.now()
        command = requests.convert_with_partner(request, call.caller, received_at)
        answer = pb.ConvertWithPartnerResponse.FromString((await self._decided(command, call)).answer)
        if not command.validate_only:
            changed = await self._gone_on(answer.conversion.partner_conversion_id, call)
            answer.conversion.CopyFrom(wire.conversion_message(changed))
        return answer

    async def ReconcilePartnerConversion(
        self, request: pb.ReconcilePartnerConversionRequest, call: Call
    ) -> pb.ReconcilePartnerConversionResponse:
        """Ask the partner now."""
        await self._platform.at_least.wait(request.at_least, call)
        changed = await self._gone_on(request.partner_conversion_id, call)
        return pb.ReconcilePartnerConversionResponse(conversion=wire.conversion_message(changed))

    async def SettlePartnerConversion(self, request: pb.SettlePartnerConversionRequest, call: Call) -> Serialised:
        """Settle a conversion by decision."""
        await self._platform.at_least.wait(request.at_least, call)
        return await self._decided(requests.settle_partner_conversion(request, call.caller), call)

    async def GetPartnerConversion(
        self, request: pb.GetPartnerConversionRequest, call: Call
    ) -> pb.GetPartnerConversionResponse:
        """One conversion."""
        await self._platform.at_least.wait(request.at_least, call)
        conversion_id = decode("partnerconversion", request.partner_conversion_id, "partner_conversion_id")
        partition = partition_of(conversion_id, self._platform.settings.partitions)
        found = await loading.partner_conversion(self._platform.pool, partition, conversion_id)
        return pb.GetPartnerConversionResponse(conversion=_message(found, request.partner_conversion_id))

    async def ListPartnerConversions(
        self, request: pb.ListPartnerConversionsRequest, call: Call
    ) -> pb.ListPartnerConversionsResponse:
        """A page of those that are so far."""
        await self._platform.at_least.wait(request.at_least, call)
        tokens, size = self._platform.page_tokens, request.page_size or DEFAULT_PAGE
        cursor = tokens.decode(request.page_token, call.method, call.caller.name, request)
        after = UUID(str(cursor[0])) if cursor else _FIRST
        partitions = range(self._platform.settings.partitions)
        found = await loading.in_state(self._platform.pool, partitions, State(request.state), after, size + 1)
        response = pb.ListPartnerConversionsResponse(conversions=map(wire.conversion_message, found[:size]))
        if len(found) > size:
            place = (str(found[size - 1].partner_conversion_id),)
            response.next_page_token = tokens.encode(call.method, call.caller.name, request, place)
        return response

    async def _decided(self, command: Command, call: Call) -> Serialised:
        (outcome,) = await self._platform.lanes.submit(
            (command,), deadline=call.deadline, traceparent=current_traceparent()
        )
        return unary_reply(outcome)

    async def _gone_on(self, text: str, call: Call) -> PartnerConversion:
        conversion_id = decode("partnerconversion", text, "partner_conversion_id")
        changed = await legs.go_on(self._platform, conversion_id, call.remaining_s())
        if changed is None:
            raise Refused(errors.partner_conversion_unknown(text))
        return changed


def _message(conversion: PartnerConversion | None, text: str) -> pb.PartnerConversion:
    if conversion is None:
        raise Refused(errors.partner_conversion_unknown(text))
    return wire.conversion_message(conversion)
