"""JSON log lines that carry their trace and caller, and never a personal value.

Own code logs with `structlog.get_logger()`, libraries with `logging`; both end in the same lines on stdout.
"""

import logging
import sys
import traceback
from collections.abc import Mapping, Sequence
from contextvars import ContextVar
from typing import Any

import structlog
from google.protobuf import any_pb2
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message
from opentelemetry import trace
from structlog.typing import EventDict, Processor, WrappedLogger

from services.chassis.settings import DatabaseSettings
from tessera.access.v1 import access_pb2

MAX_LOGGED_ITEMS = 20
"""Elements of a repeated field or map that a log line shows; a bulk request holds up to 1,000."""

call_in_progress: ContextVar[tuple[str, str]] = ContextVar("call_in_progress", default=("", ""))
"""Caller and full method name of the call that the current task serves."""


def configure_logs(settings: DatabaseSettings, *, with_exception_text: bool) -> None:
    """Sends all logs of the process to stdout as JSON lines.

    `with_exception_text` is for development: an exception's text may quote a personal value.
    """
    shared: list[Processor] = [
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.ExtraAdder(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _Place(settings.service),
        _Exceptions(with_exception_text),
        redact,
    ]
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            structlog.stdlib.PositionalArgumentsFormatter(),
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
    )
    handler = logging.StreamHandler(sys.stdout)
    handler.addFilter(_redact_arguments)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.JSONRenderer(ensure_ascii=False, default=str),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(settings.log_level.upper())


def _redact_arguments(record: logging.LogRecord) -> bool:
    """Redacts a message that a library is about to format into its text."""
    if isinstance(record.args, tuple):
        record.args = tuple(_shown(argument) if isinstance(argument, Message) else argument for argument in record.args)
    return True


class _Place:
    """Says where a line comes from: service, and the trace, caller and method of the call in progress."""

    def __init__(self, service: str) -> None:
        self._service = service

    def __call__(self, logger: WrappedLogger, name: str, event: EventDict) -> EventDict:
        event["service"] = self._service
        caller, method = call_in_progress.get()
        if method:
            event["caller"] = caller
            event["method"] = method
        span = trace.get_current_span().get_span_context()
        if span.is_valid:
            event["trace_id"] = trace.format_trace_id(span.trace_id)
            event["span_id"] = trace.format_span_id(span.span_id)
        return event


class _Exceptions:
    """Replaces an exception by its stack; by its types and frames alone where its text may hold a value."""

    def __init__(self, with_text: bool) -> None:
        self._with_text = with_text

    def __call__(self, logger: WrappedLogger, name: str, event: EventDict) -> EventDict:
        given = event.pop("exc_info", None)
        error = given if isinstance(given, BaseException) else _current(given)
        if error is not None:
            event["exception"] = stack_of(error, with_text=self._with_text)
        return event


def _current(exc_info: object) -> BaseException | None:
    if isinstance(exc_info, tuple):
        return exc_info[1] if isinstance(exc_info[1], BaseException) else None
    return sys.exc_info()[1] if exc_info else None


def stack_of(error: BaseException, *, with_text: bool) -> str:
    """The stack of `error` and its causes; without the exceptions' texts unless asked for."""
    if with_text:
        return "".join(traceback.format_exception(error))
    parts: list[str] = []
    seen: set[int] = set()
    cause: BaseException | None = error
    while cause is not None and id(cause) not in seen:
        seen.add(id(cause))
        state = getattr(cause, "sqlstate", None)
        name = f"{type(cause).__module__}.{type(cause).__qualname__}{f' (SQLSTATE {state})' if state else ''}\n"
        parts.append("".join(traceback.format_tb(cause.__traceback__)) + name)
        cause = cause.__cause__ or (None if cause.__suppress_context__ else cause.__context__)
    return "caused:\n".join(reversed(parts))


def redact(logger: WrappedLogger, name: str, event: EventDict) -> EventDict:
    """Replaces every protobuf message in a line by what of it may be shown."""
    return {key: _shown(value) for key, value in event.items()}


def redacted(message: Message) -> dict[str, Any]:
    """The fields of `message` that are set, without those marked `sensitive`, at any depth."""
    if isinstance(message, any_pb2.Any):
        return {"type_url": message.type_url}
    return {field.name: _field(field, value) for field, value in message.ListFields() if not is_sensitive(field)}


def is_sensitive(field: FieldDescriptor) -> bool:
    """Whether the contract marks the values of `field` as personal or secret."""
    return bool(field.GetOptions().Extensions[access_pb2.sensitive])


def _field(field: FieldDescriptor, value: Any) -> Any:
    if field.message_type is not None and field.message_type.GetOptions().map_entry:
        entry = field.message_type.fields_by_name["value"]
        return {str(key): _single(entry, value[key]) for key in list(value)[:MAX_LOGGED_ITEMS]}
    if field.is_repeated:
        return [_single(field, item) for item in value[:MAX_LOGGED_ITEMS]]
    return _single(field, value)


def _single(field: FieldDescriptor, value: Any) -> Any:
    if isinstance(value, bytes):
        return f"{len(value)} bytes"
    if field.enum_type is not None:
        named = field.enum_type.values_by_number.get(value)
        return named.name if named else value
    return _shown(value)


def _shown(value: Any) -> Any:
    if isinstance(value, Message):
        return redacted(value)
    if isinstance(value, Mapping):
        return {key: _shown(item) for key, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str | bytes | bytearray):
        return [_shown(item) for item in value[:MAX_LOGGED_ITEMS]]
    return value
