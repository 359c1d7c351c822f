"""How far a follower has read the feeds of other services: a row for each source and partition, in its own database."""

from collections.abc import Iterable, Sequence
from typing import Any

import asyncpg

from services.chassis.database import Connection
from services.chassis.progress import Progress
from services.chassis.reading import Reading

Cursors = Progress[tuple[str, int]]
"""How far each source was followed, by source and partition."""

_LOAD = """
    SELECT source, position
    FROM cursors
    WHERE partition = $1
      AND source = ANY($2)
"""
_ALL = """
    SELECT source, partition, position
    FROM cursors
    ORDER BY source, partition
"""


def read_cursors(reading: Reading, partition: int, sources: Iterable[str], cursors: dict[tuple[str, int], int]) -> None:
    """Read the cursors of some sources in one partition, by source and partition; one that never moved is missing."""
    names = list(sources)
    if not names:
        return

    def take(rows: Sequence[Any]) -> None:
        cursors.update(((source, partition), position) for source, position in rows)

    reading.add(_LOAD, names, take=take)


async def all_cursors(connection: Connection | asyncpg.Pool) -> dict[tuple[str, int], int]:
    """Every cursor, by source and partition."""
    return {(row["source"], row["partition"]): row["position"] for row in await connection.fetch(_ALL)}
