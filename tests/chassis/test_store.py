"""One statement writes a batch: rows that change are replaced, facts are written once, and each in its partition."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime

import asyncpg
import pytest
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB

from services.chassis.journal import link
from services.chassis.store import Store, gone, new
from services.chassis.tables import OF_BATCH, UPSERT
from tests.chassis.house import connection_to, ledger_database

START = datetime(2026, 1, 1, tzinfo=UTC)
METADATA = sa.MetaData()


def table(name: str, *columns: sa.Column[object], **options: object) -> sa.Table:
    partition = sa.Column("partition", sa.Integer, primary_key=True, autoincrement=False)
    return sa.Table(name, METADATA, partition, *columns, **options)


FACTS = table("facts", sa.Column("name", sa.Text, primary_key=True), sa.Column("data", JSONB))
STATES = table("states", sa.Column("name", sa.Text, primary_key=True), sa.Column("value", sa.Integer), info=UPSERT)
MARKS = table("marks", sa.Column("name", sa.Text, primary_key=True), info=UPSERT)
MOVES = table(
    "moves",
    sa.Column("position", sa.BigInteger, primary_key=True, autoincrement=False, info=OF_BATCH),
    sa.Column("ordinal", sa.Integer, primary_key=True, autoincrement=False, info=OF_BATCH),
    sa.Column("name", sa.Text),
    sa.Column("recorded_at", sa.DateTime(timezone=True), info=OF_BATCH),
)
STORE = Store([FACTS, STATES, MARKS, MOVES])


@pytest.fixture
async def connection() -> AsyncIterator[asyncpg.Connection]:
    async with ledger_database() as dsn, connection_to(dsn) as connection:
        for written in METADATA.sorted_tables:
            await connection.execute(
                str(sa.schema.CreateTable(written).compile(dialect=sa.dialects.postgresql.dialect()))
            )
        yield connection


async def rows(connection: asyncpg.Connection, name: str) -> list[tuple[object, ...]]:
    return [tuple(row) for row in await connection.fetch(f"SELECT * FROM {name} ORDER BY 1, 2")]


async def test_all_tables_and_the_journal_are_written_together(connection: asyncpg.Connection) -> None:
    made = link(3, 1, START, b"", 0, [b"event"])
    batch = {"states": [("a", 1), ("b", 2)], "facts": [("f", '{"x": 1}')], "marks": [], "elsewhere": []}
    await STORE.write(connection, 3, batch, made)
    assert await rows(connection, "states") == [(3, "a", 1), (3, "b", 2)]
    assert await rows(connection, "facts") == [(3, "f", '{"x": 1}')]
    assert await rows(connection, "journal") == [(3, 1, START, made.payload, made.chain_hash)]


async def test_a_state_is_replaced_and_a_fact_is_not(connection: asyncpg.Connection) -> None:
    await STORE.write(connection, 3, {"states": [("a", 1)], "facts": [("f", "1")], "marks": [("m",)]}, None)
    await STORE.write(connection, 3, {"states": [("a", 5)], "marks": [("m",), ("n",)]}, None)
    assert await rows(connection, "states") == [(3, "a", 5)]
    assert await rows(connection, "marks") == [(3, "m"), (3, "n")]
    with pytest.raises(asyncpg.UniqueViolationError):
        await STORE.write(connection, 3, {"facts": [("f", "2")]}, None)


async def test_partitions_keep_apart(connection: asyncpg.Connection) -> None:
    for partition in (0, 5):
        await STORE.write(connection, partition, {"states": [("a", partition)]}, None)
    assert await rows(connection, "states") == [(0, "a", 0), (5, "a", 5)]


async def test_nothing_to_write_is_no_statement() -> None:
    no_connection: asyncpg.Connection = None  # type: ignore[assignment]  # it must not be used
    await STORE.write(no_connection, 0, {"states": []}, None)


async def test_the_store_says_which_batch_wrote_a_row_and_in_which_place(connection: asyncpg.Connection) -> None:
    for position, names in ((1, ["a", "b"]), (2, ["c"])):
        made = link(3, position, START, b"", 0, [b"event"])
        await STORE.write(connection, 3, {"moves": [(name,) for name in names]}, made)
    assert await rows(connection, "moves") == [
        (3, 1, 0, "a", START),
        (3, 1, 1, "b", START),
        (3, 2, 0, "c", START),
    ]


async def test_rows_said_to_be_new_are_inserted_beside_those_that_change(connection: asyncpg.Connection) -> None:
    await STORE.write(connection, 3, {"states": [("a", 1)]}, None)
    await STORE.write(connection, 3, {"states": [("a", 2)], new("states"): [("b", 1)]}, None)
    assert await rows(connection, "states") == [(3, "a", 2), (3, "b", 1)]
    with pytest.raises(asyncpg.UniqueViolationError):
        await STORE.write(connection, 3, {new("states"): [("a", 3)]}, None)


async def test_rows_that_are_gone_are_deleted_in_their_partition_alone(connection: asyncpg.Connection) -> None:
    for partition in (3, 4):
        await STORE.write(connection, partition, {"states": [("a", 1), ("b", 2), ("c", 3)]}, None)
    made = link(3, 1, START, b"", 0, [b"event"])
    batch = {gone("states"): [("a",), ("never there",)], "states": [("b", 5)]}
    await STORE.write(connection, 3, batch, made)
    await STORE.write(connection, 3, {gone("states"): [("c",)]}, None)
    assert await rows(connection, "states") == [(3, "b", 5), (4, "a", 1), (4, "b", 2), (4, "c", 3)]
