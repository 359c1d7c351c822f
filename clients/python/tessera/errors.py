"""How a service says no, as an exception that a program can act on without reading its text."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar

import grpc
from google.protobuf.message import DecodeError, Message
from google.rpc import error_details_pb2, status_pb2

STATUS_DETAILS_KEY = "grpc-status-details-bin"
"""The trailer that carries the serialised google.rpc.Status of a failed call."""

_CODES = {code.value[0]: code for code in grpc.StatusCode}

Detail = TypeVar("Detail", bound=Message)


@dataclass(frozen=True, slots=True)
class Violation:
    """One malformed field of a request: its path (`activity.lines[2].quantity`) and what is wrong with it."""

    field: str
    description: str


class Error(Exception):
    """A call, or one item of a bulk call, that was refused.

    `reason` is a name of the service's `ErrorReason`, or the name of `code` where the service itself did not answer.
    `metadata` carries the figures (balance, needed, limit, …). `retry_after` says that the same call may succeed later.
    """

    def __init__(
        self,
        code: grpc.StatusCode,
        reason: str,
        message: str,
        *,
        metadata: Mapping[str, str] | None = None,
        retry_after: timedelta | None = None,
        violations: tuple[Violation, ...] = (),
        domain: str = "",
    ) -> None:
        super().__init__(f"{reason}: {message}")
        self.code = code
        self.reason = reason
        self.message = message
        self.metadata = dict(metadata or {})
        self.retry_after = retry_after
        self.violations = violations
        self.domain = domain
        """Whose reason it is: `points.tessera` for the points service; empty where no service answered."""


def error_of_status(status: status_pb2.Status) -> Error:
    """The error that a status on the wire stands for."""
    code = _CODES.get(status.code, grpc.StatusCode.UNKNOWN)
    info = _detail(status, error_details_pb2.ErrorInfo)
    retry = _detail(status, error_details_pb2.RetryInfo)
    request = _detail(status, error_details_pb2.BadRequest)
    violations = request.field_violations if request is not None else ()
    return Error(
        code,
        info.reason if info is not None else code.name,
        status.message,
        metadata=info.metadata if info is not None else None,
        retry_after=retry.retry_delay.ToTimedelta() if retry is not None else None,
        violations=tuple(Violation(violation.field, violation.description) for violation in violations),
        domain=info.domain if info is not None else "",
    )


def error_of_call(failure: grpc.aio.AioRpcError) -> Error:
    """The error of a failed call: what its service says, or what the transport does where no service answered."""
    for key, value in failure.trailing_metadata() or ():
        if key == STATUS_DETAILS_KEY and isinstance(value, bytes):
            try:
                return error_of_status(status_pb2.Status.FromString(value))
            except DecodeError:
                break
    return Error(failure.code(), failure.code().name, failure.details() or "")


def _detail(status: status_pb2.Status, kind: type[Detail]) -> Detail | None:
    for packed in status.details:
        detail = kind()
        if packed.Unpack(detail):
            return detail
    return None
