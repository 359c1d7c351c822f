"""The head of a partition: its lock, its sequence, its clock and its configuration, in one row.

Whoever writes to a partition holds its head from the first statement to COMMIT, so a partition has one writer at a time
across all processes and replicas, commit order is position order, and there are no other locks.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import asyncpg

from services.chassis.database import Connection, UnfitDatabase, WriteConnection
from services.chassis.journal import Link
from services.chassis.partitions import SYSTEM_PARTITION
from services.chassis.reading import Reading

_READ = """
    SELECT partition, position, chain_hash, config_version, last_at, (SELECT now FROM clock) AS virtual_now
    FROM head
    WHERE partition = $1
"""


@dataclass(frozen=True, slots=True)
class Head:
    """A locked partition as the last batch left it."""

    partition: int
    position: int
    chain_hash: bytes
    config_version: int
    now: datetime
    """The batch's time: now, but never before the last batch's, so that time never runs against position."""


Also = Callable[[Reading, int], None]
"""Adds what else is to be read of a partition as soon as it is locked."""


def nothing_else(reading: Reading, partition: int) -> None:
    """Read the head alone."""


async def lock(connection: asyncpg.Connection, partitions: Sequence[int], also: Also = nothing_else) -> list[Head]:
    """Begin a transaction and lock the heads, ascending, one statement each (a single `= ANY` deadlocks).

    The lock is taken first and read after, so that what is read is what the writer before committed.
    """
    ordered = sorted(partitions)
    locks = "; ".join(f"SELECT 1 FROM head WHERE partition = {partition:d} FOR UPDATE" for partition in ordered)
    await connection.execute(f"BEGIN; {locks}")
    return [await read(connection, partition, also) for partition in ordered]


async def read(connection: asyncpg.Connection, partition: int, also: Also = nothing_else) -> Head:
    """A head as it is."""
    found: list[Head] = []
    reading = Reading(connection, partition)
    reading.add(_READ, take=lambda rows: found.extend(map(_head, rows)))
    also(reading, partition)
    await reading.run()
    return found[0]


def _head(row: Sequence[Any]) -> Head:
    partition, position, chain_hash, config_version, last_at, virtual_now = row
    return Head(partition, position, chain_hash, config_version, max(virtual_now or datetime.now(UTC), last_at))


async def commit(connection: WriteConnection, links: Sequence[Link]) -> None:
    """Write what the batch makes of its heads and commit. A batch without a link leaves its head as it was.

    Values are numbers, hexadecimal digits and a time that we made: nothing here comes from outside.
    """
    updates = "".join(
        f"UPDATE head SET position = {link.position:d}, chain_hash = '\\x{link.chain_hash.hex()}', "
        f"last_at = '{link.recorded_at.isoformat()}' WHERE partition = {link.partition:d}; "
        for link in links
    )
    await connection.commit(updates)


async def check_partitions(connection: Connection, partitions: int) -> None:
    """Refuse to run with another number of partitions than the database was made with.

    Raises UnfitDatabase when they differ, or when there are no tables yet.
    """
    try:
        stored = await connection.fetchval("SELECT count(*) FROM head WHERE partition > $1", SYSTEM_PARTITION)
    except asyncpg.UndefinedTableError:
        raise UnfitDatabase("the database has no tables yet; run the service with the argument `migrate`") from None
    if stored != partitions:
        raise UnfitDatabase(f"the database has {stored} partitions, TESSERA_PARTITIONS says {partitions}")
