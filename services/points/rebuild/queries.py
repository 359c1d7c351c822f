"""Every SQL statement with which tables are rebuilt, beside those of the ledger."""

from collections.abc import Sequence
from typing import Any

import asyncpg

from services.chassis.store import Store, array_type
from services.points.ledger import queries as ledger
from services.points.ledger.event_rows import Row
from services.points.ledger.queries import Chunks
from services.points.rebuild.tables import BALANCES, CAP_USES, CLAWBACKS, LOT_USES, LOTS, Rebuilt

READS = (
    (LOTS, ledger.lots),
    (BALANCES, ledger.balances),
    (LOT_USES, ledger.uses),
    (CLAWBACKS, ledger.clawbacks),
    (CAP_USES, ledger.cap_uses),
)
"""What is rebuilt, and how it is read."""
_STORE = Store([rebuilt.table for rebuilt, _ in READS])

_LOCK = """
    SELECT position
    FROM head
    WHERE partition = $1
    FOR UPDATE
"""
_SINCE = """
    SELECT position, payload
    FROM journal
    WHERE partition = $1
      AND position > $2
    ORDER BY position
"""


async def lock(connection: asyncpg.Connection, partition: int) -> None:
    """Lock the head: nobody else writes to the partition before the transaction ends."""
    await connection.fetchval(_LOCK, partition)


async def journal_since(connection: asyncpg.Connection, partition: int, position: int) -> Sequence[Any]:
    """The journal after a position, all of it: what was booked in the moment before the lock."""
    return await connection.fetch(_SINCE, partition, position)


def rows(connection: asyncpg.Connection, rebuilt: Rebuilt, partition: int) -> Chunks:
    """The rows that a table holds; on a connection that reads raw."""
    return dict(READS)[rebuilt](connection, partition)


async def delete(connection: asyncpg.Connection, partition: int, rebuilt: Rebuilt, keys: Sequence[Row]) -> None:
    """Delete rows by their primary keys."""
    names = rebuilt.keys
    arrays = ", ".join(f"${number}::{array_type(rebuilt.table.columns[name])}" for number, name in enumerate(names, 2))
    same = "\n  AND ".join(f"t.{name} = u.{name}" for name in names)
    await connection.execute(
        f"DELETE FROM {rebuilt.table.name} AS t\n"
        f"USING unnest({arrays}) AS u ({', '.join(names)})\n"
        f"WHERE t.partition = $1\n  AND {same}",
        partition,
        *rebuilt.keys_to_write(keys),
    )


async def write(connection: asyncpg.Connection, partition: int, rebuilt: Rebuilt, told: Sequence[Row]) -> None:
    """Write rows as the journal tells them, in place of those of the same key."""
    await _STORE.write(connection, partition, {rebuilt.table.name: [rebuilt.to_write(row) for row in told]}, None)
