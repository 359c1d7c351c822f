"""Everything that the tables of a service hold on a member, as JSON: what `ExportMember` streams."""

import json
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any
from uuid import UUID

import asyncpg
import sqlalchemy as sa

ROWS = 500
"""Rows that are read at a time."""

Reader = Callable[[bytes], Any]
"""Reads what a column keeps as bytes; what nobody reads is left out."""
Readers = Mapping[tuple[str, str], Reader]
"""By table and column."""


async def rows_of_member(
    connection: asyncpg.Connection,
    metadata: sa.MetaData,
    partition: int,
    member_id: UUID,
    readers: Readers,
) -> AsyncIterator[tuple[str, str]]:
    """Each row about a member in a partition: the name of its table, and the row as JSON, its columns by name.

    `readers` read the columns that are kept as bytes. One snapshot, one row at a time.
    """
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        for table in metadata.sorted_tables:
            if "member_id" not in table.columns:
                continue
            names = [column.name for column in table.columns if _is_told(column, table.name, readers)]
            statement = f"SELECT {', '.join(names)} FROM {table.name} WHERE partition = $1 AND member_id = $2"
            async for row in connection.cursor(statement, partition, member_id, prefetch=ROWS):
                record = {name: _plain(row[name], readers.get((table.name, name))) for name in names}
                yield table.name, json.dumps(record, ensure_ascii=False)


def _is_told(column: sa.Column[Any], table: str, readers: Readers) -> bool:
    is_bytes = isinstance(column.type, sa.LargeBinary)
    return column.name != "partition" and (not is_bytes or (table, column.name) in readers)


def _plain(value: Any, reader: Reader | None) -> Any:
    if reader is not None and value is not None:
        return reader(value)
    if isinstance(value, UUID):
        return str(value)
    return value.isoformat() if hasattr(value, "isoformat") else value
