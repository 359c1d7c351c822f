"""Following another service's feed: read, parse, and hand each partition's records to its lane.

The lane applies them and moves the cursor in one transaction, so each record is applied exactly once whatever crashes.
Records that concern nobody here are passed over: the cursor moves past them with the next ones that do, or after a
while. A crash forgets that they were passed, and they are passed again.
Records of several partitions that belong together (the halves of a merge) wait for each other and are applied in one
transaction. Since the source committed them in one, no two such groups can wait for one another.
One process follows each feed (an advisory lock decides which); a second one would do no harm, only work.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from zlib import crc32

import asyncpg
import structlog
from google.protobuf.duration_pb2 import Duration
from grpc import RpcError, aio

from services.chassis.cursors import Cursors, all_cursors
from services.chassis.database import Connection, is_lost
from services.chassis.failures import is_storage_failure
from services.chassis.feed_batch import FeedBatch, FeedGroup, FollowedRecord
from services.chassis.instants import NANOS_A_SECOND, instant
from services.chassis.lanes import Lanes
from services.chassis.leadership import leadership
from services.chassis.telemetry import Telemetry, current_traceparent
from services.chassis.verdicts import OK
from tessera.events.v1 import event_feed_pb2, event_feed_pb2_grpc, journal_pb2

POLL_WAIT_S = 20
POLL_TIMEOUT_S = 25
RETRY_DELAY_S = 0.2
LEADER_RETRY_S = 0.5
SAY_AGAIN_S = 300.0
"""That a source is not reachable is said once, and again when so much time has passed."""
MAX_RECORDS = 512
LINGER_S = 0.25
"""How long records that were passed over may wait for one to be applied with. Other processes see them passed then."""
MAX_SPAN_LINKS = 128
"""As many as OpenTelemetry keeps of one span."""

_LOG = structlog.stdlib.get_logger(__name__)

ParseEvent = Callable[[bytes], Any]
"""Turns one serialised event of the source into whatever the service's operations apply; None is skipped."""


@dataclass(slots=True)
class Lag:
    """How far behind a follower is, as its last reading of the feed showed."""

    records_behind: int = 0
    """Records read and not yet applied; a reading has at most MAX_RECORDS."""
    oldest_at: datetime | None = None
    """When the first of them was recorded, by the source's clock."""
    heard_at: float = 0.0
    """The time.monotonic() of the source's last answer; 0 before the first and while another process follows."""


class Follower:
    """Follows one feed."""

    def __init__(
        self,
        source: str,
        connect: Callable[[], Awaitable[aio.Channel]],
        parse_event: ParseEvent,
        lanes: Lanes,
        pool: asyncpg.Pool,
        cursors: Cursors,
        partitions: int,
        token_file: Path | None,
        telemetry: Telemetry,
    ) -> None:
        self.source = source
        self._connect = connect
        self._parse_event = parse_event
        self._lanes = lanes
        self._pool = pool
        self._cursors = cursors
        self._partitions = partitions
        self._token_file = token_file
        self._telemetry = telemetry
        self._credentials: tuple[tuple[str, str], ...] = ()
        self._lock = crc32(f"follow {source}".encode())
        self._reached: dict[int, int] = {}
        self._passed: dict[int, list[FollowedRecord]] = {}
        """By partition: records passed over that the cursor in the database does not know of yet."""
        self._halves: dict[int, FollowedRecord] = {}
        """By partition: a record that comes next there, and waits for its other halves."""
        self._passed_since = 0.0
        self._say_again_at = 0.0
        """The time.monotonic() from which on it is worth saying that the source is away; 0 while it is not."""
        self.lag = Lag()

    async def run(self) -> None:
        """Follow until cancelled, whatever the network and the databases do."""
        while True:
            delay_s = RETRY_DELAY_S
            try:
                async with leadership(self._pool, self._lock, wait=False) as connection:
                    if connection is None:
                        delay_s = LEADER_RETRY_S
                    else:
                        await self._follow(connection)
            except RpcError as error:
                self._note_silence(error)
            except Exception as error:
                if not is_storage_failure(error):
                    _LOG.exception("feed cannot be applied", source=self.source)
            await asyncio.sleep(delay_s)

    async def _follow(self, connection: Connection) -> None:
        """Follow for as long as `connection` lasts, with which leadership would be lost."""
        self._credentials = self._read_credentials()
        stub = event_feed_pb2_grpc.EventFeedStub(await self._connect())
        self._reached = await self._starting_point()
        self._passed = {}
        self._halves = {}
        try:
            while not is_lost(connection):
                if not await self._step(stub):
                    await asyncio.sleep(RETRY_DELAY_S)
        finally:
            self.lag = Lag()

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

    async def _step(self, stub: event_feed_pb2_grpc.EventFeedStub) -> bool:
        """Read what comes next and apply it. False when there was something and nothing of it could be applied."""
        if group := self._whole_group():
            is_applied = await self._apply([group])
            self._keep_what_is_next()
            return is_applied
        wait = Duration()
        wait.FromNanoseconds(int(self._patience_s() * NANOS_A_SECOND))
        response = await stub.Read(
            event_feed_pb2.ReadRequest(
                cursors=[
                    event_feed_pb2.Cursor(partition=partition, position=position)
                    for partition, position in self._reached.items()
                    if partition not in self._halves
                ],
                max_records=MAX_RECORDS,
                wait=wait,
            ),
            timeout=POLL_TIMEOUT_S,
            metadata=self._credentials,
        )
        self._note_answer()
        self._note_lag(response.records)
        batches = self._sort(response.records)
        if self._passed and self._patience_s() == 0:
            batches |= {partition: self._batch(partition, ()) for partition in self._passed.keys() - batches.keys()}
        is_applied = not batches or await self._apply(list(batches.values()))
        self._keep_what_is_next()
        self._note_lag(())
        return is_applied

    def _patience_s(self) -> float:
        """How long nothing has to be done even if nothing comes."""
        if not self._passed:
            return POLL_WAIT_S
        return max(0.0, self._passed_since + LINGER_S - time.monotonic())

    def _note_silence(self, error: RpcError) -> None:
        if time.monotonic() >= self._say_again_at:
            self._say_again_at = time.monotonic() + SAY_AGAIN_S
            _LOG.info("feed not reachable", source=self.source, code=getattr(error, "code", lambda: None)())

    def _note_answer(self) -> None:
        if self._say_again_at:
            self._say_again_at = 0.0
            _LOG.info("feed reachable again", source=self.source)

    def _note_lag(self, waiting: Sequence[event_feed_pb2.Record]) -> None:
        oldest_at = instant(waiting[0].recorded_at) if waiting else None
        self.lag = Lag(len(waiting), oldest_at, time.monotonic())

    def _whole_group(self) -> FeedGroup | None:
        """Records that belong together, if all of them are here and come next."""
        for record in self._halves.values():
            if all(
                partition in self._halves and self._halves[partition].position == position
                for partition, position in record.halves.items()
            ):
                return FeedGroup(
                    tuple(self._batch(partition, [self._halves[partition]]) for partition in record.halves)
                )
        return None

    async def _apply(self, stretches: Sequence[FeedBatch | FeedGroup]) -> bool:
        """Hand each partition's records to its lane; tells whether any of them was applied."""
        parts = [stretch.parts if isinstance(stretch, FeedGroup) else (stretch,) for stretch in stretches]
        records = (record for batches in parts for batch in batches for record in batch.records)
        traceparents = {parent for record in records for parent in record.traceparents}
        with self._telemetry.span(f"follow {self.source}", sorted(traceparents)[:MAX_SPAN_LINKS]):
            outcomes = await self._lanes.submit(stretches, traceparent=current_traceparent())
        is_applied = False
        for batches, outcome in zip(parts, outcomes, strict=True):
            if isinstance(outcome, BaseException):
                raise outcome
            if outcome.code == OK:
                is_applied = True
                for batch in batches:
                    self._applied(batch)
        return is_applied

    def _keep_what_is_next(self) -> None:
        """Of the records that wait for others, forget those that were applied or whose forerunners were not."""
        self._halves = {
            partition: record
            for partition, record in self._halves.items()
            if record.position == self._reached[partition] + 1
        }

    def _applied(self, batch: FeedBatch) -> None:
        self._passed.pop(batch.partition, None)
        self._reach(batch.partition, batch.last_position)

    def _reach(self, partition: int, position: int) -> None:
        self._reached[partition] = position
        self._cursors.advance((self.source, partition), position)

    def _sort(self, feed: Sequence[event_feed_pb2.Record]) -> dict[int, FeedBatch]:
        """The batches of the partitions in which something concerns this service; the others are passed over.

        Whatever does not go on where following stands becomes a batch of its own, which finds gaps and repetitions. A
        record with other halves is laid aside, and what comes after it is read again later.
        """
        read: dict[int, list[FollowedRecord]] = {}
        for record in feed:
            if record.partition in self._halves:
                continue
            followed = self._parse(record)
            if followed.halves:
                self._halves[record.partition] = followed
            else:
                read.setdefault(record.partition, []).append(followed)
        batches = {}
        for partition, records in read.items():
            if records[-1].position != self._reached[partition] + len(records):
                batches[partition] = FeedBatch(self.source, partition, records)
            elif any(record.events for record in records):
                batches[partition] = self._batch(partition, records)
            else:
                self._pass_over(partition, records)
        return batches

    def _parse(self, record: event_feed_pb2.Record) -> FollowedRecord:
        journal = journal_pb2.Journal.FromString(record.payload)
        events = [event for raw in journal.events if (event := self._parse_event(raw)) is not None]
        halves = {half.partition: half.position for half in journal.halves}
        return FollowedRecord(record.position, events, tuple(journal.traceparents), halves)

    def _pass_over(self, partition: int, records: Sequence[FollowedRecord]) -> None:
        if not self._passed:
            self._passed_since = time.monotonic()
        self._passed.setdefault(partition, []).extend(records)
        self._reach(partition, records[-1].position)

    def _batch(self, partition: int, records: Sequence[FollowedRecord]) -> FeedBatch:
        """Records together with those passed over before them, so that the cursor leaves no gap."""
        return FeedBatch(self.source, partition, [*self._passed.get(partition, ()), *records])
