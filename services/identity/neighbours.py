"""The other services, as identity asks them about a member before it is merged, unmerged or erased."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

from grpc import RpcError

from services.chassis.certificates import Certificates, Connection
from services.chassis.errors import Refused
from services.chassis.rpc import Call
from services.identity.merges import errors
from tessera.records.v1 import member_records_pb2_grpc

Answer = TypeVar("Answer")
Stub = member_records_pb2_grpc.MemberRecordsServiceStub


class Neighbours:
    """The services that hold records of members, by name."""

    def __init__(
        self, addresses: Mapping[str, str], token_file: Path | None, certificates: Certificates | None
    ) -> None:
        self._addresses = addresses
        self._token_file = token_file
        self._certificates = certificates

    async def ask(self, question: Callable[[Any], Awaitable[Answer]]) -> dict[str, Answer]:
        """What each of them answers; `question` calls a method of its stub. Raises Refused (NEIGHBOUR_UNAVAILABLE)."""
        answers = await asyncio.gather(*(self._ask(service, question) for service in self._addresses))
        return dict(zip(self._addresses, answers, strict=True))

    async def _ask(self, service: str, question: Callable[[Any], Awaitable[Answer]]) -> Answer:
        async with self.stub(service) as stub:
            try:
                return await question(stub)
            except RpcError as error:
                raise Refused(errors.neighbour_unavailable(service)) from error

    @property
    def names(self) -> Sequence[str]:
        """All of them."""
        return list(self._addresses)

    @asynccontextmanager
    async def stub(self, service: str) -> AsyncIterator[Any]:
        """The stub of one of them, on a channel of its own: they are asked rarely."""
        options = [("grpc.use_local_subchannel_pool", 1)]
        connection = Connection(self._addresses[service], self._certificates, options)
        try:
            yield Stub(await connection.channel())
        finally:
            await connection.close()

    def options(self, call: Call) -> dict[str, Any]:
        """How a call of theirs is made for one of ours, in the time that is left."""
        return self.options_within(call.remaining_s())

    def options_within(self, timeout_s: float) -> dict[str, Any]:
        """How a call of theirs is made, in identity's own name."""
        metadata = (
            () if self._token_file is None else (("authorization", f"Bearer {self._token_file.read_text().strip()}"),)
        )
        return {"timeout": timeout_s, "metadata": metadata}
