"""Every way a service says no, as a value, and how that value travels as a `google.rpc.Status`.

A rejection is a verdict on one command: it rolls nothing back and does not disturb its neighbours.
Inside a batch it is returned; outside (reads, checks before the batch) it is raised as `Refused`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta

from google.protobuf import any_pb2, duration_pb2
from google.rpc import error_details_pb2, status_pb2
from grpc import StatusCode

CODE_NUMBERS: Mapping[StatusCode, int] = {code: code.value[0] for code in StatusCode}
CODES_BY_NUMBER: Mapping[int, StatusCode] = {number: code for code, number in CODE_NUMBERS.items()}


@dataclass(frozen=True, slots=True)
class FieldViolation:
    """One malformed field of a request: its path (`activity.lines[2].quantity`) and what is wrong with it."""

    field: str
    description: str


@dataclass(frozen=True, slots=True)
class Rejection:
    """Why a command or a read is refused, for a client that acts on `reason` and never parses `message`.

    `metadata` carries the figures (balance, needed, limit, next eligible time) as strings.
    `retry_after` says that the same call may succeed later.
    """

    reason: str
    message: str
    code: StatusCode = StatusCode.FAILED_PRECONDITION
    metadata: Mapping[str, str] = field(default_factory=dict)
    retry_after: timedelta | None = None
    violations: tuple[FieldViolation, ...] = ()


def invalid_argument(reason: str, message: str, violations: tuple[FieldViolation, ...] = ()) -> Rejection:
    """The rejection of what is malformed, field by field."""
    return Rejection(reason, message, StatusCode.INVALID_ARGUMENT, violations=violations)


class Refused(Exception):
    """Carries a rejection out of code that has no verdict to return."""

    def __init__(self, rejection: Rejection) -> None:
        super().__init__(f"{rejection.reason}: {rejection.message}")
        self.rejection = rejection


MAX_STATUS_BYTES = 5 * 1024
"""A status travels in the trailers, of which clients accept 8 KiB in all; a larger one would be lost whole."""

MAX_MESSAGE_CHARS = 500
"""The message travels twice, once percent-encoded at up to three bytes a byte."""


def bounded_status(rejection: Rejection, error_domain: str) -> status_pb2.Status:
    """As `to_status`, small enough for a call's trailers: at need without the violations, then without metadata."""
    bounded = replace(rejection, message=rejection.message[:MAX_MESSAGE_CHARS])
    for lighter in (bounded, replace(bounded, violations=()), replace(bounded, violations=(), metadata={})):
        status = to_status(lighter, error_domain)
        if status.ByteSize() <= MAX_STATUS_BYTES:
            break
    return status


def to_status(rejection: Rejection, error_domain: str) -> status_pb2.Status:
    """The wire form of a rejection; `error_domain` names the service whose `ErrorReason` the reason belongs to."""
    status = status_pb2.Status(code=CODE_NUMBERS[rejection.code], message=rejection.message)
    _attach(
        status,
        error_details_pb2.ErrorInfo(reason=rejection.reason, domain=error_domain, metadata=dict(rejection.metadata)),
    )
    if rejection.retry_after is not None:
        delay = duration_pb2.Duration()
        delay.FromTimedelta(rejection.retry_after)
        _attach(status, error_details_pb2.RetryInfo(retry_delay=delay))
    if rejection.violations:
        violations = [
            error_details_pb2.BadRequest.FieldViolation(field=violation.field, description=violation.description)
            for violation in rejection.violations
        ]
        _attach(status, error_details_pb2.BadRequest(field_violations=violations))
    return status


def _attach(
    status: status_pb2.Status,
    detail: error_details_pb2.ErrorInfo | error_details_pb2.RetryInfo | error_details_pb2.BadRequest,
) -> None:
    packed = any_pb2.Any()
    packed.Pack(detail, deterministic=True)  # metadata in one order: the same rejection is the same bytes
    status.details.append(packed)


def from_status(status: status_pb2.Status) -> Rejection:
    """The rejection that a status was made of; what `to_status` does not write is not read."""
    info, retry, bad = error_details_pb2.ErrorInfo(), error_details_pb2.RetryInfo(), error_details_pb2.BadRequest()
    retry_after = None
    for detail in status.details:
        if detail.Unpack(retry):
            retry_after = retry.retry_delay.ToTimedelta()
        elif not detail.Unpack(info):
            detail.Unpack(bad)
    return Rejection(
        info.reason,
        status.message,
        code=CODES_BY_NUMBER[status.code],
        metadata=dict(info.metadata),
        retry_after=retry_after,
        violations=tuple(FieldViolation(found.field, found.description) for found in bad.field_violations),
    )
