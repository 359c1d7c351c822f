"""Rebuilding the wallets of a partition from its journal, and putting the tables right."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import asyncpg

from services.chassis.app import Platform
from services.chassis.errors import Refused
from services.chassis.feed import journal_archived
from services.points.documents import PointsConfig
from services.points.ledger import queries as ledger
from services.points.ledger.event_rows import Row
from services.points.ledger.replay import Replayed
from services.points.rebuild import queries
from services.points.rebuild.tables import Rebuilt
from services.points.seals.queries import earliest_position
from tessera.events.v1 import journal_pb2

REPORT_EVERY = 200
"""Journal rows between two reports of progress."""
MAX_TOLD = 100
"""Differences of a partition that are put into words; a broken one may have millions."""


@dataclass(slots=True)
class Rebuilding:
    """How far the rebuilding of a partition is."""

    partition: int
    head_position: int
    position: int = 0
    count: int = 0
    """Rows that differ."""
    differences: list[str] = field(default_factory=list)
    repaired: int = 0
    done: bool = False
    wrong: dict[Rebuilt, set[Row]] = field(default_factory=dict)
    """The keys of the rows that differ."""


async def rebuild_partition(
    platform: Platform[PointsConfig], partition: int, *, write: bool
) -> AsyncIterator[Rebuilding]:
    """Compute what the tables must hold, compare, and with `write` put right what differs; yields progress.

    Raises Refused when a part of the journal is archived.
    """
    replayed = Replayed()
    async with platform.long_reads() as connection:
        await ledger.read_raw(connection)
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            earliest = await earliest_position(connection, partition)
            if earliest > 1:
                raise Refused(journal_archived(partition, earliest))
            head = await ledger.head(connection, partition)
            rebuilding = Rebuilding(partition, head["position"])
            async for row in ledger.journal(connection, partition):
                _fold(replayed, row["position"], row["payload"])
                rebuilding.position = row["position"]
                if rebuilding.position % REPORT_EVERY == 0:
                    yield rebuilding
            for rebuilt, _ in queries.READS:
                await _compare(rebuilding, connection, rebuilt, replayed)
    if write and rebuilding.count:
        async with platform.long_reads() as connection:
            await _put_right(rebuilding, connection, replayed)
    rebuilding.done = True
    yield rebuilding


def _fold(replayed: Replayed, position: int, payload: bytes) -> None:
    """Fold a journal row in. When it was recorded is only asked for entries, which are not rebuilt."""
    events = journal_pb2.Journal.FromString(payload).events
    for _, _, member_id, _, unit, _, amount, *_ in replayed.fold(position, 0, events):
        replayed.sums[member_id, unit] = replayed.sums.get((member_id, unit), 0) + amount


async def _compare(
    rebuilding: Rebuilding, connection: asyncpg.Connection, rebuilt: Rebuilt, replayed: Replayed
) -> None:
    told, wrong = rebuilt.told(replayed), rebuilding.wrong.setdefault(rebuilt, set())
    seen: set[Row] = set()
    async for rows in queries.rows(connection, rebuilt, rebuilding.partition):
        for row in rows:
            key, stored = rebuilt.key(row), tuple(row)
            seen.add(key)
            if told.get(key) != stored:
                wrong.add(key)
                _tell(rebuilding, rebuilt.difference(key, stored, told.get(key)))
    for key in told.keys() - seen:
        wrong.add(key)
        _tell(rebuilding, rebuilt.difference(key, None, told[key]))


def _tell(rebuilding: Rebuilding, difference: str) -> None:
    rebuilding.count += 1
    if len(rebuilding.differences) < MAX_TOLD:
        rebuilding.differences.append(difference)


async def _put_right(rebuilding: Rebuilding, connection: asyncpg.Connection, replayed: Replayed) -> None:
    """Under the head: fold in what was booked since the comparison, then write the rows that differed as they must be.

    The service writes whole rows, so a row that did not differ then is right now.
    """
    partition = rebuilding.partition
    async with connection.transaction():
        await queries.lock(connection, partition)
        for position, payload in await queries.journal_since(connection, partition, rebuilding.position):
            _fold(replayed, position, payload)
        for rebuilt, keys in rebuilding.wrong.items():
            if keys:
                told = rebuilt.told(replayed)
                await queries.delete(connection, partition, rebuilt, [key for key in keys if key not in told])
                await queries.write(connection, partition, rebuilt, [told[key] for key in keys if key in told])
                rebuilding.repaired += len(keys)
