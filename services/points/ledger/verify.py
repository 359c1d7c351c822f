"""The proof of the ledger: replay the journal, and hold every table against what it says.

For one partition, in one snapshot. The chain has no gap and no changed byte; activities, entries, lots, holds, spends,
movements, gifts, adjustments, conversions with partners, clawbacks, their uses of lots and the verdicts kept for
repeated requests are what the journal says; balances are the sums of entries, and what lots come to less what is owed;
every point that a lot received is accounted for (laws.py).
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from itertools import islice
from operator import itemgetter
from typing import Any

import asyncpg
from google.protobuf.message import DecodeError

from services.chassis import journal as chain
from services.chassis.idempotency import days_since_epoch, digest_of, digest_of_row
from services.chassis.ids import from_bytes
from services.points.activities.wire import refund_of
from services.points.ledger import laws, queries
from services.points.ledger.queries import CHUNK
from services.points.ledger.replay import Replayed, Row, Wallet, database_time, text_of
from services.points.requests import natural_key
from services.points.wire import activity_of
from tessera.events.v1 import journal_pb2

REPORT_EVERY = 200
"""Journal rows between two reports of progress."""
MAX_FINDINGS = 100
"""Findings reported of one partition; a broken one may have millions."""

_PLACE, _KEY = 2, 3
"""An entry's first columns: position and ordinal, and the member that makes them the key of the table."""
_ID, _OWNER_AND_ORDINAL = itemgetter(0), itemgetter(0, 1)


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


async def verify_partition(connection: asyncpg.Connection, partition: int) -> AsyncIterator[Proof]:
    """Prove one partition on a connection of its own; yields progress, the last of it done."""
    await queries.read_raw(connection)
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        head = await queries.head(connection, partition)
        proof = Proof(partition, head["position"])
        replayed = Replayed()
        kept_since = days_since_epoch(await queries.kept_since(connection))
        table = _EntriesTable(proof, await queries.entries(connection, partition))
        previous_hash = b""
        entries: list[Row] = []
        async for row in queries.journal(connection, partition):
            previous_hash = _check_link(proof, row, previous_hash)
            entries += _replay(proof, row, replayed, kept_since)
            proof.position = row["position"]
            if len(entries) >= CHUNK:
                await table.check(entries, replayed)
                entries = []
            if proof.position % REPORT_EVERY == 0:
                yield proof
        if proof.position != head["position"] or previous_hash != head["chain_hash"]:
            proof.find(f"the head is at {head['position']}, the journal ends at {proof.position} or with another hash")
        await table.check(entries, replayed)
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


def _replay(proof: Proof, row: Any, replayed: Replayed, kept_since: int) -> list[Row]:
    """Fold one journal row in; returns its entries in order."""
    position, recorded_at = row["position"], row["recorded_at"]
    try:
        record = journal_pb2.Journal.FromString(row["payload"])
        entries = replayed.fold(position, recorded_at, record.events)
    except DecodeError:
        proof.find(f"position {position}: the payload cannot be read")
        return []
    if record.kept_on >= kept_since:
        replayed.kept |= dict.fromkeys(record.kept_verdicts, record.kept_on)
    if database_time(record.recorded_at_us) != recorded_at:
        proof.find(f"position {position}: was recorded at another time")
    return entries


class _EntriesTable:
    """The table of entries, read beside the journal in the same order."""

    def __init__(self, proof: Proof, rows: Any) -> None:
        """`rows` is a cursor."""
        self._proof = proof
        self._rows = rows
        self._read: list[Any] = []
        """What is read of the table and lies behind what was checked."""

    async def check(self, entries: Sequence[Row], replayed: Replayed) -> None:
        """The table says of entries what the journal says, and each balance follows from the one before."""
        if not entries:
            return
        self._proof.entries += len(entries)
        self._add_up(entries, replayed.sums)
        if len(entries) > len(self._read):
            self._read += await self._rows.fetch(len(entries) - len(self._read))
        if self._read[: len(entries)] == entries:
            del self._read[: len(entries)]
        else:
            await self._find_differences(entries)

    async def check_rest(self) -> None:
        """Nothing is left in the table that the journal does not know."""
        while rows := self._read or await self._rows.fetch(CHUNK):
            for row in rows:
                self._unknown(row)
            self._read = []

    def _add_up(self, entries: Sequence[Row], sums: dict[Wallet, int]) -> None:
        for position, ordinal, member_id, _, unit, _, amount, balance_after, *_ in entries:
            key = (member_id, unit)
            sums[key] = total = sums.get(key, 0) + amount
            if total != balance_after:
                self._proof.find(f"entry {position}.{ordinal}: the balance after it does not follow")

    async def _find_differences(self, entries: Sequence[Row]) -> None:
        end = entries[-1][:_PLACE]
        while self._read and self._read[-1][:_PLACE] <= end and (more := await self._rows.fetch(CHUNK)):
            self._read += more
        rows = {row[:_KEY]: row for row in self._read if row[:_PLACE] <= end}
        self._read = [row for row in self._read if row[:_PLACE] > end]
        for entry in entries:
            if rows.pop(entry[:_KEY], None) != entry:
                self._proof.find(f"entry {entry[0]}.{entry[1]}: the table does not say what the journal says")
        for row in rows.values():
            self._unknown(row)

    def _unknown(self, row: Any) -> None:
        self._proof.find(f"entry {row[0]}.{row[1]}: the journal does not know it")


async def _check_tables(proof: Proof, connection: asyncpg.Connection, replayed: Replayed) -> None:
    """Every table is as the journal left it, and the tables agree with each other."""
    partition, books = proof.partition, laws.Books()
    async for rows in queries.activities(connection, partition):
        for row in rows:
            if not _is_as_told(row, replayed):
                proof.find(f"activity {text_of(row[0])}: is not as the journal left it")
    _missing(proof, "activity", replayed.activities)
    for what, told, query, learn, as_told, key_of in (
        ("refund of", replayed.refunds, queries.refunds, _learn_nothing, _refunds_as_told, _OWNER_AND_ORDINAL),
        ("completion of", replayed.completions, queries.completions, _learn_nothing, _as_it_is, _ID),
        ("parked refund", replayed.parked_refunds, queries.parked_refunds, _learn_nothing, _parked_as_told, _ID),
        ("lot", replayed.lots, queries.lots, books.add_lots, _as_it_is, _ID),
        ("hold", replayed.holds, queries.holds, books.add_holds, _with_digests, _ID),
        ("spend", replayed.spends, queries.spends, books.add_spends, _with_digests, _ID),
        ("gift", replayed.gifts, queries.gifts, books.add_gifts, _with_digests, _ID),
        ("adjustment", replayed.adjustments, queries.adjustments, books.add_adjustments, _with_digests, _ID),
        ("movement", replayed.movements, queries.movements, books.add_movements, _with_two_digests, _ID),
        (
            "conversion with a partner",
            replayed.partner_conversions,
            queries.partner_conversions,
            books.add_partner_conversions,
            _with_three_digests,
            _ID,
        ),
        ("clawback", replayed.clawbacks, queries.clawbacks, books.add_clawbacks, _as_it_is, _ID),
        ("use of a lot by", replayed.uses, queries.uses, books.add_uses, _as_it_is, _OWNER_AND_ORDINAL),
    ):
        async for rows in query(connection, partition):
            _compare(proof, what, told, as_told(rows), key_of)
            learn(rows)
        _missing(proof, what, told)
    await _check_balances(proof, connection, replayed, books)
    await _check_verdicts(proof, connection, replayed)
    for finding in await asyncio.to_thread(lambda: list(islice(books.findings(), MAX_FINDINGS))):
        proof.find(finding)


async def _check_balances(proof: Proof, connection: asyncpg.Connection, replayed: Replayed, books: laws.Books) -> None:
    balances = replayed.balances()
    async for rows in queries.balances(connection, proof.partition):
        for member_id, unit, balance, _, slides_to in rows:
            key = (member_id, unit)
            if balances.pop(key, None) != (balance, slides_to):
                proof.find(f"balance of {text_of(key)}: is not what its entries come to")
        books.add_balances(rows)
    _missing(proof, "balance", balances)


async def _check_verdicts(proof: Proof, connection: asyncpg.Connection, replayed: Replayed) -> None:
    async for rows in queries.kept_verdicts(connection, proof.partition):
        for *verdict, created_on in rows:
            if replayed.kept.pop(digest_of_row(*verdict), None) != days_since_epoch(created_on):
                proof.find(f"verdict of request {text_of(verdict[0])}: is not as the journal left it")
    _missing(proof, "verdict with digest", replayed.kept)


def _is_as_told(row: Row, replayed: Replayed) -> bool:
    activity_id, natural, member_id, effective_at, fingerprint, body, answer, lines, reversed_at = row
    told = replayed.activities.pop(activity_id, None)
    if told != (member_id, effective_at, digest_of(fingerprint + answer)) or digest_of(body) != fingerprint:
        return False
    activity = activity_of(body)
    key = natural_key(from_bytes(member_id), activity.domain, activity.type, activity.reference)
    return (natural, lines) == (key.bytes, len(activity.lines)) and reversed_at == replayed.reversed_at.get(activity_id)


def _as_it_is(rows: Sequence[Row]) -> Sequence[Row]:
    """Rows of which the journal tells every value."""
    return rows


def _learn_nothing(rows: Sequence[Row]) -> None:
    """No law speaks of them."""


def _refunds_as_told(rows: Sequence[Row]) -> list[Row]:
    return [(*row[:4], digest_of(row[4] + digest_of(row[5].encode()) + row[6])) for row in rows]


def _parked_as_told(rows: Sequence[Row]) -> list[Row]:
    return [_one_parked(row) for row in rows]


def _one_parked(row: Row) -> Row:
    """The row with the digest that the journal tells; none where its reference is not that of its body."""
    activity_reference, reference, body, answer, reason = row[9:]
    told = (activity_reference.encode(), body, answer, reason.encode())
    is_named = refund_of(body).reference == reference
    return (*row[:9], digest_of(b"".join(map(digest_of, told))) if is_named else b"")


def _with_digests(rows: Sequence[Row], texts: int = 1) -> list[Row]:
    """Rows with digests, which are what the journal tells, in place of their last columns: texts like the reference."""
    return [(*row[:-texts], *(digest_of(text.encode()) for text in row[-texts:])) for row in rows]


def _with_two_digests(rows: Sequence[Row]) -> list[Row]:
    """Rows whose last two columns are such texts."""
    return _with_digests(rows, texts=2)


def _with_three_digests(rows: Sequence[Row]) -> list[Row]:
    """Rows whose last three columns are such texts."""
    return _with_digests(rows, texts=3)


def _compare(proof: Proof, what: str, told: dict[Any, Row], rows: Sequence[Row], key_of: Callable[[Row], Any]) -> None:
    for row in rows:
        key = key_of(row)
        if told.pop(key, None) != row:
            proof.find(f"{what} {text_of(key)}: is not as the journal left it")


def _missing(proof: Proof, what: str, left: dict[Any, Any]) -> None:
    for key in left:
        proof.find(f"{what} {text_of(key)}: the journal knows it, the table does not")
