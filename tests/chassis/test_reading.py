"""Queries asked together answer as they do alone."""

from collections.abc import AsyncIterator, Sequence
from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from services.chassis.reading import Reading
from tests.chassis.house import connection_to, ledger_database

NUMBERS = "SELECT $1::integer, number FROM unnest($2::integer[]) AS u (number) ORDER BY number DESC"
SUM = "SELECT $1::integer + $2::integer + $3::integer"
VALUES = "SELECT $2::uuid, $3::timestamptz, $4::date, $5::bytea, $6::text, $7::boolean, $8::bigint, NULL::text"
NOTHING = "SELECT partition FROM head WHERE partition = $1 AND false"


@pytest.fixture
async def connection() -> AsyncIterator[asyncpg.Connection]:
    async with ledger_database() as dsn, connection_to(dsn) as connection:
        yield connection


async def test_each_query_gets_its_own_arguments_and_its_own_rows_in_their_order(
    connection: asyncpg.Connection,
) -> None:
    taken: dict[str, list[tuple[Any, ...]]] = {}

    def into(name: str) -> Any:
        def take(rows: Sequence[Any]) -> None:
            taken[name] = [tuple(row) for row in rows]

        return take

    values = (UUID(int=7), datetime(2026, 1, 2, 3, tzinfo=UTC), date(2026, 2, 3), b"\x00\xff", "é", True, 1 << 60)
    reading = Reading(connection, 5)
    reading.add(NUMBERS, [1, 3, 2], take=into("numbers"))
    reading.add(NOTHING, take=into("nothing"))
    reading.add(VALUES, *values, take=into("values"))
    reading.add(SUM, 20, 22, take=into("sum"))
    await reading.run()
    assert taken == {
        "numbers": [(5, 3), (5, 2), (5, 1)],
        "nothing": [],
        "values": [(*values, None)],
        "sum": [(47,)],
    }


async def test_queries_of_many_rows_are_read_after_the_others_in_the_same_run(connection: asyncpg.Connection) -> None:
    taken: list[Any] = []
    reading = Reading(connection, 5)
    reading.add_many(NUMBERS, [1, 3, 2], take=lambda rows: taken.append([tuple(row) for row in rows]))
    reading.add(SUM, 20, 22, take=lambda rows: taken.append(rows[0][0]))
    await reading.run()
    await reading.run()
    assert taken == [47, [(5, 3), (5, 2), (5, 1)]]


async def test_what_was_read_is_not_read_again(connection: asyncpg.Connection) -> None:
    taken: list[Any] = []
    reading = Reading(connection, 0)
    await reading.run()
    for number in (1, 2):
        reading.add(SUM, number, 0, take=lambda rows: taken.extend(row[0] for row in rows))
        await reading.run()
    await reading.run()
    assert taken == [1, 2]
