"""What was proved is sealed, and a proof can begin there."""

import dataclasses
from typing import Any

import pytest
from grpc import StatusCode

from services.points.ledger.replay import Replayed
from services.points.seals import state
from services.points.seals.chain import Seal, hash_of
from tessera.points.v1 import points_service_pb2 as pb
from tessera.points.v1 import seal_pb2
from tests.points import eventful
from tests.points.builders import Shop, open_shop, refusal_of, spend


async def verified(shop: Shop, **fields: Any) -> Any:
    """The last answer of the proof of partition 0."""
    answers = shop.points.VerifyLedger(pb.VerifyLedgerRequest(partition=0, **fields))
    return [answer async for answer in answers][-1]


async def seals_of(shop: Shop, **fields: Any) -> list[Any]:
    return list((await shop.points.ListSeals(seal_pb2.ListSealsRequest(**fields))).seals)


async def changed(shop: Shop, sql: str) -> None:
    """Somebody changes the database behind the service's back."""
    await shop.suite.running["points"].platform.pool.execute(sql)


async def test_a_proof_from_the_seal_reads_only_the_journal_since_and_proves_every_row() -> None:
    async with open_shop(*eventful.DOCUMENTS, at=eventful.OPENING) as shop:
        await eventful.live(shop, sealed=True)
        (seal,) = await seals_of(shop)
        whole, since = await verified(shop), await verified(shop, from_seal=True)
        assert (whole.seal_position, since.seal_position) == (0, seal.position)
        assert since.head_position == since.position == whole.position > seal.position
        assert whole.entries == seal.entries + since.entries
        assert [*whole.findings, *since.findings] == []
        await changed(shop, f"UPDATE journal SET payload = 'x' WHERE partition = 0 AND position = {seal.position - 1}")
        assert await shop.findings(partition=0, from_seal=True) == []
        assert await shop.findings(partition=0) != []


async def test_each_seal_hashes_the_one_before_and_only_the_newest_keeps_a_state() -> None:
    async with open_shop() as shop:
        member = await shop.enrol()
        for paid in (10, 20, 30):
            await shop.earn(member, paid)
            await shop.points.Spend(spend(member, 5))
            (answer,) = await shop.seal(partition=0)
            assert answer.seal.position == answer.head_position
        seals = await seals_of(shop)
        assert [seal.previous_position for seal in seals] == [0, *(seal.position for seal in seals[:-1])]
        assert [seal.entries for seal in seals] == [2, 2, 2]
        assert len({seal.seal_hash for seal in seals}) == 3
        assert await seals_of(shop, after_position=seals[0].position, max_seals=1) == seals[1:2]
        kept = await shop.suite.running["points"].platform.pool.fetch("SELECT DISTINCT position FROM seal_parts")
        assert [row["position"] for row in kept] == [seals[-1].position]
        assert await shop.findings() == await shop.findings(from_seal=True) == []


async def test_what_has_not_moved_keeps_its_seal_and_an_empty_partition_has_none() -> None:
    async with open_shop() as shop:
        await shop.earn(await shop.enrol(), 10)
        first = await shop.seal()
        again = await shop.seal()
        assert [answer.seal for answer in first] == [answer.seal for answer in again]
        assert [answer.HasField("seal") for answer in first] == [True] + [False] * 7


async def test_a_dry_run_proves_and_seals_nothing() -> None:
    async with open_shop() as shop:
        await shop.earn(await shop.enrol(), 10)
        (answer,) = await shop.seal(partition=0, validate_only=True)
        assert (answer.position, answer.HasField("seal")) == (answer.head_position, False)
        assert await seals_of(shop) == []


async def test_nothing_is_sealed_that_does_not_hold() -> None:
    async with open_shop() as shop:
        await shop.earn(await shop.enrol(), 10)
        await changed(shop, "UPDATE balances SET balance = balance + 1")
        (answer,) = await shop.seal(partition=0)
        assert answer.findings
        assert not answer.HasField("seal")
        await changed(shop, "UPDATE balances SET balance = balance - 1")
        assert (await shop.seal(partition=0))[0].HasField("seal")


@pytest.mark.parametrize("from_seal", [False, True])
@pytest.mark.parametrize(
    "change",
    [
        "UPDATE seals SET sealed_at = sealed_at + interval '1 microsecond' WHERE previous_position = 0",
        "UPDATE seals SET entries = entries + 1 WHERE previous_position > 0",
        "DELETE FROM seals WHERE previous_position = 0",
        "DELETE FROM seals WHERE previous_position > 0",
        "DELETE FROM seals",
        "DELETE FROM seal_parts WHERE ordinal = 1",
        "UPDATE seal_parts SET payload = 'no message' WHERE ordinal = 0",
        "UPDATE seals SET archived = true",
        "UPDATE entries SET level = 'x' WHERE position < 3",
    ],
)
async def test_a_seal_that_was_changed_is_found(sealed_twice: Shop, change: str, from_seal: bool) -> None:
    pool = sealed_twice.suite.running["points"].platform.pool
    tables = ("seals", "seal_parts", "entries")
    for table in tables:
        await pool.execute(f"CREATE TABLE before_{table} AS SELECT * FROM {table}")
    await changed(sealed_twice, change)
    assert await sealed_twice.findings(partition=0, from_seal=from_seal) != []
    for table in tables:
        await pool.execute(f"DELETE FROM {table}; INSERT INTO {table} SELECT * FROM before_{table}")
        await pool.execute(f"DROP TABLE before_{table}")
    assert await sealed_twice.findings(partition=0, from_seal=from_seal) == []


@pytest.fixture
async def sealed_twice() -> Any:
    async with open_shop() as shop:
        member = await shop.enrol()
        for paid in (10, 20):
            await shop.earn(member, paid)
            await shop.points.Spend(spend(member, 5))
            await shop.seal(partition=0)
        yield shop


async def test_a_state_written_anew_with_fitting_hashes_does_not_fit_the_journal() -> None:
    async with open_shop() as shop:
        await shop.earn(await shop.enrol(), 10)
        await shop.seal(partition=0)
        pool = shop.suite.running["points"].platform.pool
        await changed(shop, "DELETE FROM lots")
        parts = [row["payload"] for row in await pool.fetch("SELECT payload FROM seal_parts ORDER BY ordinal")]
        parts = [part for part in parts if seal_pb2.SealedRows.FromString(part).table != "lots"]
        await changed(shop, "DELETE FROM seal_parts")
        for ordinal, part in enumerate(parts):
            await pool.execute("INSERT INTO seal_parts VALUES (0, $1, $2, $3)", *(await place(shop)), ordinal, part)
        row = dict(await pool.fetchrow("SELECT * FROM seals"))
        del row["partition"]
        row["sealed_at"] = await pool.fetchval("SELECT extract(epoch FROM sealed_at) * 1000000 FROM seals")
        forged = Seal(**{**row, "state_digest": state.digest_of_parts(parts)})
        forged = dataclasses.replace(forged, sealed_at=int(forged.sealed_at) - 946_684_800_000_000)
        await pool.execute(
            "UPDATE seals SET state_digest = $1, seal_hash = $2", forged.state_digest, hash_of(forged, b"")
        )
        assert "the newest seal keeps other lots than the journal tells" in await shop.findings(partition=0)


async def place(shop: Shop) -> tuple[int]:
    return (await shop.suite.running["points"].platform.pool.fetchval("SELECT position FROM seals"),)


async def test_at_midnight_what_has_come_far_enough_is_sealed() -> None:
    async with open_shop(seal_after_positions=3) as shop:
        busy, quiet = await shop.enrol(routing=0), await shop.enrol(routing=1)
        for _ in range(3):
            await shop.earn(busy, 10)
        await shop.earn(quiet, 10)
        await shop.go_to("2026-01-02")
        assert [len(await seals_of(shop, partition=partition)) for partition in (0, 1)] == [1, 0]


async def test_partitions_that_there_are_not_are_refused() -> None:
    async with open_shop() as shop:

        async def seal() -> None:
            await shop.seal(partition=8)

        for call in (seal(), seals_of(shop, partition=8)):
            refusal = await refusal_of(call)
            assert (refusal.reason, refusal.code) == ("PARTITION_UNKNOWN", StatusCode.INVALID_ARGUMENT)


def test_everything_that_is_replayed_is_sealed() -> None:
    assert {field.name for field in dataclasses.fields(Replayed)} == {*state._ROWS, *state._NUMBERS}
