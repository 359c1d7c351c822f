"""Traces that join the client's, metrics that a scraper reads."""

import asyncio
import socket
import urllib.request
from typing import Any

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from services.chassis.errors import Refused, Rejection
from services.chassis.rpc import Call
from services.chassis.telemetry import Telemetry, current_traceparent, outgoing_trace
from tests.chassis.echo import Echo, Heard, Say
from tests.chassis.edge import refusal, serving

TRACE_ID = "0af7651916cd43dd8448eb211c80319c"
PARENT_ID = "b7ad6b7169203331"
TRACEPARENT = f"00-{TRACE_ID}-{PARENT_ID}-01"

both_transports = pytest.mark.parametrize("transport", ["grpcio", "native"])


class Spans:
    """The spans that a server has ended."""

    def __init__(self) -> None:
        self._exporter = InMemorySpanExporter()
        self.processor = SimpleSpanProcessor(self._exporter)

    def only(self) -> ReadableSpan:
        (span,) = self._exporter.get_finished_spans()
        return span


def sample(telemetry: Telemetry, method: str, code: str) -> float | None:
    labels = {"rpc_method": f"tests.echo.v1.EchoService/{method}", "rpc_grpc_status_code": code}
    return telemetry.registry.get_sample_value("rpc_server_duration_seconds_count", labels)


@both_transports
async def test_a_call_joins_the_trace_of_its_client(transport: str) -> None:
    spans = Spans()
    async with serving(transport=transport, spans_to=spans.processor) as edge:
        await edge.say(Say(text="a"), metadata=(*edge.issuer.bearer(), ("traceparent", TRACEPARENT)))
    span = spans.only()
    assert (span.name, span.kind) == ("tests.echo.v1.EchoService/Say", SpanKind.SERVER)
    assert span.context is not None
    assert span.parent is not None
    assert format(span.context.trace_id, "032x") == TRACE_ID
    assert format(span.parent.span_id, "016x") == PARENT_ID
    assert dict(span.attributes or {}) == {
        "rpc.system": "grpc",
        "rpc.service": "tests.echo.v1.EchoService",
        "rpc.method": "Say",
        "rpc.grpc.status_code": 0,
    }


async def test_what_a_handler_does_belongs_to_its_calls_trace() -> None:
    async def answer(request: Any, call: Call) -> Any:
        assert dict(outgoing_trace())["traceparent"] == current_traceparent()
        return Heard(text=current_traceparent())

    async with serving(Echo(answer), spans_to=Spans().processor) as edge:
        metadata = (*edge.issuer.bearer(), ("traceparent", TRACEPARENT))
        inside, other = await asyncio.gather(edge.say(Say(text="a"), metadata=metadata), edge.say(Say(text="b")))
    assert TRACE_ID in inside.text
    assert PARENT_ID not in inside.text
    assert TRACE_ID not in other.text


async def test_a_nonsensical_traceparent_begins_a_new_trace() -> None:
    spans = Spans()
    async with serving(spans_to=spans.processor) as edge:
        await edge.say(Say(text="a"), metadata=(*edge.issuer.bearer(), ("traceparent", "00-zz-zz-01")))
    assert spans.only().parent is None


async def test_only_a_fault_of_the_server_marks_its_span() -> None:
    async def fail(request: Any, call: Call) -> Any:
        raise ConnectionResetError

    refused, failed = Spans(), Spans()
    async with serving(spans_to=refused.processor) as edge:
        await refusal(edge.say(Say()))
    async with serving(Echo(fail), spans_to=failed.processor) as edge:
        await refusal(edge.say(Say(text="a")))
    assert refused.only().status.status_code is StatusCode.UNSET
    assert failed.only().status.status_code is StatusCode.ERROR
    assert failed.only().events == ()


async def test_work_on_one_fact_continues_its_trace_and_on_several_links_them() -> None:
    spans = Spans()
    async with serving(spans_to=spans.processor) as edge:
        with edge.telemetry.span("follow identity", [TRACEPARENT, TRACEPARENT, ""]):
            pass
        one = spans.only()
    spans = Spans()
    async with serving(spans_to=spans.processor) as edge:
        with edge.telemetry.span("follow identity", [TRACEPARENT, TRACEPARENT.replace("0af", "1bf")]):
            pass
        several = spans.only()
    assert one.parent is not None
    assert format(one.parent.trace_id, "032x") == TRACE_ID
    assert several.parent is None
    assert len(several.links) == 2


async def test_without_a_collector_nothing_is_traced() -> None:
    async def answer(request: Any, call: Call) -> Any:
        return Heard(text=current_traceparent())

    async with serving(Echo(answer)) as edge:
        assert edge.telemetry.tracer is None
        assert (await edge.say(Say(text="a"))).text == ""
        with edge.telemetry.span("follow identity", [TRACEPARENT]) as span:
            assert not span.is_recording()


@both_transports
async def test_every_call_is_counted_under_its_code(transport: str) -> None:
    async def refuse(request: Any, call: Call) -> Any:
        raise Refused(Rejection("NO", "no"))

    async with serving(Echo(refuse), transport=transport) as edge:
        await refusal(edge.say(Say(text="a"), metadata=()))
        await refusal(edge.say(Say()))
        await refusal(edge.say(Say(text="a")))
        [message async for message in edge.repeat(Say(text="a"))]
        assert sample(edge.telemetry, "Say", "UNAUTHENTICATED") == 1
        assert sample(edge.telemetry, "Say", "INVALID_ARGUMENT") == 1
        assert sample(edge.telemetry, "Say", "FAILED_PRECONDITION") == 1
        assert sample(edge.telemetry, "Say", "OK") is None
        assert sample(edge.telemetry, "Repeat", "OK") == 1


async def test_a_scraper_reads_the_metrics() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    async with serving(metrics_listen=address) as edge:
        await edge.say(Say(text="a"))
        page = await asyncio.to_thread(_get, f"http://{address}/metrics")
    assert (
        'rpc_server_duration_seconds_count{rpc_grpc_status_code="OK",rpc_method="tests.echo.v1.EchoService/Say"} 1.0'
        in page
    )
    assert "process_resident_memory_bytes" in page


def _get(url: str) -> str:
    with urllib.request.urlopen(url, timeout=5) as answer:
        return str(answer.read().decode())
