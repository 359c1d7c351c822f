"""What an exception that reached the edge means to the caller, without a word of its text.

A driver's message may quote a row; an unexpected one may quote anything.
"""

import asyncio
import secrets
from datetime import timedelta

import asyncpg
import structlog
from grpc import StatusCode

from services.chassis.errors import Refused, Rejection

_LOG = structlog.stdlib.get_logger(__name__)

DEADLINE_EXCEEDED = Rejection(
    "DEADLINE_EXCEEDED", "the deadline passed before the call was answered", StatusCode.DEADLINE_EXCEEDED
)
SHUTTING_DOWN = Rejection(
    "SHUTTING_DOWN", "the service is shutting down", StatusCode.UNAVAILABLE, retry_after=timedelta(seconds=1)
)
STORAGE_UNAVAILABLE = Rejection(
    "STORAGE_UNAVAILABLE",
    "the database cannot be reached at the moment; the same request may be sent again",
    StatusCode.UNAVAILABLE,
    retry_after=timedelta(milliseconds=200),
)
COMMIT_UNKNOWN = Rejection(
    "COMMIT_UNKNOWN",
    "the connection broke during COMMIT; retry with the same request id to learn what happened",
    StatusCode.UNAVAILABLE,
    retry_after=timedelta(milliseconds=100),
)
INTERRUPTED = Rejection(
    "INTERRUPTED",
    "the service stopped working on the call; its outcome is unknown, the same request may be sent again",
    StatusCode.UNAVAILABLE,
    retry_after=timedelta(milliseconds=200),
)

DRIVER_ERRORS = (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)
"""All that asking a database may fail with."""
_STORAGE = (
    OSError,  # refused, reset or timed-out connections; a missing socket file
    asyncpg.PostgresConnectionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.OperatorInterventionError,
    asyncpg.IdleInTransactionSessionTimeoutError,
    asyncpg.TransactionTimeoutError,
    asyncpg.TransactionRollbackError,  # serialisation failure, deadlock
    asyncpg.LockNotAvailableError,
    asyncpg.ReadOnlySQLTransactionError,  # a primary that has become a standby
)
_CLOSED = ("clos", "released", "terminat")
"""How asyncpg words an InterfaceError for a connection or pool that is gone; all others are programming errors."""
_TOLD_TO_GO = "another operation (2) is in progress"
"""How asyncpg words it when the database said on a connection that it ends it, and the connection is not closed yet."""


class CommitUnknownError(Exception):
    """The connection broke between sending COMMIT and its answer."""


def rejection_of(error: BaseException) -> Rejection:
    """The rejection that stands for `error`; one that nobody expected is logged under an incident number."""
    if isinstance(error, Refused):
        return error.rejection
    if isinstance(error, asyncio.CancelledError):
        return INTERRUPTED
    if isinstance(error, CommitUnknownError):
        _LOG.warning("commit unknown", exc_info=error.__cause__)
        return COMMIT_UNKNOWN
    if is_storage_failure(error):
        _LOG.warning("storage unavailable", exc_info=error)
        return STORAGE_UNAVAILABLE
    incident = secrets.token_hex(6)
    _LOG.error("unexpected failure", incident=incident, exc_info=error)
    return Rejection("INTERNAL", f"internal error, incident {incident}", StatusCode.INTERNAL, {"incident": incident})


def is_storage_failure(error: BaseException) -> bool:
    """Whether the database, and not the request or the code, is why `error` was raised."""
    if isinstance(error, _STORAGE):
        return True
    if isinstance(error, asyncpg.InternalClientError):
        return _TOLD_TO_GO in str(error)
    return type(error) is asyncpg.InterfaceError and any(word in str(error) for word in _CLOSED)
