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
"""Rows of one table: the values of its columns in its order, without `partition` and what the batch says of itself."""

_LINK_COLUMNS = ("position", "recorded_at", "payload", "chain_hash")
_INSERT_JOURNAL = f"INSERT INTO journal (partition, {', '.join(_LINK_COLUMNS)})\nVALUES ($1, $2, $3, $4, $5)"
_OF_BATCH = {"position": "$2", "recorded_at": "$3", "ordinal": "(u.place - 1)::integer"}
"""What the store knows of a row: parameters of the journal row, and the row's place in its array."""
_DIALECT = postgresql.dialect()  # type: ignore[no-untyped-call]  # SQLAlchemy leaves it untyped


_NEW = "new "
_GONE = "gone "


def new(table: str) -> str:
    """What rows go by that are new to their table: none that exists need be looked for, so they cost less."""
    return _NEW + table


def gone(table: str) -> str:
    """What keys go by whose rows are to be deleted: the primary key without the partition. Facts never are."""
    return _GONE + table


def opposite(name: str) -> str:
    """What the same rows go by when they are deleted rather than written, and the other way round."""
    return name.removeprefix(_GONE) if name.startswith(_GONE) else gone(_table_of(name))


def _table_of(name: str) -> str:
    return name.removeprefix(_NEW).removeprefix(_GONE)


class Store:
    """Writes rows of a service's tables, which go by the table's name: one that exists is replaced; or by `new` or
    `gone` of it.

    Facts are never written twice, and no row twice in a batch.
    """

    def __init__(self, tables: Sequence[sa.Table]) -> None:
        """`tables` in the order in which they are to be written; each has `partition` first, in its primary key."""
        self._tables = {table.name: table for table in tables}
        self._order = {table.name: number for number, table in enumerate(tables)}
        self._statement = lru_cache(maxsize=256)(self._build)

    async def write(
        self, connection: asyncpg.Connection, partition: int, rows: Mapping[str, Rows], link: Link | None
    ) -> None:
        """Write the rows of one partition, and its journal row if the batch has one."""
        names = tuple(sorted((name for name, table_rows in rows.items() if table_rows), key=self._place))
        if not names and link is None:
            return
        arguments: list[Any] = [partition]
        if link is not None:
            arguments += [link.position, link.recorded_at, link.payload, link.chain_hash]
        for name in names:
            arguments.extend(map(list, zip(*rows[name], strict=True)))
        await connection.execute(self._statement(names, link is not None), *arguments)

    def _place(self, name: str) -> tuple[int, str]:
        return self._order[_table_of(name)], name

    def _build(self, names: tuple[str, ...], with_journal: bool) -> str:
        parts = []
        next_parameter = 2 + len(_LINK_COLUMNS) if with_journal else 2
        for name in names:
            table = self._tables[_table_of(name)]
            if name.startswith(_GONE):
                parts.append(_delete(table, next_parameter))
                next_parameter += len(_key_of_rows(table))
            else:
                parts.append(_insert(table, next_parameter, are_new=name.startswith(_NEW)))
                next_parameter += len(_columns_of_rows(table))
        main = _INSERT_JOURNAL if with_journal else parts.pop()
        if not parts:
            return main
        chained = ",\n".join(f"write_{number} AS (\n{part}\n)" for number, part in enumerate(parts))
        return f"WITH {chained}\n{main}"


def _insert(table: sa.Table, first_parameter: int, *, are_new: bool) -> str:
    columns = _columns_of_rows(table)
    of_batch = [column.name for column in table.columns if column.info.get("of_batch")]
    arrays = ", ".join(f"${first_parameter + number}::{array_type(column)}" for number, column in enumerate(columns))
    names = ", ".join(column.name for column in columns)
    targets = ", ".join(["partition", *of_batch, *(column.name for column in columns)])
    values = ", ".join(["h.partition", *map(_OF_BATCH.__getitem__, of_batch), *(f"u.{c.name}" for c in columns)])
    return (
        f"INSERT INTO {table.name} ({targets})\n"
        f"SELECT {values}\n"
        f"FROM head AS h, unnest({arrays}) WITH ORDINALITY AS u ({names}, place)\n"
        f"WHERE h.partition = $1\n{'' if are_new else _conflict(table)}"
    ).rstrip()


def _delete(table: sa.Table, first_parameter: int) -> str:
    key = _key_of_rows(table)
    arrays = ", ".join(f"${first_parameter + number}::{array_type(column)}" for number, column in enumerate(key))
    names = ", ".join(column.name for column in key)
    same = "".join(f"\n  AND t.{column.name} = u.{column.name}" for column in key)
    return f"DELETE FROM {table.name} AS t\nUSING unnest({arrays}) AS u ({names})\nWHERE t.partition = $1{same}"


def _conflict(table: sa.Table) -> str:
    if not table.info.get("upsert"):
        return ""
    keys = ", ".join(column.name for column in table.primary_key.columns)
    settings = ", ".join(
        f"{column.name} = EXCLUDED.{column.name}" for column in table.columns if not column.primary_key
    )
    return f"ON CONFLICT ({keys}) DO {f'UPDATE SET {settings}' if settings else 'NOTHING'}"


def _columns_of_rows(table: sa.Table) -> list[sa.Column[Any]]:
    return [c for c in table.columns if c.name != "partition" and not c.info.get("of_batch")]


def _key_of_rows(table: sa.Table) -> list[sa.Column[Any]]:
    return [c for c in table.primary_key.columns if c.name != "partition"]


def array_type(column: sa.Column[Any]) -> str:
    """The type of a parameter that has values of a column."""
    return f"{column.type.compile(_DIALECT)}[]"
