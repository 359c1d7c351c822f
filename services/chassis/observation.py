"""One call as telemetry sees it: its headers, its span, its duration and its code."""

import time
from collections.abc import Callable, Iterable
from typing import NamedTuple

from grpc import StatusCode
from opentelemetry import trace
from opentelemetry.context import attach
from opentelemetry.trace import Span, Status

from services.chassis.telemetry import Telemetry, start_call_span

SERVER_FAULTS = frozenset(
    {
        StatusCode.UNKNOWN,
        StatusCode.DEADLINE_EXCEEDED,
        StatusCode.UNIMPLEMENTED,
        StatusCode.INTERNAL,
        StatusCode.UNAVAILABLE,
        StatusCode.DATA_LOSS,
    }
)
"""Codes that mark a server span as failed, by OpenTelemetry's semantic conventions; the others blame the request."""


class CallHeaders(NamedTuple):
    """What the pipeline reads from a call's metadata."""

    authorization: str | bytes | None
    traceparent: str
    tracestate: str


NO_HEADERS = CallHeaders(None, "", "")


class Observation:
    """The measurement of one call, from its arrival to `end`."""

    __slots__ = ("_method", "_span", "_started")

    def __init__(self, method: "MethodTelemetry", span: Span | None) -> None:
        self._started = time.perf_counter()
        self._method = method
        self._span = span

    def end(self, code: StatusCode) -> None:
        """Records the call with the code that its client receives."""
        self._method.record(code, time.perf_counter() - self._started)
        if self._span is None:
            return
        self._span.set_attribute("rpc.grpc.status_code", int(code.value[0]))
        if code in SERVER_FAULTS:
            self._span.set_status(Status(trace.StatusCode.ERROR))
        self._span.end()


class MethodTelemetry:
    """Span name, attributes and histogram series of one method, made once."""

    def __init__(self, telemetry: Telemetry, method: str) -> None:
        service, _, name = method.rpartition("/")
        self._method = method
        self._attributes = {"rpc.system": "grpc", "rpc.service": service, "rpc.method": name}
        self._tracer = telemetry.tracer
        self._durations = telemetry.call_durations
        self._record_ok: Callable[[float], None] | None = None

    def begin(self, headers: CallHeaders) -> Observation:
        """Starts to measure a call; its span is current for the task that serves it."""
        if self._tracer is None:
            return Observation(self, None)
        span = start_call_span(self._tracer, self._method, self._attributes, headers.traceparent, headers.tracestate)
        attach(trace.set_span_in_context(span))  # ends with the task, of which each call has its own
        return Observation(self, span)

    def record(self, code: StatusCode, duration_s: float) -> None:
        """Counts a call; the usual code is recorded without a look-up."""
        if code is not StatusCode.OK:
            self._durations.recorder(self._method, code.name)(duration_s)
            return
        if self._record_ok is None:
            self._record_ok = self._durations.recorder(self._method, code.name)
        self._record_ok(duration_s)


def read_headers(metadata: Iterable[tuple[str, str | bytes]] | None) -> CallHeaders:
    """The headers that matter, in one pass; two authorizations are as good as none."""
    authorization: str | bytes | None = None
    traceparent = tracestate = ""
    for key, value in metadata or ():
        if key == "authorization":
            authorization = value if authorization is None else ""
        elif key == "traceparent":
            traceparent = str(value)
        elif key == "tracestate":
            tracestate = str(value)
    return CallHeaders(authorization, traceparent, tracestate)
