"""Writing a batch: every row of every table, and the journal row, in one statement.

The statement is a chain of `INSERT … SELECT h.partition, u.* FROM head h, unnest(…) u WHERE h.partition = $1` under a
main `INSERT … VALUES`. On a distributed database this shape stays on one connection and one shard (partitions.md); on a
plain one it saves a round trip for each table. It is the one place where batches are written.
"""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import asyncpg
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from services.chassis.journal import Link

Rows = Sequence[tuple[Any, ...]]
"""Rows of one table: the values of its columns after `partition`, in the order of the table."""

_DIALECT = postgresql.dialect()  # type: ignore[no-untyped-call]  # SQLAlchemy leaves it untyped


class Store:
    """Writes rows of a service's tables. A row that exists is replaced (facts are never written twice)."""

    def __init__(self, tables: Sequence[sa.Table]) -> None:
        """`tables` in the order in which they are to be written; each has `partition` first, in its primary key."""
        self._tables = {table.name: table for table in tables}
        self._order = {table.name: number for number, table in enumerate(tables)}
        self._statement = lru_cache(maxsize=256)(self._build)

    async def write(
        self, connection: asyncpg.Connection, partition: int, rows: Mapping[str, Rows], link: Link | None
    ) -> None:
        """Write the rows of one partition, by table name, and its journal row if the batch has one."""
        names = tuple(sorted((name for name, table_rows in rows.items() if table_rows), key=self._order.__getitem__))
        if not names and link is None:
            return
        arguments: list[Any] = [partition]
        for name in names:
            arguments.extend(map(list, zip(*rows[name], strict=True)))
        if link is not None:
            arguments += [link.position, link.recorded_at, link.payload, link.chain_hash]
        await connection.execute(self._statement(names, link is not None), *arguments)

    def _build(self, names: tuple[str, ...], with_journal: bool) -> str:
        parts = []
        next_parameter = 2
        for name in names:
            table = self._tables[name]
            parts.append(_insert(table, next_parameter))
            next_parameter += len(table.columns) - 1
        if with_journal:
            first = next_parameter
            main = (
                "INSERT INTO journal (partition, position, recorded_at, payload, chain_hash)\n"
                f"VALUES ($1, ${first}, ${first + 1}, ${first + 2}, ${first + 3})"
            )
        else:
            main = parts.pop()
            names = names[:-1]
        if not parts:
            return main
        chained = ",\n".join(f"write_{name} AS (\n{part}\n)" for name, part in zip(names, parts, strict=True))
        return f"WITH {chained}\n{main}"


def _insert(table: sa.Table, first_parameter: int) -> str:
    columns = [column for column in table.columns if column.name != "partition"]
    names = ", ".join(column.name for column in columns)
    arrays = ", ".join(f"${first_parameter + number}::{_array_type(column)}" for number, column in enumerate(columns))
    keys = ", ".join(column.name for column in table.primary_key.columns)
    settings = ", ".join(f"{column.name} = EXCLUDED.{column.name}" for column in columns if not column.primary_key)
    action = f"DO UPDATE SET {settings}" if settings else "DO NOTHING"
    conflict = f"ON CONFLICT ({keys}) {action}" if table.info.get("upsert") else ""
    return (
        f"INSERT INTO {table.name} (partition, {names})\n"
        f"SELECT h.partition, u.*\n"
        f"FROM head AS h, unnest({arrays}) AS u\n"
        f"WHERE h.partition = $1\n{conflict}"
    ).rstrip()


def _array_type(column: sa.Column[Any]) -> str:
    return f"{column.type.compile(_DIALECT)}[]"
