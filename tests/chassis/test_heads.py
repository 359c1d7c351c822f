"""The head of a partition: its time never runs against its positions, and its chain shows any changed byte."""

from datetime import UTC, datetime, timedelta
from hashlib import sha256

import pytest

from services.chassis import heads
from services.chassis.batches import warm
from services.chassis.database import UnfitDatabase, WriteConnection
from services.chassis.journal import link
from tessera.events.v1 import journal_pb2
from tests.chassis.house import assert_sound, connection_to, ledger_database
from tests.chassis.ledger import Move, Transfer
from tests.chassis.ledger_lanes import account, open_lanes


async def test_a_batch_is_not_earlier_than_the_last_one_of_its_partition() -> None:
    """As after a process whose clock is an hour ahead."""
    ahead = (datetime.now(UTC) + timedelta(hours=1)).replace(microsecond=0)
    left, right = account(0), account(1)
    async with ledger_database() as dsn, open_lanes(dsn) as lanes, connection_to(dsn) as connection:
        await connection.execute("UPDATE head SET last_at = $1 WHERE partition = 0", ahead)
        await lanes.one(Move(right, 5))
        await lanes.one(Transfer(right, left, 2))
        await lanes.one(Move(right, 1))
        await assert_sound(dsn)
        times = await connection.fetch("SELECT booked_at FROM entries WHERE partition = 1 ORDER BY number")
        recorded = await connection.fetchval("SELECT recorded_at FROM journal WHERE partition = 0")
    assert times[0][0] < ahead
    assert [row[0] for row in times[1:]] == [ahead, ahead], "the later of the two heads, for both"
    assert recorded == ahead


async def test_a_batch_takes_the_virtual_time_if_there_is_one() -> None:
    noon = datetime(2019, 1, 1, 12, tzinfo=UTC)
    async with ledger_database() as dsn, open_lanes(dsn) as lanes, connection_to(dsn) as connection:
        await connection.execute("INSERT INTO clock VALUES (true, $1)", noon)
        await lanes.one(Move(account(), 5))
        assert await connection.fetchval("SELECT booked_at FROM entries") == noon
        assert await connection.fetchval("SELECT last_at FROM head WHERE partition = 0") == noon


async def test_heads_are_locked_in_ascending_order_whatever_the_order_asked_for() -> None:
    async with ledger_database() as dsn, connection_to(dsn) as connection:
        locked = await heads.lock(connection, [5, -1, 3])
        assert [head.partition for head in locked] == [-1, 3, 5]
        await connection.execute("ROLLBACK")


async def test_a_connection_is_warm_before_it_takes_a_head() -> None:
    async with ledger_database() as dsn:
        writer = WriteConnection(dsn, "writer", warm=warm)
        connection = await writer.get()
        prepared = await connection.fetch("SELECT statement FROM pg_prepared_statements")
        for table in ("requests", "cursors"):
            assert any("FROM head" in statement and f"FROM {table}" in statement for (statement,) in prepared)
        assert await writer.get() is connection
        await writer.close()


async def test_the_chain_hashes_the_stored_bytes_after_the_hash_before() -> None:
    owner = account()
    async with ledger_database() as dsn, open_lanes(dsn) as lanes, connection_to(dsn) as connection:
        for _ in range(3):
            await lanes.one(Move(owner, 1))
        rows = await connection.fetch("SELECT position, payload, chain_hash FROM journal ORDER BY position")
    previous = b""
    for row in rows:
        assert row["chain_hash"] == sha256(previous + row["position"].to_bytes(8, "big") + row["payload"]).digest()
        previous = row["chain_hash"]


@pytest.mark.parametrize(
    ("change", "what_shows"),
    [
        ("UPDATE journal SET payload = payload || '\\x00' WHERE position = 2", "the chain is broken"),
        ("UPDATE journal SET position = 4 WHERE position = 3", "a gap in the journal"),
        ("DELETE FROM journal WHERE position = 3", "the head is not the journal's last"),
    ],
)
async def test_the_proof_of_soundness_sees_a_changed_journal(change: str, what_shows: str) -> None:
    async with ledger_database() as dsn, open_lanes(dsn) as lanes, connection_to(dsn) as connection:
        for _ in range(3):
            await lanes.one(Move(account(), 1))
        await assert_sound(dsn)
        await connection.execute(change)
        with pytest.raises(AssertionError, match=what_shows):
            await assert_sound(dsn)


def test_a_record_says_what_happened_by_which_configuration_and_for_whom() -> None:
    at = datetime(2026, 1, 1, tzinfo=UTC)
    made = link(3, 7, at, b"before", 5, [b"one", b"two"], ["00-trace"])
    journal = journal_pb2.Journal.FromString(made.payload)
    assert (journal.config_version, list(journal.events), list(journal.traceparents)) == (
        5,
        [b"one", b"two"],
        ["00-trace"],
    )
    assert (made.partition, made.position, made.recorded_at) == (3, 7, at)


async def test_another_number_of_partitions_than_the_databases_is_refused() -> None:
    async with ledger_database(partitions=4) as dsn, connection_to(dsn) as connection:
        await heads.check_partitions(connection, 4)
        with pytest.raises(UnfitDatabase, match=r"has 4 partitions, TESSERA_PARTITIONS says 8"):
            await heads.check_partitions(connection, 8)


async def test_a_database_without_tables_is_refused() -> None:
    async with ledger_database() as dsn, connection_to(dsn) as connection:
        await connection.execute("DROP TABLE head")
        with pytest.raises(UnfitDatabase, match="migrate"):
            await heads.check_partitions(connection, 8)
