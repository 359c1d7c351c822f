"""IDs that route themselves: TypeIDs on the wire, UUIDs inside, the owner's routing bits in the lowest 16.

A UUIDv7 keeps 48 bits of time and 74 random ones. The last 16 of the random ones are the routing bits of the member (or
other owner) whose row it is, so `partition = bits & (partitions - 1)` is known to every service without asking.
"""

import os
import time
from collections.abc import Iterable
from uuid import UUID

from asyncpg.pgproto.pgproto import UUID as FastUUID

ID_BYTES = 16
ROUTING_BITS = 16
ROUTING_MASK = (1 << ROUTING_BITS) - 1
_DERIVED_STEP = 1 << ROUTING_BITS
_VERSION_7 = 7 << 76
HASHED_VERSION = 8
"""The version of an ID that follows from what it stands for; all others are version 7."""
_VARIANT = 2 << 62
_RANDOM_A_MASK = 0xFFF
_RANDOM_B_MASK = (1 << 46) - 1

_CROCKFORD = "0123456789abcdefghjkmnpqrstvwxyz"
_PAIRS = [first + second for first in _CROCKFORD for second in _CROCKFORD]
_SUFFIX_LENGTH = 26
_DIGITS_ONLY = dict.fromkeys(range(128), "!") | {
    ord(digit): character for digit, character in zip(_CROCKFORD, "0123456789abcdefghijklmnopqrstuv", strict=True)
}


def from_bytes(raw: bytes) -> UUID:
    """The ID whose 16 bytes these are."""
    return FastUUID(raw)


def joined(ids: Iterable[UUID]) -> bytes:
    """IDs as one text of 16 bytes each, as tables keep short lists of them."""
    return b"".join(each.bytes for each in ids)


def split(raw: bytes) -> list[UUID]:
    """The IDs of such a text."""
    return [from_bytes(raw[place : place + ID_BYTES]) for place in range(0, len(raw), ID_BYTES)]


def with_routing(of: UUID, routing: int) -> UUID:
    """An ID like this one that carries other routing bits."""
    return from_int(of.int & ~ROUTING_MASK | routing)


def from_int(number: int) -> UUID:
    """The ID whose 128 bits these are."""
    return FastUUID(number.to_bytes(16, "big"))


def new_id(routing: int) -> UUID:
    """A new UUIDv7 that carries the owner's routing bits; its time is real time, not domain time."""
    random = int.from_bytes(os.urandom(8), "big")
    return from_int(
        (time.time_ns() // 1_000_000) << 80
        | _VERSION_7
        | (random & _RANDOM_A_MASK) << 64
        | _VARIANT
        | (random >> 18 & _RANDOM_B_MASK) << ROUTING_BITS
        | routing
    )


def derived(owner_id: UUID, ordinal: int) -> UUID:
    """The `ordinal`-th ID (from 1) that belongs to another one, the same whenever it is asked for."""
    return from_int(owner_id.int + ordinal * _DERIVED_STEP)


def hashed(digest: bytes, routing: int) -> UUID:
    """A UUIDv8 made of a digest (16 bytes or more) and routing bits: an ID that follows from what it stands for."""
    number = int.from_bytes(digest[:16], "big")
    number = number & ~(0xF << 76) | HASHED_VERSION << 76
    number = number & ~(3 << 62) | _VARIANT
    return from_int(number & ~ROUTING_MASK | routing)


def routing_of(value: UUID) -> int:
    """The owner's routing bits."""
    return value.int & ROUTING_MASK


def encode(prefix: str, value: UUID) -> str:
    """The TypeID of an ID: `member_01j…`."""
    n = value.int
    two = _PAIRS  # digits at a time, written out: a loop takes half as long again
    return (
        f"{prefix}_{two[n >> 120]}{two[n >> 110 & 1023]}{two[n >> 100 & 1023]}{two[n >> 90 & 1023]}"
        f"{two[n >> 80 & 1023]}{two[n >> 70 & 1023]}{two[n >> 60 & 1023]}{two[n >> 50 & 1023]}"
        f"{two[n >> 40 & 1023]}{two[n >> 30 & 1023]}{two[n >> 20 & 1023]}{two[n >> 10 & 1023]}{two[n & 1023]}"
    )


def decode(prefix: str, text: str) -> UUID:
    """The ID of a TypeID.

    Raises ValueError when the text is not a TypeID with this prefix.
    """
    start = len(prefix) + 1
    suffix = text[start:]
    if len(suffix) == _SUFFIX_LENGTH and suffix[0] <= "7" and text[:start] == f"{prefix}_" and suffix.isascii():
        try:
            return from_int(int(suffix.translate(_DIGITS_ONLY), 32))
        except ValueError:
            pass
    raise ValueError(f"not a {prefix} ID")
