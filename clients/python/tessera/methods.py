"""One call, done well: deadline, request ids, position tokens, retries, and errors as exceptions."""

import asyncio
import importlib
import random
import sys
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Generic, TypeVar

import grpc
from google.protobuf import descriptor_pool
from google.protobuf.descriptor import Descriptor, MethodDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from tessera import positions
from tessera.errors import Error, error_of_call
from tessera.positions import Positions

FIRST_PAUSE_S = 0.05
LONGEST_PAUSE_S = 2.0
"""A service that restarts is back within a second or two; asking more often than this would only slow it down."""

PATIENT_DEADLINE_S = 60.0
"""Deadline of the methods that may take long; the services cut longer ones to this."""

STREAM_DEADLINE_S = 3600.0

_PATIENT = frozenset({"AdvanceClock", "PublishDocuments", "RestoreVersion"})

Reply = TypeVar("Reply", bound=Message)
Metadata = Sequence[tuple[str, str | bytes]]


@dataclass(frozen=True, slots=True)
class Session:
    """What all calls of one client share; `timeout_s` is the deadline of a call that names none."""

    credentials: tuple[tuple[str, str], ...]
    positions: Positions
    timeout_s: float


class Method(Generic[Reply]):
    """A unary method of one service.

    It is sent again when the service was not available, as long as the deadline allows. That is safe: every request
    that changes something carries a request id, filled in here when it is empty, and the others only read. The id is
    written into the message given, so that sending the same message later is a retry, too.
    """

    def __init__(
        self, service: str, descriptor: MethodDescriptor, call: Callable[..., Awaitable[Reply]], session: Session
    ) -> None:
        self._service = service
        self._call = call
        self._session = session
        self._identify = _identifier(descriptor.input_type)
        self._request_class = GetMessageClass(descriptor.input_type)
        self._takes_positions = "at_least" in descriptor.input_type.fields_by_name
        self._note = _noter(descriptor.output_type)
        self._timeout_s = PATIENT_DEADLINE_S if descriptor.name in _PATIENT else session.timeout_s

    async def __call__(
        self,
        request: Any,
        *,
        timeout: float | None = None,  # noqa: ASYNC109  # what generated stubs call it
        metadata: Metadata = (),
    ) -> Reply:
        """The answer; raises `Error`. `timeout` is the deadline in seconds, retries included."""
        if self._identify is not None:
            self._identify(request)
        payload = request.SerializeToString()
        asked = self._missing(request)
        if asked:
            # Two serialised messages in a row are one message with the fields of both.
            payload += self._request_class(at_least=positions.messages(asked)).SerializeToString()
        reply = await self.send(payload, timeout_s=timeout, metadata=metadata)
        if asked:
            self._session.positions.confirm(self._service, asked)
        if self._note is not None:
            self._note(self._session.positions, reply)
        return reply

    async def send(self, payload: bytes, *, timeout_s: float | None = None, metadata: Metadata = ()) -> Reply:
        """As a call, for a request that is serialised and complete: nothing is filled in, no positions are noted."""
        deadline = time.monotonic() + (self._timeout_s if timeout_s is None else timeout_s)
        headers = (*self._session.credentials, *metadata, *_trace_headers())
        longest_pause_s = FIRST_PAUSE_S
        while True:
            try:
                return await self._call(payload, timeout=max(0.0, deadline - time.monotonic()), metadata=headers)
            except grpc.aio.AioRpcError as failure:
                error = error_of_call(failure)
            pause_s = _pause_s(error, longest_pause_s)
            if pause_s is None or time.monotonic() + pause_s >= deadline:
                raise error
            await asyncio.sleep(pause_s)
            longest_pause_s = min(longest_pause_s * 2, LONGEST_PAUSE_S)

    def _missing(self, request: Any) -> dict[positions.Place, int]:
        if not self._takes_positions or request.at_least:
            return {}
        return self._session.positions.missing(self._service)


class StreamMethod(Generic[Reply]):
    """A method that answers with a stream. A broken stream is not taken up again: it would repeat what it has told."""

    def __init__(self, call: Callable[..., Any], session: Session) -> None:
        self._call = call
        self._session = session

    async def __call__(
        self,
        request: Any,
        *,
        timeout: float = STREAM_DEADLINE_S,  # noqa: ASYNC109  # what generated stubs call it
        metadata: Metadata = (),
    ) -> AsyncIterator[Reply]:
        """Yields the answers; raises `Error`."""
        headers = (*self._session.credentials, *metadata, *_trace_headers())
        try:
            async for reply in self._call(request.SerializeToString(), timeout=timeout, metadata=headers):
                yield reply
        except grpc.aio.AioRpcError as failure:
            raise error_of_call(failure) from None


class MethodChannel:
    """What a generated stub takes for a channel: it makes each of the stub's methods one of the above."""

    def __init__(self, service: str, channel: grpc.aio.Channel, session: Session) -> None:
        self._service = service
        self._channel = channel
        self._session = session

    def unary_unary(self, path: str, **options: Any) -> Method[Any]:
        """The method of this path, of the stub's own serialisers only the answer's."""
        call: Any = self._channel.unary_unary(
            path, request_serializer=None, response_deserializer=options["response_deserializer"]
        )
        return Method(self._service, _descriptor(path), call, self._session)

    def unary_stream(self, path: str, **options: Any) -> StreamMethod[Any]:
        """As `unary_unary`, for a method that answers with a stream."""
        call: Any = self._channel.unary_stream(
            path, request_serializer=None, response_deserializer=options["response_deserializer"]
        )
        return StreamMethod(call, self._session)


def _descriptor(path: str) -> MethodDescriptor:
    pool: Any = descriptor_pool.Default()
    method: MethodDescriptor = pool.FindMethodByName(path.strip("/").replace("/", "."))
    return method


def _identifier(request: Descriptor) -> Callable[[Any], None] | None:
    """What fills the request ids of a request in; None for one that has none."""
    if "request_id" in request.fields_by_name:
        return _identify
    items = request.fields_by_name.get("requests")
    item = items.message_type if items is not None else None
    return _identify_items if item is not None and "request_id" in item.fields_by_name else None


def _identify(request: Any) -> None:
    if not request.request_id:
        request.request_id = str(uuid.uuid4())


def _identify_items(request: Any) -> None:
    for item in request.requests:
        _identify(item)


def _noter(reply: Descriptor) -> Callable[[Positions, Any], None] | None:
    """What remembers the positions of an answer; None for one that names none."""
    if fields := positions.position_fields(reply):
        return partial(positions.note_answer, fields=fields, lists=positions.lists_of_positions(reply))
    results = reply.fields_by_name.get("results")
    result = results.message_type if results else None
    response = result.fields_by_name.get("response") if result else None
    answer = response.message_type if response else None
    return positions.note_results if answer and positions.position_fields(answer) else None


def _pause_s(error: Error, longest_s: float) -> float | None:
    """How long to wait before the same request is sent again; None when that would not help.

    RetryInfo is the least; the rest is spread at random, so that many clients do not come back in step.
    """
    overloaded = error.code is grpc.StatusCode.RESOURCE_EXHAUSTED and error.retry_after is not None
    if error.code is not grpc.StatusCode.UNAVAILABLE and not overloaded:
        return None
    least_s = error.retry_after.total_seconds() if error.retry_after is not None else 0.0
    return least_s + random.uniform(0.0, longest_s)


def _trace_headers() -> tuple[tuple[str, str], ...]:
    """The W3C trace context of the current span, in programs that use OpenTelemetry."""
    if sys.modules.get("opentelemetry") is None:
        return ()
    carrier: dict[str, str] = {}
    importlib.import_module("opentelemetry.propagate").inject(carrier)
    return tuple(carrier.items())
