"""What a process tells about itself: traces to a collector, metrics to whoever scrapes them.

Metrics are kept with prometheus_client, where a measurement costs a tenth of one in OpenTelemetry's SDK. Tracing that
is switched off costs a call nothing.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from itertools import accumulate

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Link, Span, SpanKind
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector
from prometheus_client import start_http_server as serve_metrics
from prometheus_client.core import HistogramMetricFamily
from prometheus_client.registry import Collector

from services.chassis.settings import ServiceSettings, split_host_port

RPC_BUCKETS_S = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 60.0)
"""From a read out of memory to the longest deadline of a unary call."""

_W3C = TraceContextTextMapPropagator()


class CallDurations(Collector):
    """Histograms of call durations by method and code, one measurement a call: a tenth of the library's cost.

    Measured on the event loop alone; a scraper's thread reads figures that may be one call apart.
    """

    def __init__(self) -> None:
        self._series: dict[tuple[str, str], tuple[list[int], list[float]]] = {}

    def recorder(self, method: str, code: str) -> Callable[[float], None]:
        """Adds durations in seconds to one series."""
        counts, total_s = self._series.setdefault((method, code), ([0] * (len(RPC_BUCKETS_S) + 1), [0.0]))

        def record(duration_s: float) -> None:
            counts[bisect_left(RPC_BUCKETS_S, duration_s)] += 1
            total_s[0] += duration_s

        return record

    def collect(self) -> Iterator[HistogramMetricFamily]:
        """The series as Prometheus reads them: counts up to each bound."""
        family = HistogramMetricFamily(
            "rpc_server_duration_seconds",
            "Time from a call's arrival in the handler to its answer.",
            labels=("rpc_method", "rpc_grpc_status_code"),
        )
        bounds = [*map(str, RPC_BUCKETS_S), "+Inf"]
        for labels, (counts, total_s) in list(self._series.items()):
            family.add_metric(labels, list(zip(bounds, accumulate(counts), strict=True)), total_s[0])
        yield family


class MetricsError(Exception):
    """/metrics cannot be served where the settings say."""


class Telemetry:
    """Tracer and metrics of one process.

    `tracer` is None when tracing is off; `registry` holds the metrics of every module of the process.
    """

    def __init__(self, tracing: TracerProvider | None) -> None:
        self._tracing = tracing
        self._stop_serving: Callable[[], None] | None = None
        self.tracer = tracing.get_tracer("services.chassis") if tracing else None
        self.registry = CollectorRegistry()
        for collector in (ProcessCollector, PlatformCollector, GCCollector):
            collector(registry=self.registry)
        self.call_durations = CallDurations()
        self.registry.register(self.call_durations)

    def serve_metrics(self, host: str, port: int) -> int:
        """Serves /metrics from a thread until `close`; returns the port, which the system chooses for 0.

        Raises MetricsError when the address cannot be had.
        """
        try:
            server, thread = serve_metrics(port, host, self.registry)
        except OSError as error:
            raise MetricsError(f"cannot serve metrics on {host}:{port}: {error}") from error

        def stop() -> None:
            server.shutdown()
            server.server_close()
            thread.join()

        self._stop_serving = stop
        return int(server.server_port)

    @contextmanager
    def span(self, name: str, traceparents: Iterable[str] = ()) -> Iterator[Span]:
        """A span around work that no call is waiting for, such as a batch of another service's events.

        One `traceparent` is continued; several are linked, since a span has one parent.
        """
        if self.tracer is None:
            yield trace.INVALID_SPAN
            return
        parents = [_remote(parent) for parent in dict.fromkeys(traceparents) if parent]
        links = [Link(trace.get_current_span(parent).get_span_context()) for parent in parents]
        context = parents[0] if len(parents) == 1 else None
        with self.tracer.start_as_current_span(
            name,
            context,
            SpanKind.CONSUMER,
            links=links if len(links) > 1 else None,
            record_exception=False,
            set_status_on_exception=False,
        ) as span:
            yield span

    def close(self) -> None:
        """Sends what is not yet sent and stops serving metrics; blocks for as long as the collector takes."""
        if self._stop_serving is not None:
            self._stop_serving()
        if self._tracing is not None:
            self._tracing.shutdown()


def start_telemetry(settings: ServiceSettings, spans_to: SpanProcessor | None = None) -> Telemetry:
    """Telemetry as the settings say; `spans_to` receives the spans instead of the collector."""
    processor = spans_to
    if processor is None and settings.otlp_endpoint is not None:
        processor = _to_collector(settings.otlp_endpoint)
    telemetry = Telemetry(_tracing(settings.service, processor) if processor else None)
    if settings.metrics_listen:
        host, port = split_host_port(settings.metrics_listen)
        telemetry.serve_metrics(host, port + (settings.worker_index or 0))
    return telemetry


def _to_collector(endpoint: str) -> SpanProcessor:
    """What sends spans to a collector; imported late, since it is large and most processes have none."""
    from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter

    return BatchSpanProcessor(OTLPSpanExporter(endpoint=endpoint))


def _tracing(service: str, processor: SpanProcessor) -> TracerProvider:
    provider = TracerProvider(resource=Resource.create({"service.name": service}))
    provider.add_span_processor(processor)
    return provider


def start_call_span(
    tracer: trace.Tracer, name: str, attributes: Mapping[str, str], traceparent: str, tracestate: str
) -> Span:
    """The server span of one call, continuing the client's trace, and current until the call's task ends."""
    context = _W3C.extract({"traceparent": traceparent, "tracestate": tracestate}) if traceparent else None
    return tracer.start_span(name, context, SpanKind.SERVER, attributes)


def current_traceparent() -> str:
    """The W3C `traceparent` of the span in progress, to be kept with what it writes; empty outside a recorded trace."""
    context = trace.get_current_span().get_span_context()
    if not context.trace_flags.sampled:
        return ""
    return f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}"


def outgoing_trace() -> tuple[tuple[str, str], ...]:
    """The metadata with which a call to another service joins the trace in progress."""
    carrier: dict[str, str] = {}
    _W3C.inject(carrier)
    return tuple(carrier.items())


def _remote(traceparent: str) -> Context:
    return _W3C.extract({"traceparent": traceparent})
