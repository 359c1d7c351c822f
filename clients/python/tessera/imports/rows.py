"""What one row says, and what is wrong with it alone."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple
from unicodedata import normalize

from tessera.imports.columns import (
    ATTRIBUTE_PREFIX,
    DOMAIN,
    EXTERNAL_ID,
    IDENTIFIER_PREFIX,
    VERIFIED,
    VERIFIED_SUFFIX,
    Columns,
)
from tessera.imports.refusals import Reason, Refusal

MAX_EXTERNAL_ID_BYTES = 512
MAX_ATTRIBUTE_BYTES = 1024
MAX_IDENTIFIER_BYTES = 4096
"""All are what identity's contract allows."""

_TRUTHS = {"": False, "false": False, "0": False, "no": False, "true": True, "1": True, "yes": True}


class Identifier(NamedTuple):
    """What the account's member is known by beside it."""

    type: str
    value: str
    verified: bool


@dataclass(frozen=True, slots=True)
class Row:
    """An account to import."""

    domain: str
    external_id: str
    """In Unicode's form C, as identity keeps it."""
    verified: bool
    person: str
    """Rows of the same person become accounts of one member; empty where the row stands alone."""
    attributes: Mapping[str, str]
    """Of the member; without those that are empty."""
    identifiers: tuple["Identifier", ...] = ()


def read_row(cells: Sequence[str], columns: Columns, domains: Collection[str]) -> Row | Refusal:
    """The row, or the first thing that is wrong with it."""
    refusal = (
        _shape_refusal(cells, columns)
        or _account_refusal(cells, columns, domains)
        or _identifier_refusal(cells, columns)
    )
    if refusal is not None:
        return refusal
    attributes = {name: cells[at] for name, at in columns.attributes if cells[at]}
    for name, value in attributes.items():
        if _too_long(value, MAX_ATTRIBUTE_BYTES):
            return Refusal(f"{ATTRIBUTE_PREFIX}{name}", Reason.ATTRIBUTE_TOO_LONG)
    return Row(
        domain=cells[columns.domain],
        external_id=normalize("NFC", cells[columns.external_id]),
        verified=_is_true(cells, columns.verified),
        person=cells[columns.person] if columns.person is not None else "",
        attributes=attributes,
        identifiers=tuple(
            Identifier(column.type, cells[column.value], _is_true(cells, column.verified))
            for column in columns.identifiers
            if cells[column.value]
        ),
    )


def _shape_refusal(cells: Sequence[str], columns: Columns) -> Refusal | None:
    if len(cells) != len(columns.names):
        return Refusal("", Reason.CELLS_DIFFER)
    for name, cell in zip(columns.names, cells, strict=True):
        if not cell.isascii() and not _is_text(cell):
            return Refusal(name, Reason.ENCODING_INVALID)
    return None


def _account_refusal(cells: Sequence[str], columns: Columns, domains: Collection[str]) -> Refusal | None:
    if cells[columns.domain] not in domains:
        return Refusal(DOMAIN, Reason.DOMAIN_UNKNOWN)
    external_id = cells[columns.external_id]
    if not external_id:
        return Refusal(EXTERNAL_ID, Reason.EXTERNAL_ID_MISSING)
    if _too_long(external_id, MAX_EXTERNAL_ID_BYTES) or _too_long(normalize("NFC", external_id), MAX_EXTERNAL_ID_BYTES):
        return Refusal(EXTERNAL_ID, Reason.EXTERNAL_ID_TOO_LONG)
    if columns.verified is not None and cells[columns.verified].lower() not in _TRUTHS:
        return Refusal(VERIFIED, Reason.VERIFIED_INVALID)
    return None


def _identifier_refusal(cells: Sequence[str], columns: Columns) -> Refusal | None:
    for column in columns.identifiers:
        name = f"{IDENTIFIER_PREFIX}{column.type}"
        if _too_long(cells[column.value], MAX_IDENTIFIER_BYTES):
            return Refusal(name, Reason.IDENTIFIER_TOO_LONG)
        if column.verified is not None and cells[column.verified].lower() not in _TRUTHS:
            return Refusal(f"{name}{VERIFIED_SUFFIX}", Reason.VERIFIED_INVALID)
    return None


def _is_true(cells: Sequence[str], column: int | None) -> bool:
    return column is not None and _TRUTHS[cells[column].lower()]


def _is_text(cell: str) -> bool:
    try:
        cell.encode()
    except UnicodeEncodeError:  # bytes that are not UTF-8 were read as lone surrogates
        return False
    return True


def _too_long(value: str, limit: int) -> bool:
    return len(value) * 4 > limit and len(value.encode()) > limit
