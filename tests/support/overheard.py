"""What services say of themselves while they work: their logs, as processes write them, and their traces."""

import asyncio
import io
import logging
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass, field

import structlog
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from services.chassis.logs import configure_logs
from services.chassis.telemetry import start_telemetry
from tests.support.suite import SERVICES, Suite


@dataclass(slots=True)
class Overheard:
    """Logs at their most talkative, and all spans that were ended."""

    written: io.StringIO = field(default_factory=io.StringIO)
    spans: InMemorySpanExporter = field(default_factory=InMemorySpanExporter)

    @property
    def logs(self) -> str:
        """Lines of JSON."""
        return self.written.getvalue()

    @property
    def traces(self) -> str:
        """Spans with their attributes, events and links, as JSON."""
        return "\n".join(span.to_json() for span in self.spans.get_finished_spans())

    async def attach(self, suite: Suite) -> None:
        """Start all services of a suite anew, with tracing on."""
        await asyncio.gather(*map(suite.stop, SERVICES))
        for service in SERVICES:
            await suite.start(service, start_telemetry(suite.settings(service), SimpleSpanProcessor(self.spans)))


@contextmanager
def overhearing(suite: Suite) -> Iterator[Overheard]:
    """Log everything as in production, into memory; afterwards logs go where they went before."""
    heard, root, before = Overheard(), logging.getLogger(), structlog.get_config()
    handlers, level = list(root.handlers), root.level
    with redirect_stdout(heard.written):
        configure_logs(suite.settings("identity", log_level="debug"), with_exception_text=False)
    try:
        yield heard
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)
        structlog.configure(**before)
