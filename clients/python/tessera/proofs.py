"""Proving a suite from outside: books balance, chains are whole, nothing is left unread."""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from types import MappingProxyType

from google.protobuf.duration_pb2 import Duration

from tessera.client import Client
from tessera.config.v1 import config_service_pb2
from tessera.events.v1 import event_feed_pb2
from tessera.points.v1 import points_service_pb2, seal_pb2
from tessera.step import NotDrained, drain

RECORDS_A_READ = 1000
POSITION_BYTES = 8
SPENDABLE = "spendable"

Progress = Callable[[int, int], None]
"""Told how much is done, and how much there is."""


@dataclass(frozen=True, slots=True)
class Proof:
    """What was proven, over how much, and what does not hold."""

    name: str
    subject: str
    findings: tuple[str, ...] = ()

    @property
    def holds(self) -> bool:
        """Whether nothing speaks against it."""
        return not self.findings


@dataclass(slots=True)
class _Ledger:
    done: dict[int, int] = field(default_factory=dict)
    heads: dict[int, int] = field(default_factory=dict)
    entries: dict[int, int] = field(default_factory=dict)
    closed: set[int] = field(default_factory=set)
    findings: list[str] = field(default_factory=list)


async def prove_ledger(
    client: Client, progress: Progress = lambda done, total: None, *, from_seal: bool = False
) -> Proof:
    """Lets points prove its ledger, partition by partition; `from_seal` on from the newest seal of each."""
    ledger = _Ledger()
    async for answer in client.points.VerifyLedger(points_service_pb2.VerifyLedgerRequest(from_seal=from_seal)):
        ledger.done[answer.partition] = answer.position
        ledger.heads[answer.partition] = answer.head_position
        ledger.entries[answer.partition] = answer.entries
        ledger.findings.extend(f"partition {answer.partition}: {finding}" for finding in answer.findings)
        if answer.done:
            ledger.closed.add(answer.partition)
        progress(sum(ledger.done.values()), sum(ledger.heads.values()))
    unfinished = sorted(ledger.heads.keys() - ledger.closed)
    if unfinished or not ledger.heads:
        ledger.findings.append(f"the verification ended before partitions {unfinished or 'any'} were done")
    subject = f"{sum(ledger.entries.values()):,} entries in {len(ledger.heads)} partitions"
    return Proof("ledger verified", subject, tuple(ledger.findings))


async def prove_liability(client: Client) -> Proof:
    """What members own is what lies in lots, and what was earned is what became of it, in every unit."""
    spendable = await _spendable_units(client)
    summary = await client.points.GetLedgerSummary(points_service_pb2.GetLedgerSummaryRequest())
    findings = []
    for unit in summary.units:
        left = unit.earned - unit.spent - unit.expired - unit.clawed_back
        if left != unit.outstanding:
            findings.append(f"{unit.unit}: {left:,} are left of what was earned, {unit.outstanding:,} are outstanding")
        if unit.unit in spendable and unit.in_lots != unit.outstanding + unit.receivable:
            owed = unit.outstanding + unit.receivable
            findings.append(f"{unit.unit}: {unit.in_lots:,} in lots, {owed:,} owed to members")
    total = sum(unit.in_lots for unit in summary.units if unit.unit in spendable)
    return Proof("liability = lots", f"{total:,} in {', '.join(sorted(spendable)) or 'no unit'}", tuple(findings))


async def _spendable_units(client: Client) -> set[str]:
    answer = await client.config("points").ListDocuments(config_service_pb2.ListDocumentsRequest())
    return {
        document.code
        for document in answer.documents
        if document.kind == "unit" and document.spec.fields["kind"].string_value == SPENDABLE
    }


async def prove_drained(client: Client) -> Proof:
    """Every service has read everything that the others wrote."""
    try:
        await drain(client)
    except NotDrained as error:
        return Proof("feeds drained", "all services", (str(error),))
    return Proof("feeds drained", "all services")


async def prove_chain(
    client: Client,
    service: str,
    progress: Progress = lambda done, total: None,
    archived: Mapping[int, seal_pb2.Seal] = MappingProxyType({}),
) -> Proof:
    """Recomputes the hash chains of one service's journal from its feed, without trusting what it says of itself.

    Where a part is archived, it begins with the seals at the ends of the files, as `read_archive` proved them.
    """
    feed = client.feed(service)
    positions = await feed.GetPositions(event_feed_pb2.GetPositionsRequest())
    heads = {cursor.partition: cursor.position for cursor in positions.heads}
    reached = dict.fromkeys(heads, 0)
    hashes = dict.fromkeys(heads, b"")
    for partition, seal in archived.items():
        reached[partition], hashes[partition] = seal.position, seal.chain_hash
    findings: list[str] = []
    while behind := [partition for partition, head in heads.items() if reached[partition] < head]:
        cursors = [event_feed_pb2.Cursor(partition=partition, position=reached[partition]) for partition in behind]
        request = event_feed_pb2.ReadRequest(cursors=cursors, max_records=RECORDS_A_READ, wait=Duration())
        records = (await feed.Read(request)).records
        if not records:
            findings.append(f"the feed ends before the heads of partitions {behind}")
            break
        await asyncio.to_thread(_check, records, reached, hashes, findings)
        if findings:
            break
        progress(sum(reached.values()), sum(heads.values()))
    return Proof(f"{service}'s chain whole", f"{sum(reached.values()):,} records", tuple(findings))


def _check(
    records: Iterable[event_feed_pb2.Record], reached: dict[int, int], hashes: dict[int, bytes], findings: list[str]
) -> None:
    """Follows the chains over some records; stops at the first that does not fit."""
    for record in records:
        expected = reached[record.partition] + 1
        if record.position != expected:
            findings.append(f"partition {record.partition}: {record.position} comes where {expected} should")
            return
        number = record.position.to_bytes(POSITION_BYTES, "big")
        chained = sha256(hashes[record.partition] + number + record.payload).digest()
        if chained != record.chain_hash:
            findings.append(f"partition {record.partition}, position {record.position}: the hash does not fit")
            return
        reached[record.partition], hashes[record.partition] = record.position, chained
