"""The way of every call: telemetry > identity of caller and access > deadline > validation > handler > audit > errors.

What a method needs at each step is prepared once, when the server is built; `_handler` is the order itself.
"""

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, NoReturn, Protocol, cast

import grpc
from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor
from google.protobuf.message import DecodeError, Message
from google.protobuf.message_factory import GetMessageClass
from grpc import StatusCode, aio

from services.chassis.access import AccessPolicy, Caller, permission_of
from services.chassis.audit.auditing import Auditing
from services.chassis.audit.trail import Trail
from services.chassis.errors import Refused, Rejection, bounded_status
from services.chassis.failures import DEADLINE_EXCEEDED, SHUTTING_DOWN, rejection_of
from services.chassis.identification import Identification
from services.chassis.in_flight import CallsInFlight
from services.chassis.logs import call_in_progress
from services.chassis.observation import NO_HEADERS, CallHeaders, MethodTelemetry, read_headers
from services.chassis.telemetry import Telemetry
from services.chassis.validation import MALFORMED_REQUEST, compile_rules, item_rejection

STATUS_DETAILS_KEY = "grpc-status-details-bin"
"""The trailer in which every gRPC client library looks for a google.rpc.Status."""

NO_DEADLINE_S = 1e9
"""More remaining time than this, 31 years, is how a transport says that the client set no deadline."""

Context = aio.ServicerContext[bytes, bytes]
Answer = Callable[[Any, "Call", Context], Awaitable[bytes | None]]


class Response(Protocol):
    """What a handler answers: a message, or what was one and is kept as bytes (`replies.Serialised`)."""

    def SerializeToString(self) -> bytes: ...


class UnservableMethod(Exception):
    """A contract and its servicer do not fit: the server must not start."""


@dataclass(slots=True)
class Call:
    """One call in progress, as its handler sees it.

    `method` is the full name (`tessera.points.v1.PointsService/RecordActivity`); `deadline` is the instant of
    `time.monotonic()`, in seconds, at which nobody waits for the answer any more.
    """

    caller: Caller
    method: str
    deadline: float
    trailing: tuple[tuple[str, str | bytes], ...] = ()
    headers: CallHeaders = NO_HEADERS
    subjects: str | None = None
    """The IDs that the audit trail keeps of it, with spaces between them; None when it keeps nothing."""
    items: int = 0
    """How many items it has, when it is a bulk call that is kept."""

    def remaining_s(self) -> float:
        """Seconds until the deadline, never less than 0."""
        return max(0.0, self.deadline - time.monotonic())

    def add_trailing(self, key: str, value: str | bytes) -> None:
        """Adds trailing metadata to the answer, whether it succeeds or not."""
        self.trailing = (*self.trailing, (key, value))


@dataclass(frozen=True, slots=True)
class Pipeline:
    """What all methods of a server share; durations are seconds."""

    identification: Identification
    policy: AccessPolicy
    telemetry: Telemetry
    in_flight: CallsInFlight
    error_domain: str
    default_deadline_s: float
    max_deadline_s: float
    stream_deadline_s: float
    by_certificate: bool = False
    trail: Trail | None = None
    """The audit trail; None where no call is kept."""


@dataclass(frozen=True, slots=True)
class _Method:
    name: str
    permission: str
    allowed: frozenset[str]
    request_class: type[Message]
    default_deadline_s: float
    max_deadline_s: float
    auditing: Auditing | None


def add_service(server: aio.Server, pipeline: Pipeline, service: ServiceDescriptor, servicer: object) -> None:
    """Serves every method of `service` by the method of `servicer` with the same name.

    Raises UnservableMethod for a method that the servicer lacks or that streams its requests, MissingPermission for
    one without permission.
    """
    handlers = {method.name: _method_handler(pipeline, method, servicer) for method in service.methods}
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service.full_name, handlers),))
    # Registered methods are found without a search, and are the only ones that the native transport serves itself.
    server.add_registered_method_handlers(service.full_name, handlers)


def _method_handler(
    pipeline: Pipeline, method: MethodDescriptor, servicer: object
) -> "grpc.RpcMethodHandler[Any, Any]":
    implementation = getattr(servicer, method.name, None)
    if implementation is None:
        raise UnservableMethod(f"{type(servicer).__name__} has no method {method.name} of {method.full_name}")
    if method.client_streaming:
        raise UnservableMethod(f"{method.full_name} streams its requests, which this server does not support")
    prepared = _prepare(pipeline, method)
    if method.server_streaming:
        answer = _stream(implementation, prepared.auditing)
        return grpc.unary_stream_rpc_method_handler(_handler(pipeline, prepared, answer))
    return grpc.unary_unary_rpc_method_handler(_handler(pipeline, prepared, _unary(implementation, prepared.auditing)))


def _prepare(pipeline: Pipeline, method: MethodDescriptor) -> _Method:
    permission = permission_of(method)
    request_class = GetMessageClass(method.input_type)
    compile_rules(request_class)
    streams = method.server_streaming
    return _Method(
        name=f"{method.containing_service.full_name}/{method.name}",
        permission=permission,
        allowed=pipeline.policy.callers_with(permission),
        request_class=request_class,
        default_deadline_s=pipeline.stream_deadline_s if streams else pipeline.default_deadline_s,
        max_deadline_s=pipeline.stream_deadline_s if streams else pipeline.max_deadline_s,
        auditing=None
        if pipeline.trail is None
        else Auditing(pipeline.trail, method, by_certificate=pipeline.by_certificate),
    )


def _handler(pipeline: Pipeline, method: _Method, answer: Answer) -> Callable[[bytes, Context], Awaitable[Any]]:
    telemetry = MethodTelemetry(pipeline.telemetry, method.name)
    in_flight = pipeline.in_flight
    auditing = method.auditing

    async def serve(payload: bytes, context: Context) -> bytes | None:
        headers = read_headers(context.invocation_metadata())
        observed = telemetry.begin(headers)
        call: Call | None = None
        request: Message | None = None
        in_flight.count += 1
        try:
            if in_flight.is_refusing:
                raise Refused(SHUTTING_DOWN)
            caller = _admit(pipeline.identification, method, headers, context)
            call, is_cut = _with_deadline(method, caller, headers, context.time_remaining())
            request = _parse(method, payload)
            if auditing is not None:
                auditing.begin(call, request)
            if is_cut:
                async with asyncio.timeout_at(call.deadline):
                    reply = await answer(request, call, context)
            else:
                reply = await answer(request, call, context)
        except (Exception, asyncio.CancelledError) as error:
            if _is_abandoned(error):
                observed.end(StatusCode.CANCELLED)
                if auditing is not None and call is not None:
                    auditing.failed(call, StatusCode.CANCELLED, "")
                raise
            rejection = _rejection(error, call)
            if auditing is not None:
                if call is None:
                    auditing.not_admitted(headers, rejection)
                elif request is None:
                    auditing.malformed(call, rejection)
                else:
                    auditing.failed(call, rejection.code, rejection.reason)
            observed.end(rejection.code)
            return await _abort(context, rejection, pipeline.error_domain, call.trailing if call else ())
        finally:
            in_flight.count -= 1
        if call.trailing:
            context.set_trailing_metadata(call.trailing)
        observed.end(StatusCode.OK)
        return reply

    return serve


def _admit(identification: Identification, method: _Method, headers: CallHeaders, context: Context) -> Caller:
    caller = identification.caller(headers.authorization, context)
    if caller.name not in method.allowed:
        raise Refused(
            Rejection(
                "PERMISSION_MISSING",
                f"caller {caller.name} lacks the permission {method.permission}",
                StatusCode.PERMISSION_DENIED,
                {"caller": caller.name, "permission": method.permission},
            )
        )
    call_in_progress.set((caller.name, method.name))
    return caller


def _with_deadline(
    method: _Method, caller: Caller, headers: CallHeaders, remaining_s: float | None
) -> tuple[Call, bool]:
    """The call, and whether its deadline is ours: the client's own is kept by the transport, which ends the task."""
    is_cut = remaining_s is None or remaining_s > method.max_deadline_s
    if remaining_s is None or remaining_s > NO_DEADLINE_S:
        remaining_s = method.default_deadline_s
    elif remaining_s <= 0:
        raise Refused(DEADLINE_EXCEEDED)
    deadline = time.monotonic() + min(remaining_s, method.max_deadline_s)
    return Call(caller, method.name, deadline, headers=headers), is_cut


def _parse(method: _Method, payload: bytes) -> Message:
    try:
        request = method.request_class.FromString(payload)
    except DecodeError:
        raise Refused(MALFORMED_REQUEST) from None
    rejection = item_rejection(request)
    if rejection is not None:
        raise Refused(rejection)
    return request


def _unary(implementation: Callable[[Any, Call], Awaitable[Response]], auditing: Auditing | None) -> Answer:
    async def answer(request: Message, call: Call, context: Context) -> bytes:
        reply = await implementation(request, call)
        if auditing is not None:
            auditing.answered(call, _refused_items(reply) if call.items else 0)
            if auditing.waits:
                await auditing.kept(call.remaining_s())
        return reply.SerializeToString()

    return answer


def _refused_items(reply: Any) -> int:
    """How many items of a bulk call were refused, by a message or by what counted them when it became bytes."""
    if isinstance(reply, Message):
        return sum(result.HasField("error") for result in cast(Any, reply).results)
    return int(reply.refused_items)


def _stream(implementation: Callable[[Any, Call], AsyncGenerator[Message, None]], auditing: Auditing | None) -> Answer:
    async def answer(request: Message, call: Call, context: Context) -> None:
        is_noted = auditing is None
        async with aclosing(implementation(request, call)) as messages:
            async for message in messages:
                if auditing is not None and not is_noted:
                    auditing.answered(call, 0)
                    is_noted = True
                    if auditing.waits:
                        await auditing.kept(call.remaining_s())
                await context.write(message.SerializeToString())
        if auditing is not None and not is_noted:
            auditing.answered(call, 0)

    return answer


def _is_abandoned(error: BaseException) -> bool:
    """Whether the client left or its deadline passed; work that cancelled itself still owes the client an answer."""
    task = asyncio.current_task()
    return isinstance(error, asyncio.CancelledError) and task is not None and task.cancelling() > 0


def _rejection(error: BaseException, call: Call | None) -> Rejection:
    if isinstance(error, TimeoutError) and call is not None and call.remaining_s() == 0.0:
        return DEADLINE_EXCEEDED
    return rejection_of(error)


async def _abort(
    context: Context, rejection: Rejection, error_domain: str, trailing: tuple[tuple[str, str | bytes], ...]
) -> NoReturn:
    """Ends the call by `abort`, not by `abort_with_status`, which tools that wrap the context do not see."""
    status = bounded_status(rejection, error_domain)
    details = (STATUS_DETAILS_KEY, status.SerializeToString())
    await context.abort(rejection.code, status.message, trailing_metadata=(*trailing, details))
