"""The proof of the ledger: replay the journal, and hold every table against what it says.

For one partition, in one snapshot. The chain has no gap and no changed byte; activities, entries, lots, holds, spends,
pooled spends, movements, gifts, adjustments, conversions with partners, clawbacks, their uses of lots, uses of caps,
portions and pools of budgets and the verdicts kept for repeated requests are what the journal says; balances are the
sums of
entries, and what lots come to less what is owed; every point that a lot received is accounted for (laws.py). Where it
begins at a seal, the same holds of every row; only of the journal and the seals' own past it is the earlier proof that
speaks.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from itertools import islice
from operator import itemgetter
from typing import Any

import asyncpg
from google.protobuf.message import DecodeError

from services.chassis import journal as chain
from services.chassis.errors import Refused
from services.chassis.feed import journal_archived
from services.chassis.idempotency import days_since_epoch, digest_of, digest_of_row
from services.chassis.ids import from_bytes
from services.points.activities.wire import refund_of
from services.points.ledger import laws, queries
from services.points.ledger.entries import EntriesTable
from services.points.ledger.event_rows import Row, database_time
from services.points.ledger.proof import MAX_FINDINGS, Proof
from services.points.ledger.queries import CHUNK
from services.points.ledger.replay import Replayed, is_told, text_of
from services.points.naming import natural_key
from services.points.seals import queries as seal_queries
from services.points.seals.line import read_line
from services.points.seals.state import parts_of
from services.points.wire import activity_of
from tessera.events.v1 import journal_pb2

REPORT_EVERY = 200
"""Journal rows between two reports of progress."""
_ID, _OWNER_AND_ORDINAL, _CAP = itemgetter(0), itemgetter(0, 1), itemgetter(0, 1, 2)


async def verify_partition(
    connection: asyncpg.Connection,
    partition: int,
    findings: Iterable[str] = (),
    *,
    from_seal: bool = False,
    to_seal: bool = False,
) -> AsyncIterator[Proof]:
    """Prove one partition on a connection of its own; yields progress, the last of it done.

    `from_seal` begins at the newest seal, if there is one: with its state, and the journal since. With `to_seal` the
    last report has what the next seal is made of. Raises Refused when the journal is archived and has to be replayed.
    `findings` are those that were made of it before, together with other partitions.
    """
    await queries.read_raw(connection)
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        proof = await _begun(connection, partition, from_seal=from_seal)
        proof.findings += findings
        if proof.replayed is None:
            proof.done = True
            yield proof
            return
        proof.line.digest_last = to_seal
        async for _ in _prove_journal(proof, connection, proof.replayed):
            yield proof
        if to_seal:
            proof.parts = await asyncio.to_thread(lambda replayed: list(parts_of(replayed)), proof.replayed)
        await _check_tables(proof, connection, proof.replayed)
        proof.done = True
        yield proof


async def _begun(connection: asyncpg.Connection, partition: int, *, from_seal: bool) -> Proof:
    """A proof at its beginning: that of the journal, or the newest seal."""
    head = await queries.head(connection, partition)
    proof = Proof(partition, head["position"], head["chain_hash"])
    proof.line = await read_line(connection, partition, proof.find)
    proof.kept_since = days_since_epoch(await queries.kept_since(connection))
    earliest, archived_to = await seal_queries.earliest_position(connection, partition), proof.line.archived_to
    newest = proof.line.newest
    if from_seal and newest is not None:
        proof.position = proof.seal_position = newest.position
        proof.chain_hash = newest.chain_hash
        proof.replayed = proof.line.restored()
        if proof.replayed is not None:
            kept = proof.replayed.kept
            proof.replayed.kept = {digest: day for digest, day in kept.items() if day >= proof.kept_since}
    elif archived_to and archived_to + 1 == earliest:
        raise Refused(journal_archived(partition, earliest))
    if archived_to + 1 != earliest:
        proof.find(f"the journal is archived up to {archived_to}, and what is left of it begins at {earliest}")
    return proof


async def _prove_journal(proof: Proof, connection: asyncpg.Connection, replayed: Replayed) -> AsyncIterator[None]:
    """Replay the journal from where the proof begins, and read the entries beside it; yields now and then."""
    table = EntriesTable(proof, await queries.entries(connection, proof.partition))
    if proof.seal_position:
        await table.check_sealed()
    entries: list[Row] = []
    async for row in queries.journal(connection, proof.partition, proof.position):
        _check_link(proof, row)
        entries += _replay(proof, row, replayed)
        is_sealed = proof.line.is_sealed(proof.position)
        if len(entries) >= CHUNK or is_sealed:
            await table.check(entries, replayed)
            entries = []
        if is_sealed:
            proof.line.meet(proof.chain_hash, replayed, proof.kept_since)
        if proof.position % REPORT_EVERY == 0:
            yield
    if (proof.position, proof.chain_hash) != (proof.head_position, proof.head_hash):
        proof.find(f"the head is at {proof.head_position}, the journal ends at {proof.position} or with another hash")
    proof.line.check_all_met()
    await table.check(entries, replayed)
    await table.check_rest()


def _check_link(proof: Proof, row: Any) -> None:
    position = row["position"]
    if position != proof.position + 1:
        proof.find(f"position {proof.position} is followed by {position}")
    if chain.chain(proof.chain_hash, position, row["payload"]) != row["chain_hash"]:
        proof.find(f"position {position}: the chain hash does not fit")
    proof.position, proof.chain_hash = position, row["chain_hash"]


def _replay(proof: Proof, row: Any, replayed: Replayed) -> list[Row]:
    """Fold one journal row in; returns its entries in order."""
    position, recorded_at = row["position"], row["recorded_at"]
    try:
        record = journal_pb2.Journal.FromString(row["payload"])
        entries = replayed.fold(position, recorded_at, record.events)
    except (DecodeError, ValueError):
        proof.find(f"position {position}: the payload cannot be read")
        return []
    if record.kept_on >= proof.kept_since:
        replayed.kept |= dict.fromkeys(record.kept_verdicts, record.kept_on)
    if database_time(record.recorded_at_us) != recorded_at:
        proof.find(f"position {position}: was recorded at another time")
    return entries


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
        ("pooled spend", replayed.pooled_spends, queries.pooled_spends, books.add_pooled, _with_digests, _ID),
        (
            *("contribution to", replayed.contributions, queries.contributions),
            *(books.add_contributions, _as_it_is, _OWNER_AND_ORDINAL),
        ),
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
        ("use of a cap by", replayed.cap_uses, queries.cap_uses, _learn_nothing, _with_days, _CAP),
        ("use of a lot by", replayed.uses, queries.uses, books.add_uses, _as_it_is, _OWNER_AND_ORDINAL),
        (
            *("portion of budget", replayed.budget_portions(), queries.budget_portions),
            *(books.add_budget_portions, _as_it_is, _OWNER_AND_ORDINAL),
        ),
        ("pool of budget", replayed.budget_pools, queries.budget_pools, _learn_nothing, _as_it_is, _OWNER_AND_ORDINAL),
    ):
        async for rows in query(connection, partition):
            _compare(proof, what, told, as_told(rows), key_of)
            learn(rows)
        _missing(proof, what, told)
    _missing(proof, "portion that was drawn on of budget", replayed.budget_draws)
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
    row = (member_id, effective_at, digest_of(fingerprint + answer))
    if not is_told(told, row) or digest_of(body) != fingerprint:
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


def _with_days(rows: Sequence[Row]) -> list[Row]:
    """Uses of caps, their periods as the journal counts days."""
    return [(member_id, rule, days_since_epoch(start), used) for member_id, rule, start, used in rows]


def _compare(
    proof: Proof, what: str, told: dict[Any, Row | bytes], rows: Sequence[Row], key_of: Callable[[Row], Any]
) -> None:
    for row in rows:
        key = key_of(row)
        if not is_told(told.pop(key, None), row):
            proof.find(f"{what} {text_of(key)}: is not as the journal left it")


def _missing(proof: Proof, what: str, left: dict[Any, Any]) -> None:
    for key in left:
        proof.find(f"{what} {text_of(key)}: the journal knows it, the table does not")
