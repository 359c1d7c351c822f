"""The journal: one row for each batch that did something, hash-chained, in position order.

Tables are the journal materialised; feeds are the journal read. The bytes that are stored are the bytes that are
hashed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256

from services.chassis import idempotency
from services.chassis.clock import to_microseconds
from tessera.events.v1 import journal_pb2

POSITION_BYTES = 8


@dataclass(frozen=True, slots=True)
class Link:
    """One journal row: a link of the partition's chain."""

    partition: int
    position: int
    recorded_at: datetime
    payload: bytes
    chain_hash: bytes


def chain(previous_hash: bytes, position: int, payload: bytes) -> bytes:
    """SHA-256 over the previous hash, the position (8 bytes, big-endian) and the payload."""
    return sha256(previous_hash + position.to_bytes(POSITION_BYTES, "big") + payload).digest()


def link(
    partition: int,
    position: int,
    recorded_at: datetime,
    previous_hash: bytes,
    config_version: int,
    events: Sequence[bytes],
    traceparents: Sequence[str] = (),
    published_version: int = 0,
    kept: Sequence[idempotency.Row] = (),
    halves: Mapping[int, int] | None = None,
) -> Link:
    """The journal row of a batch; `events` are serialised events of the service, in order.

    `kept` are the verdicts that it keeps, of which the journal has digests; `halves` the positions, by partition, of
    the records without which this one makes no sense.
    """
    payload = journal_pb2.Journal(
        config_version=config_version,
        events=events,
        traceparents=traceparents,
        published_version=published_version,
        recorded_at_us=to_microseconds(recorded_at),
        kept_verdicts=[
            idempotency.digest_of_row(key.bytes, fingerprint, code, payload)
            for key, _, fingerprint, code, payload in kept
        ],
        kept_on=idempotency.days_since_epoch(kept[0][1]) if kept else 0,
        halves=[journal_pb2.Half(partition=place, position=at) for place, at in sorted((halves or {}).items())],
    ).SerializeToString(deterministic=True)
    return Link(partition, position, recorded_at, payload, chain(previous_hash, position, payload))
