"""The journal before a seal leaves the database once it is archived; what needs it says so."""

from typing import Any

import pytest
from grpc import StatusCode, aio

from services.points.seals import queries
from tessera.events.v1 import event_feed_pb2
from tessera.points.v1 import points_service_pb2 as pb
from tessera.points.v1 import seal_pb2
from tests.points import eventful
from tests.points.builders import Shop, open_shop, refusal_of


async def sealed(shop: Shop) -> Any:
    """Something happens in partition 0, and is sealed."""
    await shop.earn(await shop.enrol(), 10)
    return (await shop.seal(partition=0))[0].seal


def trim(seal: Any, **fields: Any) -> seal_pb2.TrimLedgerRequest:
    values = {"partition": 0, "position": seal.position, "chain_hash": seal.chain_hash}
    return seal_pb2.TrimLedgerRequest(**{**values, **fields})


async def read_from(shop: Shop, position: int) -> list[int]:
    """The positions that the feed has after a position."""
    cursor = event_feed_pb2.Cursor(partition=0, position=position)
    answer = await shop.suite.feed("points").Read(event_feed_pb2.ReadRequest(cursors=[cursor]))
    return [record.position for record in answer.records]


async def test_after_trimming_the_proof_begins_at_the_seal_and_finds_any_change() -> None:
    async with open_shop(*eventful.DOCUMENTS, at=eventful.OPENING) as shop:
        await eventful.live(shop, sealed=True)
        (seal,) = (await shop.points.ListSeals(seal_pb2.ListSealsRequest())).seals
        assert (await shop.points.TrimLedger(trim(seal, validate_only=True))).earliest_position == 1
        for _ in range(2):
            assert (await shop.points.TrimLedger(trim(seal))).earliest_position == seal.position + 1
        assert await shop.findings(partition=0, from_seal=True) == []
        (again,) = await shop.seal(partition=0)
        assert again.seal.previous_position == seal.position
        pool = shop.suite.running["points"].platform.pool
        for table in ("activities", "entries", "lots", "spends", "lot_uses", "cap_uses"):
            await pool.execute(f"CREATE TABLE before_{table} AS SELECT * FROM {table}")
            await pool.execute(f"DELETE FROM {table} WHERE ctid = (SELECT min(ctid) FROM {table} WHERE partition = 0)")
            assert await shop.findings(partition=0, from_seal=True) != []
            await pool.execute(f"DELETE FROM {table}; INSERT INTO {table} SELECT * FROM before_{table}")
        assert await shop.findings(partition=0, from_seal=True) == []


async def test_what_needs_the_journal_from_its_beginning_is_refused() -> None:
    async with open_shop() as shop:
        seal = await sealed(shop)
        await shop.points.TrimLedger(trim(seal))

        async def export() -> None:
            async for _ in shop.points.ExportEntries(pb.ExportEntriesRequest(partition=0)):
                pass

        for to_the_end in (True, False):
            for call in (shop.findings(partition=0), export(), read_from(shop, 0)):
                refusal = await refusal_of(call)
                assert (refusal.reason, refusal.code) == ("JOURNAL_ARCHIVED", StatusCode.FAILED_PRECONDITION)
                assert refusal.metadata == {"partition": "0", "earliest_position": str(seal.position + 1)}
            assert await read_from(shop, seal.position) == ([] if to_the_end else [seal.position + 1])
            if to_the_end:
                await shop.earn(await shop.enrol(), 10)


async def test_only_what_is_sealed_and_archived_is_trimmed() -> None:
    async with open_shop() as shop:
        seal = await sealed(shop)
        await shop.earn(await shop.enrol(), 10)
        for request, reason, code, metadata in (
            (
                trim(seal, position=seal.position + 1),
                "LEDGER_NOT_SEALED",
                StatusCode.FAILED_PRECONDITION,
                {"sealed_position": str(seal.position)},
            ),
            (
                trim(seal, chain_hash=bytes(32)),
                "ARCHIVE_DIFFERS",
                StatusCode.INVALID_ARGUMENT,
                {"position": str(seal.position)},
            ),
            (trim(seal, partition=8), "PARTITION_UNKNOWN", StatusCode.INVALID_ARGUMENT, {"partitions": "8"}),
            (trim(seal, chain_hash=b"x"), "INVALID_REQUEST", StatusCode.INVALID_ARGUMENT, {}),
        ):
            refusal = await refusal_of(shop.points.TrimLedger(request))
            assert (refusal.reason, refusal.code, refusal.metadata) == (reason, code, metadata)
        assert await read_from(shop, 0) != []
        assert await shop.findings() == []


async def test_trimming_that_breaks_off_removes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    async with open_shop() as shop:
        seal = await sealed(shop)
        with monkeypatch.context() as patched:
            patched.setattr(queries, "_TRIM", "DELETE FROM journal WHERE partition = $1 / 0 AND position <= $2")
            with pytest.raises(aio.AioRpcError):
                await shop.points.TrimLedger(trim(seal))
        assert await shop.findings() == []
        await shop.points.TrimLedger(trim(seal))
        assert await shop.findings(from_seal=True) == []


async def test_a_journal_that_was_lost_and_not_archived_is_a_finding() -> None:
    async with open_shop() as shop:
        await sealed(shop)
        await shop.suite.running["points"].platform.pool.execute("DELETE FROM journal WHERE partition = 0")
        for from_seal in (False, True):
            assert await shop.findings(partition=0, from_seal=from_seal) != []
