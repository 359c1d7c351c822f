"""Following another service's feed: read, parse, and hand each partition's records to its lane.

The lane applies them and moves the cursor in one transaction, so each record is applied exactly once whatever crashes. One
process follows each feed (an advisory lock decides which); a second one would do no harm, only work.
"""

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from zlib import crc32

import asyncpg
import structlog
from google.protobuf.duration_pb2 import Duration
from grpc import RpcError, aio

from services.chassis.cursors import all_cursors
from services.chassis.database import Connection
from services.chassis.failures import is_storage_failure
from services.chassis.feed_batch import FeedBatch, FollowedRecord
from services.chassis.lanes import Lanes
from services.chassis.progress import Progress
from services.chassis.telemetry import Telemetry, current_traceparent
from services.chassis.verdicts import OK
from tessera.events.v1 import event_feed_pb2, event_feed_pb2_grpc, journal_pb2

POLL_WAIT_S = 20
POLL_TIMEOUT_S = 25
RETRY_DELAY_S = 0.2
LEADER_RETRY_S = 1.0
MAX_RECORDS = 512

_LOG = structlog.stdlib.get_logger(__name__)

ParseEvent = Callable[[bytes], Any]
"""Turns one serialised event of the source into whatever the service's operations apply; None is skipped."""

Cursors = Progress[tuple[str, int]]
"""How far each source was followed, by source and partition."""


class Follower:
    """Follows one feed."""

    def __init__(
        self,
        source: str,
        channel: aio.Channel,
        parse_event: ParseEvent,
        lanes: Lanes,
        pool: asyncpg.Pool,
        cursors: Cursors,
        partitions: int,
        token_file: Path | None,
        telemetry: Telemetry,
    ) -> None:
        self.source = source
        self._stub = event_feed_pb2_grpc.EventFeedStub(channel)
        self._parse_event = parse_event
        self._lanes = lanes
        self._pool = pool
        self._cursors = cursors
        self._partitions = partitions
        self._token_file = token_file
        self._telemetry = telemetry
        self._credentials: tuple[tuple[str, str], ...] = ()

    async def run(self) -> None:
        """Follow until cancelled, whatever the network and the databases do."""
        while True:
            try:
                async with self._pool.acquire() as connection:
                    await self._follow_as_leader(connection)
            except RpcError as error:
                _LOG.info("feed not reachable", source=self.source, code=getattr(error, "code", lambda: None)())
            except Exception as error:
                if not is_storage_failure(error):
                    _LOG.exception("feed cannot be applied", source=self.source)
            await asyncio.sleep(RETRY_DELAY_S)

    async def _follow_as_leader(self, connection: Connection) -> None:
        lock = crc32(f"follow {self.source}".encode())
        while not await connection.fetchval("SELECT pg_try_advisory_lock($1)", lock):
            await asyncio.sleep(LEADER_RETRY_S)
        try:
            self._credentials = self._read_credentials()
            reached = await self._starting_point()
            while not connection.is_closed():
                await self._step(reached)
        finally:
            if not connection.is_closed():
                await connection.execute("SELECT pg_advisory_unlock($1)", lock)

    def _read_credentials(self) -> tuple[tuple[str, str], ...]:
        """Read again whenever following begins anew, so that a rotated token is picked up."""
        if self._token_file is None:
            return ()
        return (("authorization", f"Bearer {self._token_file.read_text().strip()}"),)

    async def _starting_point(self) -> dict[int, int]:
        reached = dict.fromkeys(range(self._partitions), 0)
        for (source, partition), position in (await all_cursors(self._pool)).items():
            if source == self.source:
                reached[partition] = position
                self._cursors.advance((source, partition), position)
        return reached

    async def _step(self, reached: dict[int, int]) -> None:
        """Read what comes next and apply it; `reached` moves as far as it was applied."""
        response = await self._stub.Read(
            event_feed_pb2.ReadRequest(
                cursors=[event_feed_pb2.Cursor(partition=p, position=position) for p, position in reached.items()],
                max_records=MAX_RECORDS,
                wait=Duration(seconds=POLL_WAIT_S),
            ),
            timeout=POLL_TIMEOUT_S,
            metadata=self._credentials,
        )
        batches = self._batches(response)
        traceparents = {
            parent for batch in batches.values() for record in batch.records for parent in record.traceparents
        }
        with self._telemetry.span(f"follow {self.source}", sorted(traceparents)):
            outcomes = await self._lanes.submit(list(batches.values()), traceparent=current_traceparent())
        for (partition, batch), outcome in zip(batches.items(), outcomes, strict=True):
            if isinstance(outcome, BaseException):
                raise outcome
            if outcome.code == OK:
                reached[partition] = batch.last_position
                self._cursors.advance((self.source, partition), batch.last_position)

    def _batches(self, response: event_feed_pb2.ReadResponse) -> Mapping[int, FeedBatch]:
        records: dict[int, list[FollowedRecord]] = {}
        for record in response.records:
            journal = journal_pb2.Journal.FromString(record.payload)
            events = [event for raw in journal.events if (event := self._parse_event(raw)) is not None]
            records.setdefault(record.partition, []).append(
                FollowedRecord(record.position, events, tuple(journal.traceparents))
            )
        return {partition: FeedBatch(self.source, partition, batch) for partition, batch in records.items()}
