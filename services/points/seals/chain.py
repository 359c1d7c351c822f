"""A seal, and how each follows from the one before. Pure."""

from dataclasses import dataclass
from hashlib import sha256

_NUMBER_BYTES = 8


@dataclass(frozen=True, slots=True)
class Seal:
    """What was proved of a partition up to a position; in the order of the columns that queries.py reads."""

    position: int
    previous_position: int
    chain_hash: bytes
    entries: int
    """How many were booked since the seal before."""
    entries_digest: bytes
    state_digest: bytes
    sealed_at: int
    """Microseconds since 2000, as the database counts time."""
    seal_hash: bytes = b""
    archived: bool = False
    """The journal up to the position is no longer in the database."""


def hash_of(seal: Seal, previous_hash: bytes) -> bytes:
    """SHA-256 over the hash of the seal before and all values of a seal; numbers as 8 bytes, big-endian.

    Digests have a fixed length, so no two seals hash the same bytes. That the journal was archived is no part of it.
    """
    return sha256(
        previous_hash
        + _number(seal.position)
        + _number(seal.previous_position)
        + seal.chain_hash
        + _number(seal.entries)
        + seal.entries_digest
        + seal.state_digest
        + _number(seal.sealed_at)
    ).digest()


def _number(value: int) -> bytes:
    return value.to_bytes(_NUMBER_BYTES, "big", signed=True)
