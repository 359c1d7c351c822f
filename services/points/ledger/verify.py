"""The proof of the ledger: replay the journal, and hold every table against what it says.

For one partition, in one snapshot. The chain has no gap and no changed byte; activities, entries, lots, holds, spends,
clawbacks and their uses of lots are what the journal says; balances are the sums of entries, and what lots come to less
what is owed; every point that a lot received is accounted for (laws.py).
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

from google.protobuf.message import DecodeError

from services.chassis import journal as chain
from services.chassis.clock import to_microseconds
from services.chassis.database import Connection
from services.chassis.idempotency import digest_of
from services.points.ledger import laws, queries
from services.points.ledger.replay import ActivityTold, Replayed, Row
from services.points.requests import natural_key
from services.points.wire import activity_of
from tessera.events.v1 import journal_pb2

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


async def verify_partition(connection: Connection, partition: int) -> AsyncIterator[Proof]:
    """Prove one partition; yields progress, the last of it done."""
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        head = await queries.head(connection, partition)
        proof = Proof(partition, head["position"])
        replayed = Replayed()
        table = _EntriesTable(proof, queries.entries(connection, partition))
        previous_hash = b""
        async for row in queries.journal(connection, partition):
            previous_hash = _check_link(proof, row, previous_hash)
            for entry in _replay(proof, row, replayed):
                await table.check(row["position"], entry, row["recorded_at"], replayed)
            proof.position = row["position"]
            if proof.position % REPORT_EVERY == 0:
                yield proof
        if proof.position != head["position"] or previous_hash != head["chain_hash"]:
            proof.find(f"the head is at {head['position']}, the journal ends at {proof.position} or with another hash")
        await table.check_rest()
        await _check_tables(proof, connection, replayed)
        proof.done = True
        yield proof


def _check_link(proof: Proof, row: Any, previous_hash: bytes) -> bytes:
    position = row["position"]
    if position != proof.position + 1:
        proof.find(f"position {proof.position} is followed by {position}")
    if chain.chain(previous_hash, position, row["payload"]) != row["chain_hash"]:
        proof.find(f"position {position}: the chain hash does not fit")
    stored: bytes = row["chain_hash"]
    return stored


def _replay(proof: Proof, row: Any, replayed: Replayed) -> list[Row]:
    """Fold one journal row in; returns its entries in order."""
    position = row["position"]
    try:
        record = journal_pb2.Journal.FromString(row["payload"])
        entries = replayed.fold(record.events)
    except (DecodeError, ValueError, OverflowError):
        proof.find(f"position {position}: the payload cannot be read")
        return []
    if record.recorded_at_us != to_microseconds(row["recorded_at"]):
        proof.find(f"position {position}: was recorded at another time")
    return entries


class _EntriesTable:
    """The table of entries, read beside the journal in the same order."""

    def __init__(self, proof: Proof, rows: Any) -> None:
        self._proof = proof
        self._rows = aiter(rows)
        self._row: Any = None
        self._ended = False

    async def check(self, position: int, entry: Row, recorded_at: Any, replayed: Replayed) -> None:
        """The table says of an entry what the journal says, and its balance follows from the one before."""
        self._proof.entries += 1
        ordinal, member_id, _, unit, _, amount, balance_after, *_ = entry
        row = await self._up_to((position, ordinal))
        if row is None or tuple(row) != (position, *entry, recorded_at):
            self._proof.find(f"entry {position}.{ordinal}: the table does not say what the journal says")
        key = (member_id, unit)
        replayed.sums[key] = replayed.sums.get(key, 0) + amount
        if replayed.sums[key] != balance_after:
            self._proof.find(f"entry {position}.{ordinal}: the balance after it does not follow")

    async def check_rest(self) -> None:
        """Nothing is left in the table that the journal does not know."""
        await self._up_to(None)

    async def _up_to(self, place: tuple[int, int] | None) -> Any:
        """The row at a place, None when there is none; rows before it have no place in the journal."""
        while (row := await self._current()) is not None:
            here = (row["position"], row["ordinal"])
            if place is not None and here > place:
                return None
            self._row = None
            if here == place:
                return row
            self._proof.find(f"entry {here[0]}.{here[1]}: the journal does not know it")
        return None

    async def _current(self) -> Any:
        if self._row is None and not self._ended:
            self._row = await anext(self._rows, None)
            self._ended = self._row is None
        return self._row


async def _check_tables(proof: Proof, connection: Connection, replayed: Replayed) -> None:
    """Every table is as the journal left it, and the tables agree with each other."""
    books = laws.Books()
    async for activity_id, *row in queries.activities(connection, proof.partition):
        if not _is_as_told(row, replayed.activities.pop(activity_id, None)):
            proof.find(f"activity {activity_id}: is not as the journal left it")
    _missing(proof, "activity", replayed.activities)
    for lot_id, *row in await queries.lots(connection, proof.partition):
        _compare(proof, "lot", replayed.lots, lot_id, row)
        books.add_lot(lot_id, row)
    _missing(proof, "lot", replayed.lots)
    for hold_id, *row, reference in await queries.holds(connection, proof.partition):
        _compare(proof, "hold", replayed.holds, hold_id, [*row, digest_of(reference.encode())])
        books.add_hold(hold_id, row)
    _missing(proof, "hold", replayed.holds)
    for spend_id, *row, reference in await queries.spends(connection, proof.partition):
        _compare(proof, "spend", replayed.spends, spend_id, [*row, digest_of(reference.encode())])
        books.add_spend(spend_id, row)
    _missing(proof, "spend", replayed.spends)
    for clawback_id, *row in await queries.clawbacks(connection, proof.partition):
        _compare(proof, "clawback", replayed.clawbacks, clawback_id, row)
        books.add_clawback(clawback_id, row)
    _missing(proof, "clawback", replayed.clawbacks)
    for user_id, ordinal, *row in await queries.uses(connection, proof.partition):
        _compare(proof, "use of a lot by", replayed.uses, (user_id, ordinal), row)
        books.add_use(user_id, row)
    _missing(proof, "use of a lot by", replayed.uses)
    for member_id, unit, balance, debt, slides_to in await queries.balances(connection, proof.partition):
        if (balance, slides_to) != (replayed.sums.pop((member_id, unit), 0), replayed.slides.get((member_id, unit))):
            proof.find(f"balance of {member_id} in {unit}: is not what its entries come to")
        books.add_balance((member_id, unit), balance, debt)
    _missing(proof, "balance", {key: total for key, total in replayed.sums.items() if total})
    for finding in books.findings():
        proof.find(finding)


def _is_as_told(row: list[Any], told: ActivityTold | None) -> bool:
    natural, member_id, effective_at, fingerprint, body, answer, lines, reversed_at = row
    if told is None or digest_of(body) != fingerprint:
        return False
    activity = activity_of(body)
    return (
        (member_id, effective_at, reversed_at) == (told.member_id, told.effective_at, told.reversed_at)
        and digest_of(fingerprint + answer) == told.digest
        and natural == natural_key(member_id, activity.domain, activity.type, activity.reference)
        and lines == len(activity.lines)
    )


def _compare(proof: Proof, what: str, told: dict[Any, Row], key: Any, row: list[Any]) -> None:
    if told.pop(key, None) != tuple(row):
        proof.find(f"{what} {_text(key)}: is not as the journal left it")


def _missing(proof: Proof, what: str, left: dict[Any, Any]) -> None:
    for key in left:
        proof.find(f"{what} {_text(key)}: the journal knows it, the table does not")


def _text(key: Any) -> str:
    return " ".join(map(str, key)) if isinstance(key, tuple) else str(key)
