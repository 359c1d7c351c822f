"""All entries of a partition, as its journal tells them: in order, a little at a time, from any place on."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import asyncpg

from services.chassis.errors import Refused
from services.chassis.feed import earliest_positions, journal_archived
from services.chassis.ids import from_bytes
from services.points import wire
from services.points.ledger.event_rows import Row, database_time
from services.points.ledger.replay import Replayed
from services.points.reports import queries
from services.points.wallets.wire import fill_entry
from tessera.events.v1 import journal_pb2
from tessera.points.v1 import points_service_pb2 as pb

MAX_ENTRIES = 1_000
"""Entries of an answer: some hundred kilobytes."""
ROWS = 8
"""Journal rows read at a time; each has what one batch booked."""
_DATABASE_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)


class Place(NamedTuple):
    """Where an entry stands in its partition."""

    position: int
    ordinal: int


START = Place(0, -1)
"""Before all entries."""


async def chunks(pool: asyncpg.Pool, partition: int, after: Place, last: int) -> AsyncIterator[list[Row]]:
    """The entries of a partition after a place up to a position, some at a time.

    No snapshot is held meanwhile: what the journal says does not change any more. Raises Refused when it is archived.
    """
    found: list[Row] = []
    first = max(after.position, 1)
    while first <= last:
        rows = await queries.journal(pool, partition, first, last, ROWS)
        if not rows or rows[0]["position"] > first:
            await _refuse_what_is_archived(pool, partition, first)
        if not rows:
            break
        for row in rows:
            found += [entry for entry in _entries(row["position"], row["payload"]) if entry[:2] > after]
        while len(found) >= MAX_ENTRIES:
            yield found[:MAX_ENTRIES]
            del found[:MAX_ENTRIES]
        first = rows[-1]["position"] + 1
    if found:
        yield found


async def _refuse_what_is_archived(pool: asyncpg.Pool, partition: int, first: int) -> None:
    earliest = (await earliest_positions(pool, [partition]))[partition]
    if earliest > first:
        raise Refused(journal_archived(partition, earliest))


def _entries(position: int, payload: bytes) -> list[Row]:
    """The entries that one journal row tells, by the same rule by which the ledger is proved."""
    record = journal_pb2.Journal.FromString(payload)
    recorded_at = database_time(record.recorded_at_us)
    assert recorded_at is not None, "every record says when it was made"
    return Replayed().fold(position, recorded_at, record.events)


def place_of(entry: Row) -> Place:
    """Where an entry stands."""
    return Place(entry[0], entry[1])


def fill_exported(message: pb.ExportedEntry, entry: Row, partition: int) -> None:
    """An entry with its member and number."""
    position, ordinal, member_id, account_id, unit, kind, amount, balance_after, counterparty, *rest = entry
    effective_at, source_id, level, recorded_at = rest
    message.member_id = wire.member_id(from_bytes(member_id))
    message.ordinal = ordinal
    row = (
        position,
        ordinal,
        unit,
        kind,
        amount,
        balance_after,
        counterparty,
        _time(effective_at),
        _time(recorded_at),
        from_bytes(account_id) if account_id else None,
        from_bytes(source_id),
        level,
    )
    fill_entry(message.entry, row, partition)


def _time(database_us: int) -> datetime:
    return _DATABASE_EPOCH + timedelta(microseconds=database_us)
