"""Reading what a batch needs: the queries of many tables in one statement.

A statement costs a round trip, and more to send than a few rows cost to find; a small batch needs a few rows of many
tables.
"""

import re
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

import asyncpg

from services.chassis.database import Connection

Take = Callable[[Sequence[Any]], None]
"""Takes the rows of a query. Their values are known by place, not by name."""

_PARAMETER = re.compile(r"\$(\d+)")


class Reading:
    """Queries of one partition that are asked together; in each of them `$1` is the partition."""

    def __init__(self, connection: Connection | asyncpg.Pool, partition: int) -> None:
        self._connection = connection
        self._partition = partition
        self._queries: list[tuple[str, int]] = []
        self._arguments: list[Any] = []
        self._takes: list[Take] = []
        self._many: list[tuple[str, tuple[Any, ...], Take]] = []

    def add(self, query: str, *arguments: Any, take: Take) -> None:
        """Ask a query, with its arguments from `$2` on. None of its columns is an array, unless of records.

        asyncpg knows arrays in a record only from statements that returned some before, on the same connection.
        """
        self._queries.append((query, len(arguments)))
        self._arguments += arguments
        self._takes.append(take)

    def add_many(self, query: str, *arguments: Any, take: Take) -> None:
        """As `add`, for a query of many rows: a round trip of its own costs less than to put rows into an array.

        Its columns may be arrays.
        """
        self._many.append((query, arguments, take))

    async def run(self) -> None:
        """Read what was asked since the last time."""
        await self._run_together()
        many, self._many = self._many, []
        for query, arguments, take in many:
            take(await self._connection.fetch(query, self._partition, *arguments))

    async def _run_together(self) -> None:
        if not self._queries:
            return
        found = await self._connection.fetchrow(_together(tuple(self._queries)), self._partition, *self._arguments)
        assert found is not None, "a SELECT without FROM has one row"
        takes = self._takes
        self._queries, self._arguments, self._takes = [], [], []
        for take, rows in zip(takes, found, strict=True):
            take(rows)


@lru_cache(maxsize=256)
def _together(queries: Sequence[tuple[str, int]]) -> str:
    """One row that has the rows of each query as an array; parameters are numbered through."""
    columns = []
    before = 0
    for query, arguments in queries:
        columns.append(f"ARRAY (SELECT found FROM ({_renumbered(query, before)}) AS found)")
        before += arguments
    return f"SELECT {', '.join(columns)}"


def _renumbered(query: str, by: int) -> str:
    return _PARAMETER.sub(lambda found: "$1" if found[1] == "1" else f"${int(found[1]) + by}", query)
