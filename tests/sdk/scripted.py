"""A service that answers as it is told, over a real socket: for answers that real services rarely give."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import grpc
from google.protobuf.message import Message
from google.rpc import status_pb2

from services.chassis.errors import CODES_BY_NUMBER, Rejection, to_status
from tessera.client import Client
from tessera.errors import STATUS_DETAILS_KEY

Answer = Message | Rejection | Sequence[Message]
Answers = Callable[[str, bytes], Answer]
STREAMS = ("VerifyLedger",)


@dataclass
class Scripted:
    """A running fake and what it was asked: method, request, metadata."""

    address: str = ""
    asked: list[tuple[str, bytes, dict[str, Any]]] = field(default_factory=list)

    def requests(self, kind: type[Any]) -> list[Any]:
        """All requests so far, as messages of one kind."""
        return [kind.FromString(payload) for _, payload, _ in self.asked]


class _Handler(grpc.GenericRpcHandler):
    def __init__(self, scripted: Scripted, answers: Answers) -> None:
        self._scripted = scripted
        self._answers = answers

    def service(self, details: grpc.HandlerCallDetails) -> "grpc.RpcMethodHandler[bytes, bytes]":
        name = details.method.rpartition("/")[2]

        async def serve(payload: bytes, context: grpc.aio.ServicerContext[bytes, bytes]) -> bytes:
            self._scripted.asked.append((name, payload, dict(context.invocation_metadata() or ())))
            answer = self._answers(name, payload)
            if isinstance(answer, Rejection):
                await _abort(context, to_status(answer, "identity.tessera"))
            assert isinstance(answer, Message)
            return answer.SerializeToString()

        async def stream(payload: bytes, context: grpc.aio.ServicerContext[bytes, bytes]) -> AsyncIterator[bytes]:
            answers = self._answers(name, payload)
            assert isinstance(answers, Sequence)
            for answer in answers:
                yield answer.SerializeToString()

        if name in STREAMS:
            return grpc.unary_stream_rpc_method_handler(stream)  # type: ignore[arg-type]  # bytes in, bytes out
        return grpc.unary_unary_rpc_method_handler(serve)  # type: ignore[arg-type]  # bytes in, bytes out


async def _abort(context: grpc.aio.ServicerContext[bytes, bytes], status: status_pb2.Status) -> None:
    details = ((STATUS_DETAILS_KEY, status.SerializeToString()),)
    await context.abort(CODES_BY_NUMBER[status.code], status.message, trailing_metadata=details)


@asynccontextmanager
async def scripted(answers: Answers) -> AsyncIterator[Scripted]:
    """A fake that serves any method; a Rejection among the answers fails the call."""
    made = Scripted()
    server = grpc.aio.server()
    server.add_generic_rpc_handlers((_Handler(made, answers),))
    made.address = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    await server.start()
    try:
        yield made
    finally:
        await server.stop(None)


@asynccontextmanager
async def client_of(*services: tuple[str, Scripted], timeout_s: float = 5.0) -> AsyncIterator[Client]:
    """A client of fakes."""
    async with Client({name: fake.address for name, fake in services}, "token", timeout_s) as client:
        yield client


def in_turn(*answers: Answer) -> Answers:
    """One answer after the other, whatever is asked; the last one for ever."""
    left = list(answers)

    def answer(name: str, payload: bytes) -> Answer:
        return left.pop(0) if len(left) > 1 else left[0]

    return answer
