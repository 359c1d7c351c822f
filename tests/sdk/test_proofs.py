"""Proofs find what does not hold."""

from hashlib import sha256

import pytest

from services.chassis.journal import chain
from tessera.config.v1 import config_service_pb2
from tessera.events.v1 import event_feed_pb2 as pb
from tessera.points.v1 import points_service_pb2
from tessera.proofs import prove_chain, prove_ledger, prove_liability
from tests.sdk.scripted import Answer, client_of, scripted

Records = list[pb.Record]


def _chained(*payloads: bytes) -> Records:
    records: Records = []
    previous = b""
    for position, payload in enumerate(payloads, start=1):
        previous = chain(previous, position, payload)
        records.append(pb.Record(partition=2, position=position, payload=payload, chain_hash=previous))
    return records


async def _findings(records: Records, head: int) -> tuple[str, ...]:
    """What the proof of a chain finds in a feed that has these records and this head."""

    def answer(name: str, payload: bytes) -> Answer:
        if name == "GetPositions":
            return pb.GetPositionsResponse(service="tiers", heads=[pb.Cursor(partition=2, position=head)])
        (cursor,) = pb.ReadRequest.FromString(payload).cursors
        return pb.ReadResponse(records=[record for record in records if record.position > cursor.position][:2])

    async with scripted(answer) as fake, client_of(("tiers", fake)) as client:
        return (await prove_chain(client, "tiers")).findings


async def test_a_whole_chain_holds() -> None:
    assert await _findings(_chained(b"a", b"b", b"c", b"d", b"e"), head=5) == ()


async def test_a_changed_byte_is_found() -> None:
    records = _chained(b"a", b"b", b"c")
    records[1].payload = b"B"
    assert await _findings(records, head=3) == ("partition 2, position 2: the hash does not fit",)


async def test_a_record_written_anew_with_a_fitting_hash_is_found_at_the_next() -> None:
    records = _chained(b"a", b"b", b"c")
    records[1].payload = b"B"
    records[1].chain_hash = sha256(records[0].chain_hash + (2).to_bytes(8, "big") + b"B").digest()
    assert await _findings(records, head=3) == ("partition 2, position 3: the hash does not fit",)


async def test_a_missing_record_is_found() -> None:
    records = _chained(b"a", b"b", b"c")
    del records[1]
    assert await _findings(records, head=3) == ("partition 2: 3 comes where 2 should",)


async def test_a_feed_that_ends_before_its_head_is_found() -> None:
    assert await _findings(_chained(b"a", b"b"), head=3) == ("the feed ends before the heads of partitions [2]",)


async def _liability(**figures: int) -> tuple[str, ...]:
    """What the proof of liability finds in these sums of a spendable unit."""
    unit = config_service_pb2.Document(kind="unit", code="points")
    unit.spec.update({"kind": "spendable"})
    summary = points_service_pb2.GetLedgerSummaryResponse.UnitSummary(unit="points", **figures)

    def answer(name: str, payload: bytes) -> Answer:
        if name == "ListDocuments":
            return config_service_pb2.ListDocumentsResponse(documents=[unit])
        return points_service_pb2.GetLedgerSummaryResponse(units=[summary])

    async with scripted(answer) as fake, client_of(("points", fake)) as client:
        return (await prove_liability(client)).findings


async def test_what_members_own_lies_in_lots_and_what_they_owe_does_not() -> None:
    assert (
        await _liability(earned=100, spent=50, expired=10, clawed_back=20, outstanding=20, receivable=5, in_lots=25)
        == ()
    )


async def test_points_that_lie_in_no_lot_are_found() -> None:
    findings = await _liability(earned=100, spent=60, outstanding=40, in_lots=39)
    assert findings == ("points: 39 in lots, 40 owed to members",)


async def test_points_that_vanished_are_found() -> None:
    findings = await _liability(earned=100, spent=60, outstanding=39, in_lots=39)
    assert findings == ("points: 40 are left of what was earned, 39 are outstanding",)


def _verified(partition: int, *findings: str, done: bool = True) -> points_service_pb2.VerifyLedgerResponse:
    return points_service_pb2.VerifyLedgerResponse(
        partition=partition, position=5, head_position=5, entries=10, findings=findings, done=done
    )


async def _ledger(*told: points_service_pb2.VerifyLedgerResponse) -> tuple[str, tuple[str, ...]]:
    async with scripted(lambda name, payload: list(told)) as fake, client_of(("points", fake)) as client:
        proof = await prove_ledger(client)
    return proof.subject, proof.findings


async def test_a_ledger_is_verified_in_all_partitions() -> None:
    assert await _ledger(_verified(0), _verified(1)) == ("20 entries in 2 partitions", ())


async def test_what_points_finds_is_told_by_partition() -> None:
    _, findings = await _ledger(_verified(0), _verified(1, "lot 7 is too large"))
    assert findings == ("partition 1: lot 7 is too large",)


@pytest.mark.parametrize("told", [[], [_verified(0, done=False)]])
async def test_a_verification_that_ends_early_proves_nothing(
    told: list[points_service_pb2.VerifyLedgerResponse],
) -> None:
    _, findings = await _ledger(*told)
    assert len(findings) == 1
    assert findings[0].startswith("the verification ended before")
