"""What a log line says, and what it must not."""

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import asyncpg
import pytest
import structlog
from google.protobuf import any_pb2
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider

from services.chassis.logs import call_in_progress, configure_logs, redacted
from services.chassis.settings import DatabaseSettings
from tests.chassis.echo import Bulk, Line, Say

SETTINGS = DatabaseSettings(service="points", database_dsn="postgresql://x@y/z")
LOG = structlog.stdlib.get_logger("tests")


class Lines:
    """The JSON lines written since the last look."""

    def __init__(self, capture: pytest.CaptureFixture[str]) -> None:
        self._capture = capture

    def only(self) -> dict[str, Any]:
        (line,) = self._capture.readouterr().out.splitlines()
        parsed: dict[str, Any] = json.loads(line)
        return parsed


@contextmanager
def configured(*, with_exception_text: bool = False) -> Iterator[None]:
    """Logs as a service does, within the block."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    configure_logs(SETTINGS, with_exception_text=with_exception_text)
    try:
        yield
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)
        structlog.reset_defaults()


@pytest.fixture
def lines(capsys: pytest.CaptureFixture[str]) -> Lines:
    return Lines(capsys)


def test_a_line_says_where_it_comes_from(lines: Lines) -> None:
    token = call_in_progress.set(("shop", "points.v1.Points/Spend"))
    span = TracerProvider().get_tracer("t").start_span("s")
    with configured(), trace.use_span(span):
        LOG.info("spent", amount_minor=80)
    call_in_progress.reset(token)
    line = lines.only()
    assert (line["event"], line["amount_minor"], line["level"]) == ("spent", 80, "info")
    assert (line["service"], line["caller"], line["method"]) == ("points", "shop", "points.v1.Points/Spend")
    assert line["trace_id"] == trace.format_trace_id(span.get_span_context().trace_id)
    assert line["span_id"] == trace.format_span_id(span.get_span_context().span_id)
    assert line["timestamp"].endswith("Z")


def test_libraries_write_the_same_lines(lines: Lines) -> None:
    with configured():
        logging.getLogger("asyncpg").warning("slow after %d ms", 7)
    line = lines.only()
    assert (line["event"], line["logger"], line["service"]) == ("slow after 7 ms", "asyncpg", "points")


def test_lines_below_the_level_are_not_written(capsys: pytest.CaptureFixture[str]) -> None:
    with configured():
        LOG.debug("detail")
        logging.getLogger("asyncpg").debug("detail")
    assert capsys.readouterr().out == ""


def test_sensitive_fields_of_messages_are_left_out_at_any_depth(lines: Lines) -> None:
    request = Say(text="a", phone="0301234", lines=[Line(sku="s", phone="0309876")])
    with configured():
        LOG.info("received", request=request, bulk={"items": [Bulk(items=[Line(sku="t", phone="030")])]})
    line = lines.only()
    assert line["request"] == {"text": "a", "lines": [{"sku": "s"}]}
    assert line["bulk"] == {"items": [{"items": [{"sku": "t"}]}]}


def test_a_message_that_a_library_formats_is_redacted_too(lines: Lines) -> None:
    with configured():
        logging.getLogger("grpc").warning("cannot send %s", Say(text="a", phone="0301234"))
    assert "0301234" not in json.dumps(lines.only())


def test_long_lists_are_cut() -> None:
    assert len(redacted(Say(lines=[Line(sku="s")] * 1000))["lines"]) == 20


def test_a_packed_message_shows_its_type_only() -> None:
    packed = any_pb2.Any()
    packed.Pack(Say(phone="0301234"))
    assert redacted(packed) == {"type_url": "type.googleapis.com/tests.echo.v1.Say"}


def fail(quoted: str) -> None:
    """Raises what a driver might, for a reason that quotes a row."""
    try:
        raise asyncpg.UniqueViolationError(quoted)
    except asyncpg.UniqueViolationError as error:
        raise KeyError(quoted) from error


def test_an_exception_shows_its_stack_but_not_its_text(lines: Lines) -> None:
    with configured():
        try:
            fail(quoted=str(301234))
        except KeyError:
            LOG.exception("failed")
    stack = lines.only()["exception"]
    assert "UniqueViolationError (SQLSTATE 23505)" in stack
    assert "builtins.KeyError" in stack
    assert "raise KeyError(quoted)" in stack
    assert "'301234'" not in stack


def test_in_development_an_exception_shows_its_text_too(lines: Lines) -> None:
    with configured(with_exception_text=True):
        try:
            fail(quoted=str(301234))
        except KeyError:
            logging.getLogger("asyncio").exception("failed")
    assert "KeyError: '301234'" in lines.only()["exception"]
