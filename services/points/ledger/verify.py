"""The proof of the ledger: replay the journal, and hold every table against what it says.

For one partition, in one snapshot: the chain has no gap and no changed byte; the entries of the table are those of the
journal; balances are the sums of entries; lots are as the journal left them; lots − debt = balance.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from services.chassis import journal as chain
from services.chassis.clock import from_microseconds
from services.chassis.database import Connection
from services.chassis.idempotency import digest_of
from services.chassis.ids import from_bytes
from services.points.documents import PointsConfig
from services.points.ledger import queries
from services.points.values import EntryKind
from tessera.events.v1 import journal_pb2
from tessera.points.v1 import event_pb2 as pb

REPORT_EVERY = 200
"""Journal rows between two reports of progress."""
MAX_FINDINGS = 100
"""Findings reported of one partition; a broken one may have millions."""


@dataclass(slots=True)
class Proof:
    """How far the proof of a partition is."""

    partition: int
    head_position: int
    position: int = 0
    entries: int = 0
    findings: list[str] = field(default_factory=list)
    done: bool = False

    def find(self, text: str) -> None:
        """Note what does not hold."""
        if len(self.findings) < MAX_FINDINGS:
            self.findings.append(text)


@dataclass(slots=True)
class _Replayed:
    """What the journal says."""

    sums: dict[tuple[UUID, str], int] = field(default_factory=dict)
    lots: dict[UUID, tuple[Any, ...]] = field(default_factory=dict)
    holds: dict[UUID, tuple[Any, ...]] = field(default_factory=dict)
    activities: dict[UUID, tuple[Any, ...]] = field(default_factory=dict)
    reversed: set[UUID] = field(default_factory=set)


async def verify_partition(connection: Connection, partition: int, config: PointsConfig) -> AsyncIterator[Proof]:
    """Prove one partition; yields progress, the last of it done."""
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        head = await queries.head(connection, partition)
        proof = Proof(partition, head["position"])
        replayed = _Replayed()
        table = aiter(queries.entries(connection, partition))
        previous_hash = b""
        async for row in queries.journal(connection, partition):
            previous_hash = _check_link(proof, row, previous_hash)
            for entry in _replay(row["payload"], replayed):
                await _check_entry(proof, table, row["position"], entry, replayed)
            proof.position = row["position"]
            if proof.position % REPORT_EVERY == 0:
                yield proof
        if proof.position != head["position"] or previous_hash != head["chain_hash"]:
            proof.find(f"the head is at {head['position']}, the journal ends at {proof.position} or with another hash")
        if await anext(table, None) is not None:
            proof.find("there are entries that the journal does not know")
        await _check_tables(proof, connection, replayed, config)
        proof.done = True
        yield proof


def _check_link(proof: Proof, row: Any, previous_hash: bytes) -> bytes:
    position = row["position"]
    if position != proof.position + 1:
        proof.find(f"position {proof.position} is followed by {position}")
    expected = chain.chain(previous_hash, position, row["payload"])
    if expected != row["chain_hash"]:
        proof.find(f"position {position}: the chain hash does not fit")
    stored: bytes = row["chain_hash"]
    return stored


def _replay(payload: bytes, replayed: _Replayed) -> list[tuple[Any, ...]]:
    """Fold one journal row in; returns its entries in order of ordinal."""
    entries: list[tuple[Any, ...]] = []
    for raw in journal_pb2.Journal.FromString(payload).events:
        event = pb.Event.FromString(raw)
        match event.WhichOneof("event"):
            case "activity_recorded":
                entries += _replay_recorded(event.activity_recorded, replayed)
            case "activity_reversed":
                replayed.reversed.add(from_bytes(event.activity_reversed.activity_id))
            case "entry_booked":
                entries.append(_booked(event.entry_booked))
            case "lot_changed":
                _replay_lot(event.lot_changed, replayed)
            case "hold_changed":
                changed = event.hold_changed
                replayed.holds[from_bytes(changed.hold_id)] = (
                    from_bytes(changed.member_id),
                    changed.unit,
                    changed.amount,
                    changed.captured,
                    changed.state,
                    from_microseconds(changed.expires_at_us),
                )
    return sorted(entries)


def _replay_recorded(recorded: pb.ActivityRecorded, replayed: _Replayed) -> list[tuple[Any, ...]]:
    member_id, activity_id = from_bytes(recorded.member_id), from_bytes(recorded.activity_id)
    replayed.activities[activity_id] = (member_id, recorded.digest)
    entries = []
    for earned in recorded.earned:
        entries.append(
            (
                earned.ordinal,
                member_id,
                from_bytes(recorded.account_id),
                earned.unit,
                int(EntryKind.EARN),
                earned.amount,
                earned.balance_after,
                earned.counterparty,
                from_microseconds(recorded.effective_at_us),
                activity_id,
                earned.level,
            )
        )
        if earned.lot_id:
            replayed.lots[from_bytes(earned.lot_id)] = (
                member_id,
                earned.unit,
                earned.amount,
                earned.lot_remaining,
                0,
                from_microseconds(earned.available_at_us),
                from_microseconds(earned.expires_at_us),
            )
    return entries


def _booked(entry: pb.EntryBooked) -> tuple[Any, ...]:
    return (
        entry.ordinal,
        from_bytes(entry.member_id),
        from_bytes(entry.account_id) if entry.account_id else None,
        entry.unit,
        int(entry.kind),
        entry.amount,
        entry.balance_after,
        entry.counterparty,
        from_microseconds(entry.effective_at_us),
        from_bytes(entry.source_id),
        entry.level,
    )


def _replay_lot(lot: pb.LotChanged, replayed: _Replayed) -> None:
    replayed.lots[from_bytes(lot.lot_id)] = (
        from_bytes(lot.member_id),
        lot.unit,
        lot.amount,
        lot.remaining,
        lot.held,
        from_microseconds(lot.available_at_us),
        from_microseconds(lot.expires_at_us),
    )


async def _check_entry(proof: Proof, table: Any, position: int, entry: tuple[Any, ...], replayed: _Replayed) -> None:
    """The next entry of the table is this one of the journal, and its balance follows from the one before."""
    row = await anext(table, None)
    proof.entries += 1
    ordinal, member_id, _, unit, _, amount, balance_after, *_ = entry
    if row is None or (row["position"], *tuple(row)[1:]) != (position, *entry):
        proof.find(f"position {position} entry {ordinal}: the table does not say what the journal says")
    key = (member_id, unit)
    replayed.sums[key] = replayed.sums.get(key, 0) + amount
    if replayed.sums[key] != balance_after:
        proof.find(f"position {position} entry {ordinal}: the balance after it does not follow")


async def _check_tables(proof: Proof, connection: Connection, replayed: _Replayed, config: PointsConfig) -> None:
    """Lots, holds, activities and balances are as the journal left them, and agree with each other."""
    in_lots: dict[tuple[UUID, str], int] = {}
    for lot_id, *lot in await queries.lots(connection, proof.partition):
        member_id, unit, _, remaining, held, *_ = lot
        in_lots[member_id, unit] = in_lots.get((member_id, unit), 0) + remaining + held
        if replayed.lots.pop(lot_id, None) != tuple(lot):
            proof.find(f"lot {lot_id}: is not as the journal left it")
    _missing(proof, "lot", replayed.lots)
    for hold_id, *hold in await queries.holds(connection, proof.partition):
        if replayed.holds.pop(hold_id, None) != tuple(hold):
            proof.find(f"hold {hold_id}: is not as the journal left it")
    _missing(proof, "hold", replayed.holds)
    async for activity_id, member_id, fingerprint, body, reversed_at in queries.activities(connection, proof.partition):
        told = (member_id, fingerprint) == replayed.activities.pop(activity_id, None)
        if (
            not told
            or digest_of(body) != fingerprint
            or (reversed_at is not None) != (activity_id in replayed.reversed)
        ):
            proof.find(f"activity {activity_id}: is not as the journal left it")
    _missing(proof, "activity", replayed.activities)
    for member_id, unit, balance, debt in await queries.balances(connection, proof.partition):
        if replayed.sums.pop((member_id, unit), 0) != balance:
            proof.find(f"balance of {member_id} in {unit}: is not the sum of its entries")
        configured = config.units.get(unit)
        spendable = configured is None or configured.is_spendable
        if spendable and in_lots.pop((member_id, unit), 0) - debt != balance:
            proof.find(f"balance of {member_id} in {unit}: is not what its lots come to")
    _missing(proof, "balance", {key: total for key, total in replayed.sums.items() if total})
    _missing(proof, "lots of", {key: total for key, total in in_lots.items() if total})


def _missing(proof: Proof, what: str, left: dict[Any, Any]) -> None:
    for key in left:
        proof.find(f"{what} {key}: the journal knows it, the table does not")
