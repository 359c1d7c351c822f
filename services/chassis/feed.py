"""The event feed: the journal, read in commit order by whoever follows this service."""

import time
from collections.abc import Iterable, Mapping, Sequence

import asyncpg

from services.chassis.at_least import AtLeast
from services.chassis.errors import Refused, Rejection
from services.chassis.instants import timestamp
from services.chassis.progress import Progress
from services.chassis.rpc import Call
from tessera.events.v1 import event_feed_pb2 as pb

DEFAULT_RECORDS = 256
MAX_ANSWER_BYTES = 4 << 20
MAX_PARTITION_BYTES = 512 << 10
"""At most about so much of one partition in an answer, or one record: a follower applies it in one transaction."""

# Positions have no gaps, so `position - after` counts a partition's records from 1: all partitions get their turns.
_READ = """
    SELECT c.partition, j.position, j.recorded_at, j.payload, j.chain_hash
    FROM unnest($1::int[], $2::bigint[]) AS c (partition, after)
    CROSS JOIN LATERAL (
        SELECT
            r.*,
            sum(octet_length(r.payload)) OVER (ORDER BY r.position) - octet_length(r.payload) AS bytes_before
        FROM (
            SELECT position, recorded_at, payload, chain_hash
            FROM journal
            WHERE partition = c.partition
              AND position > c.after
            ORDER BY position
            LIMIT $3
        ) AS r
    ) AS j
    WHERE j.bytes_before < $4
    ORDER BY j.position - c.after, c.partition
    LIMIT $3
"""
_HEADS = """
    SELECT partition, position
    FROM head
    ORDER BY partition
"""
_EARLIEST = """
    SELECT asked.partition, earliest.position
    FROM unnest($1::int[]) AS asked (partition)
    CROSS JOIN LATERAL (
        SELECT position
        FROM journal
        WHERE partition = asked.partition
        ORDER BY position
        LIMIT 1
    ) AS earliest
"""
# One snapshot, so that the heads include whatever was done with what the cursors say was read.
_POSITIONS = """
    SELECT NULL AS source, partition, position
    FROM head
    UNION ALL
    SELECT source, partition, position
    FROM cursors
    ORDER BY source, partition
"""


async def read_heads(pool: asyncpg.Pool) -> dict[int, int]:
    """The last committed position of each partition."""
    return {row["partition"]: row["position"] for row in await pool.fetch(_HEADS)}


def journal_archived(partition: int, earliest: int) -> Rejection:
    """What somebody wants of a journal is no longer in the database."""
    return Rejection(
        "JOURNAL_ARCHIVED",
        f"the journal of partition {partition} begins at {earliest}; what is before it was archived",
        metadata={"partition": str(partition), "earliest_position": str(earliest)},
    )


async def earliest_positions(pool: asyncpg.Pool, partitions: Sequence[int]) -> dict[int, int]:
    """The first position of each partition that is not archived; that of its next batch when all are."""
    heads = await read_heads(pool)
    there = {row["partition"]: row["position"] for row in await pool.fetch(_EARLIEST, partitions)}
    return {partition: there.get(partition, heads[partition] + 1) for partition in partitions if partition in heads}


class EventFeedServicer:
    """Serves `tessera.events.v1.EventFeed` for any service."""

    def __init__(
        self, service: str, pool: asyncpg.Pool, heads: Progress[int], follows: Iterable[str], at_least: AtLeast
    ) -> None:
        self._service = service
        self._pool = pool
        self._heads = heads
        self._at_least = at_least
        self._follows = tuple(follows)

    async def Read(self, request: pb.ReadRequest, call: Call) -> pb.ReadResponse:  # the contract's name
        """Records after the cursors; waits for the first when none is known of."""
        cursors = {cursor.partition: cursor.position for cursor in request.cursors}
        limit = request.max_records or DEFAULT_RECORDS
        deadline = min(call.deadline, time.monotonic() + request.wait.ToTimedelta().total_seconds())
        while True:
            has_more = await self._heads.wait_until(lambda: self._has_more(cursors), deadline)
            rows = await self._read(cursors, limit)
            await self._refuse_what_is_archived(cursors, rows)
            if rows or not has_more:
                return pb.ReadResponse(records=[_record(row) for row in rows])

    async def GetPositions(  # the contract's name
        self, request: pb.GetPositionsRequest, call: Call
    ) -> pb.GetPositionsResponse:
        """Heads of this service's partitions, and its cursors in the feeds it follows."""
        await self._at_least.wait(request.at_least, call)
        # What was followed by now is at most noted later in the cursors (follower.py).
        reached = self._at_least.cursors.positions()
        heads: dict[int, int] = {}
        # A feed of which nothing was read yet is followed, too.
        followed: dict[str, dict[int, int]] = {source: {} for source in self._follows}
        for source, partition, position in await self._pool.fetch(_POSITIONS):
            if source is None:
                heads[partition] = position
            else:
                followed.setdefault(source, {})[partition] = position
        for (source, partition), position in reached.items():
            of_source = followed.setdefault(source, {})
            of_source[partition] = max(position, of_source.get(partition, 0))
        return pb.GetPositionsResponse(
            service=self._service,
            heads=_wire(heads),
            followed=[
                pb.GetPositionsResponse.Followed(service=source, cursors=_wire(cursors))
                for source, cursors in followed.items()
            ],
        )

    def _has_more(self, cursors: Mapping[int, int]) -> bool:
        return any(self._heads.reached(partition) > position for partition, position in cursors.items())

    async def _refuse_what_is_archived(self, cursors: Mapping[int, int], rows: Sequence[asyncpg.Record]) -> None:
        """A journal has no gaps: what does not follow the cursor at once was archived in between."""
        first = {row["partition"]: row["position"] for row in reversed(rows)}
        if not rows and self._has_more(cursors):
            # Where a journal is archived to its end there is no row to notice it by.
            first = await earliest_positions(self._pool, list(cursors))
        for partition, position in first.items():
            if position > cursors[partition] + 1:
                raise Refused(journal_archived(partition, position))

    async def _read(self, cursors: Mapping[int, int], limit: int) -> Sequence[asyncpg.Record]:
        partition_bytes = min(MAX_PARTITION_BYTES, MAX_ANSWER_BYTES // len(cursors))
        rows: Sequence[asyncpg.Record] = await self._pool.fetch(
            _READ, list(cursors), list(cursors.values()), limit, partition_bytes
        )
        return rows


def _wire(positions: Mapping[int, int]) -> list[pb.Cursor]:
    return [pb.Cursor(partition=partition, position=position) for partition, position in positions.items()]


def _record(row: asyncpg.Record) -> pb.Record:
    return pb.Record(
        partition=row["partition"],
        position=row["position"],
        recorded_at=timestamp(row["recorded_at"]),
        payload=row["payload"],
        chain_hash=row["chain_hash"],
    )
