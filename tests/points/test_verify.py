"""The proof of the ledger: it holds for what the service wrote, and finds whatever anybody changed behind its back."""

from typing import Any

import asyncpg
import pytest
import pytest_asyncio
from grpc import StatusCode

from services.chassis.journal import chain
from services.points.ledger import queries, verify
from tessera.events.v1 import journal_pb2
from tessera.points.v1 import points_service_pb2 as pb
from tests.points import eventful
from tests.points.builders import (
    Shop,
    open_shop,
    refusal_of,
)

pytestmark = pytest.mark.asyncio(loop_scope="module")
TABLES = (
    "activities",
    "refunds",
    "completions",
    "parked_refunds",
    "entries",
    "lots",
    "holds",
    "spends",
    "gifts",
    "adjustments",
    "partner_conversions",
    "clawbacks",
    "movements",
    "lot_uses",
    "balances",
    "requests",
    "journal",
)
NOT_PROVEN = {"partition"}
"""Keys of a partition: a row moved to another one is missing here and unknown there."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shop() -> Any:
    """A shop in which everything has happened once."""
    async with open_shop(*eventful.DOCUMENTS, at=eventful.OPENING) as opened:
        await eventful.live(opened)
        yield opened


async def test_what_the_service_wrote_holds(shop: Shop) -> None:
    answers = [answer async for answer in shop.points.VerifyLedger(pb.VerifyLedgerRequest())]
    assert [finding for answer in answers for finding in answer.findings] == []
    assert [answer.partition for answer in answers if answer.done] == list(range(8))
    assert all(answer.position == answer.head_position for answer in answers if answer.done)
    assert sum(answer.entries for answer in answers if answer.done) == await connected(shop, "count(*) FROM entries")


async def test_every_column_of_every_table_is_proven(shop: Shop) -> None:
    connection = await asyncpg.connect(shop.suite.dsns["points"])
    unnoticed = []
    try:
        for table in TABLES:
            assert await connection.fetchval(f"SELECT count(*) FROM {table} WHERE partition >= 0")
            for column, kind in await columns_of(connection, table):
                if column in NOT_PROVEN:
                    continue
                await change(connection, table, column, kind)
                if not await shop.findings():
                    unnoticed.append(f"{table}.{column}")
                await undo(connection, table)
    finally:
        await connection.close()
    assert unnoticed == []
    assert await shop.findings() == []


@pytest.mark.parametrize("table", [table for table in TABLES if table != "journal"])
async def test_a_row_too_few_or_too_many_is_found(shop: Shop, table: str) -> None:
    connection = await asyncpg.connect(shop.suite.dsns["points"])
    try:
        await keep(connection, table)
        await connection.execute(
            f"DELETE FROM {table} WHERE ctid = (SELECT ctid FROM {table} ORDER BY ctid DESC LIMIT 1)"
        )
        assert await shop.findings() != []
        await undo(connection, table)
        assert await shop.findings() == []
    finally:
        await connection.close()


@pytest.mark.parametrize("chunk", [1, 3, 1000])
async def test_what_differs_is_named_and_nothing_else(shop: Shop, monkeypatch: pytest.MonkeyPatch, chunk: int) -> None:
    for module in (queries, verify):
        monkeypatch.setattr(module, "CHUNK", chunk)
    connection = await asyncpg.connect(shop.suite.dsns["points"])
    try:
        places = await connection.fetch("SELECT position, ordinal FROM entries ORDER BY position, ordinal")
        for position, ordinal in (places[0], places[len(places) // 2], places[-1]):
            where = f"position = {position} AND ordinal = {ordinal}"
            name = f"entry {position}.{ordinal}"
            await keep(connection, "entries")
            await connection.execute(f"DELETE FROM entries WHERE {where}")
            assert await shop.findings() == [f"{name}: the table does not say what the journal says"]
            await undo(connection, "entries")
            await connection.execute(f"UPDATE entries SET amount = amount + 1 WHERE {where}")
            assert await shop.findings() == [f"{name}: the table does not say what the journal says"]
            await undo(connection, "entries")
            await connection.execute(f"CREATE TEMPORARY TABLE doubled AS SELECT * FROM entries WHERE {where}")
            await connection.execute(f"UPDATE doubled SET member_id = {CHANGES['uuid'].format('member_id')}")
            await connection.execute("INSERT INTO entries SELECT * FROM doubled")
            assert await shop.findings() == [f"{name}: the journal does not know it"]
            await connection.execute("DROP TABLE doubled")
            await undo(connection, "entries")
        assert await shop.findings() == []
    finally:
        await connection.close()


async def test_a_lost_end_and_a_hole_of_the_journal_are_found(shop: Shop) -> None:
    connection = await asyncpg.connect(shop.suite.dsns["points"])
    try:
        last = await connection.fetchval("SELECT max(position) FROM journal WHERE partition = 0")
        for position in (last, last - 1, 1):
            await keep(connection, "journal")
            await connection.execute("DELETE FROM journal WHERE partition = 0 AND position = $1", position)
            assert await shop.findings() != []
            await undo(connection, "journal")
        assert await shop.findings() == []
    finally:
        await connection.close()


async def test_a_journal_written_anew_with_fitting_hashes_no_longer_fits_the_tables(shop: Shop) -> None:
    connection = await asyncpg.connect(shop.suite.dsns["points"])
    try:
        await keep(connection, "journal")
        heads = await connection.fetchrow("SELECT chain_hash FROM head WHERE partition = 0")
        rows = await connection.fetch("SELECT position, payload FROM journal WHERE partition = 0 ORDER BY position")
        previous = b""
        for number, row in enumerate(rows):
            record = journal_pb2.Journal.FromString(row["payload"])
            if number == 0:
                del record.events[-1]
            payload = record.SerializeToString(deterministic=True)
            previous = chain(previous, row["position"], payload)
            await connection.execute(
                "UPDATE journal SET payload = $1, chain_hash = $2 WHERE partition = 0 AND position = $3",
                payload,
                previous,
                row["position"],
            )
        await connection.execute("UPDATE head SET chain_hash = $1 WHERE partition = 0", previous)
        assert any("activity" in finding for finding in await shop.findings())
        await connection.execute("UPDATE head SET chain_hash = $1 WHERE partition = 0", heads["chain_hash"])
        await undo(connection, "journal")
        assert await shop.findings() == []
    finally:
        await connection.close()


async def test_one_partition_can_be_asked_for_and_others_are_refused(shop: Shop) -> None:
    answers = [answer async for answer in shop.points.VerifyLedger(pb.VerifyLedgerRequest(partition=0))]
    assert {answer.partition for answer in answers} == {0}

    async def verify(partition: int) -> None:
        async for _ in shop.points.VerifyLedger(pb.VerifyLedgerRequest(partition=partition)):
            pass

    refusal = await refusal_of(verify(8))
    assert (refusal.reason, refusal.code) == ("PARTITION_UNKNOWN", StatusCode.INVALID_ARGUMENT)
    assert refusal.metadata == {"partitions": "8"}


async def columns_of(connection: asyncpg.Connection, table: str) -> list[tuple[str, str]]:
    rows = await connection.fetch(
        "SELECT column_name, data_type FROM information_schema.columns WHERE table_name = $1 ORDER BY ordinal_position",
        table,
    )
    return [(row["column_name"], row["data_type"]) for row in rows]


CHANGES = {
    "uuid": "overlay({0}::text placing (CASE substr({0}::text, 30, 1) WHEN '0' THEN '1' ELSE '0' END) from 30)::uuid",
    "text": "{0} || 'x'",
    "bigint": "{0} + 1",
    "integer": "{0} + 1000",
    "smallint": "{0} % 5 + 1",
    "boolean": "NOT {0}",
    "timestamp with time zone": "{0} + interval '1 microsecond'",
    "date": "{0} + 1",
    "bytea": "set_byte({0}, length({0}) / 2, (get_byte({0}, length({0}) / 2) + 1) % 256)",
}


async def change(connection: asyncpg.Connection, table: str, column: str, kind: str) -> None:
    """Change one value of a column, in the last row that has one."""
    await keep(connection, table)
    await connection.execute(f"ALTER TABLE {table} DROP CONSTRAINT IF EXISTS lots_within")
    changed = await connection.execute(
        f"UPDATE {table} SET {column} = {CHANGES[kind].format(column)} WHERE ctid = "
        f"(SELECT ctid FROM {table} WHERE partition >= 0 AND {column} IS NOT NULL ORDER BY ctid DESC LIMIT 1)"
    )
    assert changed == "UPDATE 1", f"{table}.{column} has no value to change"


async def keep(connection: asyncpg.Connection, table: str) -> None:
    await connection.execute(f"CREATE TABLE IF NOT EXISTS kept_{table} AS SELECT * FROM {table}")


async def undo(connection: asyncpg.Connection, table: str) -> None:
    async with connection.transaction():
        await connection.execute(f"DELETE FROM {table}")
        await connection.execute(f"INSERT INTO {table} SELECT * FROM kept_{table}")


async def connected(shop: Shop, what: str) -> Any:
    return await shop.suite.running["points"].platform.pool.fetchval(f"SELECT {what}")
