"""Times between the wire and the domain: checked going in, exact going out."""

from datetime import UTC, datetime

from google.protobuf.timestamp_pb2 import Timestamp
from grpc import StatusCode

from services.chassis.clock import EPOCH
from services.chassis.errors import Refused, Rejection

MIN_SECONDS = 0
MAX_SECONDS = 253_370_764_800
"""9999-01-01: a year before the last that can be written, so that adding an expiry stays in range."""
NANOS_A_SECOND = 1_000_000_000
_NANOS_PER_MICRO = 1000


def out_of_range(field: str) -> Rejection:
    """A time before 1970 or after 9998, or, of what happened, the very beginning of 1970."""
    return Rejection(
        "TIME_OUT_OF_RANGE",
        f"{field} is not a time from 1970 to 9998",
        code=StatusCode.INVALID_ARGUMENT,
        metadata={"field": field},
    )


def instant(value: Timestamp) -> datetime | None:
    """The time of a timestamp, to the microsecond; None when it is out of range."""
    seconds, nanos = value.seconds, value.nanos
    if not MIN_SECONDS <= seconds < MAX_SECONDS or not 0 <= nanos < NANOS_A_SECOND:
        return None
    at = datetime.fromtimestamp(seconds, UTC)
    return at.replace(microsecond=nanos // _NANOS_PER_MICRO) if nanos else at


def checked_instant(value: Timestamp, field: str) -> datetime:
    """The time of a timestamp. Raises Refused (TIME_OUT_OF_RANGE)."""
    at = instant(value)
    if at is None:
        raise Refused(out_of_range(field))
    return at


def checked_occurrence(value: Timestamp, field: str) -> datetime:
    """The time at which something happened. Raises Refused (TIME_OUT_OF_RANGE).

    Journals count microseconds since 1970, of which 0 stands for no time: nothing happened at that very one, which is
    what a time that nobody filled in says.
    """
    at = checked_instant(value, field)
    if at == EPOCH:
        raise Refused(out_of_range(field))
    return at


def timestamp(at: datetime) -> Timestamp:
    """The wire form of a time."""
    value = Timestamp()
    value.FromDatetime(at)
    return value
