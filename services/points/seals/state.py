"""The state that a seal keeps: of each row its key and a digest, of what is summed up or counted the number.

A digest is enough to prove a row that has not changed since; one that changed is told in full by the journal since.
"""

from collections.abc import Callable, Iterable, Iterator
from datetime import date
from hashlib import sha256
from itertools import islice
from typing import Any

from services.points.ledger.replay import Replayed, digest_of_values
from tessera.points.v1 import seal_pb2 as pb

ROWS_A_PART = 4_096
"""Some 150 kilobytes: little enough to be written and read with one row of a table."""

Key = Callable[[pb.SealedRow], Any]


def _id(row: pb.SealedRow) -> bytes:
    return row.id


def _numbered(row: pb.SealedRow) -> tuple[bytes, int]:
    return row.id, row.number


def _named(row: pb.SealedRow) -> tuple[bytes, str]:
    return row.id, row.name


def _named_and_numbered(row: pb.SealedRow) -> tuple[bytes, str, int]:
    return row.id, row.name, row.number


def _period(row: pb.SealedRow) -> tuple[str, date]:
    return row.name, date.fromordinal(row.number)


_ROWS: dict[str, Key] = {
    "activities": _id,
    "refunds": _numbered,
    "completions": _id,
    "parked_refunds": _id,
    "lots": _id,
    "holds": _id,
    "spends": _id,
    "pooled_spends": _id,
    "contributions": _numbered,
    "gifts": _id,
    "adjustments": _id,
    "partner_conversions": _id,
    "clawbacks": _id,
    "movements": _id,
    "uses": _numbered,
    "cap_uses": _named_and_numbered,
    "budget_pools": _period,
}
"""Of what is replayed, the tables with rows, and what the key of each is made of."""
_NUMBERS: dict[str, Key] = {
    "reversed_at": _id,
    "sums": _named,
    "slides": _named,
    "kept": _id,
    "budget_leases": _period,
    "budget_amounts": _period,
    "budgets_exhausted": _period,
    "budget_draws": _period,
}
"""The rest: numbers by key."""


def parts_of(replayed: Replayed) -> Iterator[bytes]:
    """The state in parts, the same bytes for the same state."""
    for table in (*_ROWS, *_NUMBERS):
        rows = iter(_sealed(replayed, table))
        while part := list(islice(rows, ROWS_A_PART)):
            yield pb.SealedRows(table=table, rows=part).SerializeToString(deterministic=True)


def _sealed(replayed: Replayed, table: str) -> Iterator[pb.SealedRow]:
    values = getattr(replayed, table)
    for key in sorted(values):
        if values[key] is not None:
            row = _keyed(key)
            if table in _NUMBERS:
                row.value = values[key]
            else:
                row.digest = digest_of_values(values[key])
            yield row


def _keyed(key: bytes | tuple[Any, ...]) -> pb.SealedRow:
    row = pb.SealedRow()
    for part in key if isinstance(key, tuple) else (key,):
        if isinstance(part, bytes):
            row.id = part
        elif isinstance(part, str):
            row.name = part
        else:
            row.number = part.toordinal() if isinstance(part, date) else part
    return row


def digest_of_parts(parts: Iterable[bytes]) -> bytes:
    """SHA-256 over all parts, in order."""
    digest = sha256()
    for part in parts:
        digest.update(part)
    return digest.digest()


def restored(parts: Iterable[bytes]) -> Replayed:
    """The state of a seal, to replay the journal since into: where there were rows there are digests."""
    replayed = Replayed()
    for part in parts:
        sealed = pb.SealedRows.FromString(part)
        values = getattr(replayed, sealed.table)
        if sealed.table in _NUMBERS:
            key_of = _NUMBERS[sealed.table]
            values.update((key_of(row), row.value) for row in sealed.rows)
        else:
            key_of = _ROWS[sealed.table]
            values.update((key_of(row), row.digest) for row in sealed.rows)
    return replayed


def differences(sealed: Replayed, replayed: Replayed) -> list[str]:
    """The tables of which a seal keeps another state than the journal tells. `sealed` is a restored state."""
    return [
        table
        for table in (*_ROWS, *_NUMBERS)
        if getattr(sealed, table)
        != {
            key: digest_of_values(value) if table in _ROWS else value
            for key, value in getattr(replayed, table).items()
            if value is not None
        }
    ]
