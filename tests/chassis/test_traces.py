"""One trace from the call that caused something to the service that follows, and on to whoever follows that."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.trace import SpanKind

from services.chassis.telemetry import start_telemetry
from tessera.events.v1 import event_feed_pb2, journal_pb2
from tests.chassis.house import Calls, ledger_suite
from tests.chassis.ledger_lanes import account
from tests.support.suite import Suite

TRACE_ID = 0x0AF7651916CD43DD8448EB211C80319C
TRACEPARENT = f"00-{TRACE_ID:032x}-b7ad6b7169203331-01"
OTHER_TRACE_ID = 0x1BF7651916CD43DD8448EB211C80319D
OTHER_TRACEPARENT = f"00-{OTHER_TRACE_ID:032x}-c7ad6b7169203331-01"


class Spans(SpanExporter):
    """The spans that ended, also those of services that were stopped."""

    def __init__(self) -> None:
        self.ended: list[ReadableSpan] = []

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        self.ended.extend(spans)
        return SpanExportResult.SUCCESS

    def named(self, name: str, kind: SpanKind) -> list[ReadableSpan]:
        return [span for span in self.ended if span.name.endswith(name) and span.kind is kind]


@asynccontextmanager
async def traced_suite() -> AsyncIterator[tuple[Suite, Spans]]:
    """A ledger and its mirror, with the spans of both."""
    spans = Spans()
    async with ledger_suite("ledger", "mirror") as suite:
        for service in ("mirror", "ledger"):
            await suite.stop(service)
        for service in ("ledger", "mirror"):
            telemetry = start_telemetry(suite.settings(service), SimpleSpanProcessor(spans))
            await suite.start(service, telemetry)
            await suite.channel(service).channel_ready()
        yield suite, spans


async def test_what_a_call_caused_elsewhere_belongs_to_its_trace() -> None:
    async with traced_suite() as (suite, spans):
        await Calls(suite).move(account(), 5, "r", metadata=(("traceparent", TRACEPARENT),))
        await suite.drain()
        (span,) = spans.named("follow ledger", SpanKind.CONSUMER)
    (server,) = spans.named("/Move", SpanKind.SERVER)
    assert span.context is not None
    assert span.parent is not None
    assert server.context is not None
    assert (span.context.trace_id, span.parent.span_id) == (TRACE_ID, server.context.span_id)


async def test_what_several_calls_caused_is_linked_to_each() -> None:
    owner = account()
    async with traced_suite() as (suite, spans):
        await suite.stop("mirror")
        for number, traceparent in enumerate((TRACEPARENT, OTHER_TRACEPARENT)):
            await Calls(suite).move(owner, 5, str(number), metadata=(("traceparent", traceparent),))
        telemetry = start_telemetry(suite.settings("mirror"), SimpleSpanProcessor(spans))
        await suite.start("mirror", telemetry)
        await suite.drain()
        (span,) = spans.named("follow ledger", SpanKind.CONSUMER)
    assert {link.context.trace_id for link in span.links} == {TRACE_ID, OTHER_TRACE_ID}
    assert span.context is not None
    assert span.context.trace_id not in (TRACE_ID, OTHER_TRACE_ID)


async def test_a_record_carries_the_traces_of_the_calls_it_served() -> None:
    async with traced_suite() as (suite, _):
        await Calls(suite).move(account(0), 5, "r", metadata=(("traceparent", TRACEPARENT),))
        (traceparent,) = await carried(suite)
    assert traceparent.startswith(f"00-{TRACE_ID:032x}-")


async def carried(suite: Suite) -> list[str]:
    """The traces in the only record of partition 0."""
    request = event_feed_pb2.ReadRequest(cursors=[event_feed_pb2.Cursor(partition=0)])
    (record,) = (await suite.feed("ledger").Read(request)).records
    return list(journal_pb2.Journal.FromString(record.payload).traceparents)


async def test_a_trace_that_nobody_records_is_not_carried() -> None:
    async with traced_suite() as (suite, _):
        await Calls(suite).move(account(0), 5, "r", metadata=(("traceparent", f"{TRACEPARENT[:-2]}00"),))
        assert await carried(suite) == []


async def test_without_tracing_nothing_is_carried() -> None:
    async with ledger_suite() as suite:
        await Calls(suite).move(account(0), 5, "r", metadata=(("traceparent", TRACEPARENT),))
        assert await carried(suite) == []
