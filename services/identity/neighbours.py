"""The services that follow identity, as it asks them: what they hold on a member, and what would become of it.

Merges, erasures and exports are rare, so a channel lives as long as the question.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import structlog
from grpc import RpcError, aio

from services.chassis.errors import Refused
from services.chassis.rpc import Call
from services.chassis.telemetry import outgoing_trace
from services.identity.privacy import errors
from tessera.records.v1 import member_records_pb2 as pb
from tessera.records.v1.member_records_pb2_grpc import MemberRecordsServiceStub
from tessera.type.v1 import position_pb2

_LOG = structlog.stdlib.get_logger(__name__)

ANSWER_MARGIN_S = 0.1
"""Kept of a call's time, so that who asked learns which service did not answer."""


class Neighbours:
    """Asks each of the services that hold records of members. Raises Refused (RECORDS_UNAVAILABLE) for one that does
    not answer: what nobody looked at, nobody may call unhindered or complete."""

    def __init__(self, addresses: Mapping[str, str], token_file: Path | None, max_message_bytes: int) -> None:
        """`addresses` of the services by name."""
        self._addresses = addresses
        self._token_file = token_file
        self._options = [("grpc.max_receive_message_length", max_message_bytes)]

    async def preview_erasure(
        self, member_id: str, at_least: Sequence[position_pb2.Position], call: Call
    ) -> dict[str, pb.PreviewErasureResponse]:
        """What an erasure would do in each service, and what is in its way there."""
        request = pb.PreviewErasureRequest(member_id=member_id, at_least=at_least)

        async def ask(service: str) -> pb.PreviewErasureResponse:
            async with self._stub(service) as stub:
                answer: pb.PreviewErasureResponse = await stub.PreviewErasure(
                    request, timeout=_timeout_s(call), metadata=self._metadata()
                )
                return answer

        answers = await asyncio.gather(*map(ask, self._addresses))
        return dict(zip(self._addresses, answers, strict=True))

    async def export_member(
        self, member_id: str, at_least: Sequence[position_pb2.Position], call: Call
    ) -> AsyncIterator[pb.ExportMemberResponse]:
        """Every record that the services hold, one after the other; none is kept here."""
        request = pb.ExportMemberRequest(member_id=member_id, at_least=at_least)
        for service in self._addresses:
            async with self._stub(service) as stub:
                async for record in stub.ExportMember(request, timeout=_timeout_s(call), metadata=self._metadata()):
                    yield record

    @asynccontextmanager
    async def _stub(self, service: str) -> AsyncIterator[MemberRecordsServiceStub]:
        try:
            async with aio.insecure_channel(self._addresses[service], options=self._options) as channel:
                yield MemberRecordsServiceStub(channel)
        except RpcError as error:
            _LOG.warning("records not available", neighbour=service, code=getattr(error, "code", lambda: None)())
            raise Refused(errors.records_unavailable(service)) from None

    def _metadata(self) -> tuple[tuple[str, str], ...]:
        """The token is read again each time, so that a rotated one is picked up."""
        if self._token_file is None:
            return outgoing_trace()
        return (("authorization", f"Bearer {self._token_file.read_text().strip()}"), *outgoing_trace())


def _timeout_s(call: Call) -> float:
    return max(0.0, call.remaining_s() - ANSWER_MARGIN_S)
