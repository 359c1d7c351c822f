"""Reading files row by row: CSV, or Parquet with the extra `tessera[parquet]`."""

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import blake2b
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from tessera.imports.columns import BadFile, Columns, read_header

BLOCK_BYTES = 1 << 20
ROWS_A_BATCH = 10_000
KEY_BYTES = 32
PARQUET_MAGIC = b"PAR1"

Cells = list[str]


@dataclass(frozen=True, slots=True)
class Source:
    """A file of accounts. Its rows are counted from 1, the header not among them."""

    path: Path
    is_parquet: bool
    columns: Columns
    key: bytes
    """A hash of all its bytes: another content is another file."""

    def rows(self) -> Iterator[Cells]:
        """All rows, from the first; raises BadFile at a place from which rows cannot be told apart."""
        try:
            yield from _parquet_rows(self.path) if self.is_parquet else _csv_rows(self.path)
        except BadFile as error:
            raise BadFile(f"{self.path}: {error}") from None

    def changed(self) -> BadFile:
        """What is raised when a row is no longer what it was."""
        return BadFile(f"{self.path} changed while it was imported; import it again")


def open_source(path: Path) -> Source:
    """The file at a path. Raises BadFile."""
    try:
        is_parquet = _is_parquet(path)
        names = _parquet_names(path) if is_parquet else _csv_names(path)
        return Source(path, is_parquet, read_header(names), _key(path))
    except OSError as error:
        raise BadFile(f"{path} cannot be read: {error.strerror or error}") from None
    except BadFile as error:
        raise BadFile(f"{path}: {error}") from None


def _key(path: Path) -> bytes:
    digest = blake2b(digest_size=KEY_BYTES)
    with path.open("rb") as file:
        while block := file.read(BLOCK_BYTES):
            digest.update(block)
    return digest.digest()


def _is_parquet(path: Path) -> bool:
    with path.open("rb") as file:
        return path.suffix == ".parquet" or file.read(len(PARQUET_MAGIC)) == PARQUET_MAGIC


def _csv_names(path: Path) -> Cells:
    for names in _csv_records(path):
        return names
    raise BadFile("the file is empty")


def _csv_rows(path: Path) -> Iterator[Cells]:
    records = _csv_records(path)
    next(records)
    return records


def _csv_records(path: Path) -> Iterator[Cells]:
    """The records; bytes that are not UTF-8 come as lone surrogates, and lines without anything do not come."""
    number = -1  # of the last one; the header has 0
    with path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
        try:
            for record in csv.reader(file, strict=True):
                if record:
                    number += 1
                    yield record
        except csv.Error as error:
            raise BadFile(f"what follows row {max(number, 0)} is no CSV: {error}") from None


def _parquet_names(path: Path) -> Cells:
    schema = _parquet(path).schema_arrow
    for field in schema:
        if not _is_readable(field.type):
            raise BadFile(
                f"the column {field.name} is of the type {field.type}; it must be text, whole numbers or booleans"
            )
    return list(schema.names)


def _parquet_rows(path: Path) -> Iterator[Cells]:
    number = 0
    try:
        for batch in _parquet(path).iter_batches(batch_size=ROWS_A_BATCH):
            columns = [[_cell(value) for value in column.to_pylist()] for column in batch.columns]
            for row in zip(*columns, strict=True):
                number += 1
                yield list(row)
    except (OSError, ValueError) as error:  # what pyarrow raises, its own errors among them
        raise BadFile(f"what follows row {number} cannot be read: {error}") from None


def _parquet(path: Path) -> Any:
    if find_spec("pyarrow") is None:
        raise BadFile("Parquet needs pyarrow: pip install 'tessera[parquet]'")
    import pyarrow
    from pyarrow.parquet import ParquetFile

    try:
        return ParquetFile(path)
    except pyarrow.ArrowInvalid:
        raise BadFile("the file is no Parquet, or damaged") from None


def _is_readable(kind: Any) -> bool:
    from pyarrow import types

    plain = kind.value_type if types.is_dictionary(kind) else kind
    tests = (types.is_string, types.is_large_string, types.is_integer, types.is_boolean, types.is_null)
    return any(test(plain) for test in tests)


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)
