"""The first answer again: verdicts kept by request id, for at least thirty days of real time.

A request is known by caller, method and request id, in the partition of the ID as it was sent. Its fingerprint is the
rest of the request, so the same id with another body is noticed. Rows live in one table a month, dropped whole.
"""

from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta
from hashlib import blake2b
from typing import Any, NamedTuple
from uuid import UUID

from grpc import StatusCode

from services.chassis import ids
from services.chassis.database import Connection
from services.chassis.errors import Rejection
from services.chassis.reading import Reading
from services.chassis.verdicts import Verdict

RETENTION = timedelta(days=30)
MONTHS_AHEAD = 2
_DIGEST_BYTES = 16
_CODE_BYTES = 2
_EPOCH_ORDINAL = date(1970, 1, 1).toordinal()
_NOT_PART_OF_THE_BODY = ("request_id", "at_least", "validate_only")

_LOAD = """
    SELECT request_key, fingerprint, code, payload
    FROM requests
    WHERE partition = $1
      AND request_key = ANY($2)
      AND created_on <= $3
"""

_MONTHS = """
    SELECT inhrelid::regclass::text
    FROM pg_inherits
    WHERE inhparent = 'requests'::regclass
"""
_MONTHS_LOCK = 5_830_172
"""The advisory lock of whoever changes the tables of the months."""

REUSED = Rejection(
    "REQUEST_ID_REUSED", "the request id was used for another request of this method", code=StatusCode.ALREADY_EXISTS
)


class Request(NamedTuple):
    """A request as idempotency knows it."""

    key: UUID
    fingerprint: bytes


class Kept(NamedTuple):
    """The verdict a request got first."""

    fingerprint: bytes
    verdict: Verdict


def identify(caller: str, method: str, message: Any) -> Request:
    """Identify a request by its message, and strip from it what is not part of its body (the id itself, for one)."""
    request_id = message.request_id
    names = message.DESCRIPTOR.fields_by_name
    for name in _NOT_PART_OF_THE_BODY:
        if name in names:
            message.ClearField(name)
    return identify_body(caller, method, request_id, message.SerializeToString(deterministic=True))


def identify_body(caller: str, method: str, request_id: str, body: bytes) -> Request:
    """Identify a request whose body is already bytes."""
    scope = f"{caller}\n{method}\n{request_id}".encode()
    key = ids.from_bytes(blake2b(scope, digest_size=_DIGEST_BYTES).digest())
    return Request(key, digest_of(body))


def digest_of(body: bytes) -> bytes:
    """The fingerprint of a request's body."""
    return blake2b(body, digest_size=_DIGEST_BYTES).digest()


def read(reading: Reading, keys: Sequence[UUID], kept: Callable[[UUID, Kept], None]) -> None:
    """Read the verdicts kept for these requests; `kept` is told of each."""
    if not keys:
        return

    def take(rows: Sequence[Any]) -> None:
        for key, fingerprint, code, payload in rows:
            kept(key, Kept(fingerprint, Verdict(code, payload)))

    # The months ahead are there and empty; another process may be a little ahead of us.
    reading.add(_LOAD, keys, datetime.now(UTC).date() + timedelta(days=1), take=take)


Row = tuple[UUID, date, bytes, int, bytes]
"""A row of the table: request key, day, fingerprint, code, payload."""


def row(request: Request, verdict: Verdict, today: date) -> Row:
    """The row that keeps a verdict."""
    return request.key, today, request.fingerprint, verdict.code, verdict.payload


def digest_of_row(key: bytes, fingerprint: bytes, code: int, payload: bytes) -> bytes:
    """What the journal says of a verdict that is kept."""
    return digest_of(key + fingerprint + code.to_bytes(_CODE_BYTES, "big", signed=True) + payload)


def days_since_epoch(day: date) -> int:
    """A day as the journal counts it."""
    return day.toordinal() - _EPOCH_ORDINAL


async def maintain_months(connection: Connection, today: date | None = None) -> None:
    """Make the tables of the months ahead and drop those past retention; two replicas may do it at once.

    `today` is real time, whatever the domain's clock says.
    """
    today = today or datetime.now(UTC).date()
    async with connection.transaction():
        await connection.execute("SELECT pg_advisory_xact_lock($1)", _MONTHS_LOCK)
        months = {name for (name,) in await connection.fetch(_MONTHS)}
        month = today.replace(day=1)
        for _ in range(MONTHS_AHEAD + 1):
            following = (month + timedelta(days=32)).replace(day=1)
            if _table_of(month) not in months:
                await connection.execute(
                    f"CREATE TABLE {_table_of(month)} PARTITION OF requests "
                    f"FOR VALUES FROM ('{month}') TO ('{following}')"
                )
            month = following
        for name in months:
            if name < _table_of(today - RETENTION):
                await connection.execute(f"DROP TABLE {name}")


def _table_of(day: date) -> str:
    return f"requests_{day:%Y_%m}"
