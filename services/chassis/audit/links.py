"""Links of the audit trail: records, column by column and compressed, and the keyed hash that chains them. Pure."""

import zlib
from collections.abc import Iterator, Sequence
from datetime import datetime
from hashlib import blake2b
from typing import Any, NamedTuple

from services.chassis.clock import to_microseconds
from tessera.audit.v1 import audit_link_pb2

NUMBER_BYTES = 8
HASH_BYTES = 32
_FAST = 1
"""The level of compression: IDs are random, so more effort gains nothing."""


class Record(NamedTuple):
    """One call, as the trail keeps it."""

    at_us: int
    """Microseconds since 1970, in real time."""
    caller: str
    proof: str
    method: str
    code: int
    reason: str
    subjects: str
    items: int
    refused_items: int
    trace_id: bytes

    @property
    def is_refused(self) -> bool:
        """Whether the call, or an item of it, was refused."""
        return bool(self.code or self.refused_items)


ALIKE = slice(1, 6)
"""What of a record many others have as well: caller, proof, method, code, reason."""


class Link(NamedTuple):
    """One row of the trail."""

    number: int
    recorded_at: datetime
    payload: bytes
    chain_hash: bytes


class Head(NamedTuple):
    """Where the trail ends, and where it begins since older links were removed."""

    number: int
    chain_hash: bytes
    kept_after: int
    kept_hash: bytes


def encode(records: Sequence[Record], left_out: int, nonce: bytes) -> bytes:
    """The payload of a link; `left_out` says how many calls it lacks."""
    link = audit_link_pb2.AuditLink(nonce=nonce, left_out=left_out)
    places: dict[Any, int] = {}
    kinds = [places.setdefault(record[ALIKE], len(places)) for record in records]
    for caller, proof, method, code, reason in places:
        link.kinds.add(caller=caller, proof=proof, method=method, code=code, reason=reason)
    before = [0, *(record.at_us for record in records)]
    link.kind.extend(kinds)
    link.at_us.extend([record.at_us - last for record, last in zip(records, before, strict=False)])
    link.subjects.extend([record.subjects for record in records])
    link.items.extend([record.items for record in records])
    link.refused_items.extend([record.refused_items for record in records])
    link.trace_ids.extend([record.trace_id for record in records])
    return zlib.compress(link.SerializeToString(), _FAST)


def decode(payload: bytes) -> Iterator[Record]:
    """The records of a link, in order. Raises ValueError, zlib.error or DecodeError for what is none."""
    link = audit_link_pb2.AuditLink.FromString(zlib.decompress(payload))
    at_us = 0
    for kind, since_us, subjects, items, refused, trace_id in zip(
        link.kind, link.at_us, link.subjects, link.items, link.refused_items, link.trace_ids, strict=True
    ):
        at_us += since_us
        alike = link.kinds[kind]
        yield Record(
            at_us, alike.caller, alike.proof, alike.method, alike.code, alike.reason, subjects, items, refused, trace_id
        )


def chain(key: bytes, previous_hash: bytes, number: int, recorded_at: datetime, payload: bytes) -> bytes:
    """The hash of a link: keyed, over the hash before, the number, the time and the payload."""
    digest = blake2b(previous_hash, key=key, digest_size=HASH_BYTES, person=b"audit")
    for figure in (number, to_microseconds(recorded_at)):
        digest.update(figure.to_bytes(NUMBER_BYTES, "big"))
    digest.update(payload)
    return digest.digest()


def what_is_wrong(key: bytes, last: Head | Link, link: Link) -> str:
    """What is wrong with the link that stands after another one; empty when nothing is."""
    if link.number != last.number + 1:
        return f"link {last.number + 1} is missing: link {link.number} follows"
    if chain(key, last.chain_hash, link.number, link.recorded_at, link.payload) != link.chain_hash:
        return f"link {link.number} was changed, or the one before it, or it was written under another key"
    return ""
