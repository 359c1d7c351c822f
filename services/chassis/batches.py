"""One batch, one transaction: lock, load, decide, store, commit."""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Generic, NamedTuple, TypeVar
from uuid import UUID

import asyncpg
import structlog

from services.chassis import heads, idempotency, journal
from services.chassis.configurations import Configurations
from services.chassis.cursors import read_cursors
from services.chassis.database import WriteConnection
from services.chassis.errors import Rejection
from services.chassis.failures import CommitUnknownError, is_storage_failure, rejection_of
from services.chassis.feed_batch import FeedBatch, FeedGroup
from services.chassis.heads import Head
from services.chassis.operations import BatchState, Command, Decision, Forwarded, Moment, Operations, Wider
from services.chassis.partitions import SYSTEM_PARTITION
from services.chassis.reading import Reading
from services.chassis.store import Rows, Store
from services.chassis.verdicts import Verdict, accepted, refused

_LOG = structlog.stdlib.get_logger(__name__)

Outcome = Verdict | BaseException
"""What becomes of a command: a verdict, or the unexpected exception that it alone caused."""

Written = Outcome | Forwarded
"""What becomes of a command in a batch: its outcome, or another command that has one in its stead."""

MAX_TRACEPARENTS = 16
"""Links to the calls that a batch served; a feed need not carry a thousand."""

CommitListener = Callable[[int, int], None]
"""Told of every commit of this process: the partition and its new position."""
BatchListener = Callable[[int, float], None]
"""Told of every batch that was committed: how many commands it had, and how many seconds it took."""

KeptRequests = dict[tuple[int, UUID], idempotency.Kept]
"""Verdicts given before, by partition and request."""

State = TypeVar("State", bound=BatchState)
Config = TypeVar("Config")


class Entry(NamedTuple):
    """A command of a batch, and the trace it belongs to."""

    command: Command
    traceparent: str = ""


class BatchWriter(Generic[State, Config]):
    """Writes batches on a connection of its own. One at a time."""

    def __init__(
        self,
        connection: WriteConnection,
        operations: Operations[State, Config],
        store: Store,
        configurations: Configurations[Config],
        partitions: int,
        error_domain: str,
        on_commit: CommitListener,
        on_batch: BatchListener,
    ) -> None:
        self._connection = connection
        self._operations = operations
        self._store = store
        self._configurations = configurations
        self._mask = partitions - 1
        self.error_domain = error_domain
        self._on_commit = on_commit
        self._on_batch = on_batch

    def refuse(self, rejection: Rejection) -> Verdict:
        """A refusal in this service's name."""
        return refused(rejection, self.error_domain)

    async def write(self, entries: Sequence[Entry]) -> list[Written]:
        """Write a batch and tell what became of each command.

        A batch that fails for a reason nobody foresaw is run again one command at a time, so that what poisons it fails
        alone. One in which a command needs more partitions than it has locked is committed up to that command and goes
        on with those as well.
        """
        outcomes: list[Written] = []
        along: list[Command] = []
        while len(outcomes) < len(entries):
            outcomes += await self._write(entries[len(outcomes) :], along)
        return outcomes

    async def _write(self, entries: Sequence[Entry], along: list[Command]) -> Sequence[Written]:
        """Write commands up to the first one that needs more than `along`, to which that is added."""
        try:
            verdicts, wider = await self._transact(entries, along)
        except Exception as error:
            if isinstance(error, CommitUnknownError) or is_storage_failure(error):
                return [self.refuse(rejection_of(error))] * len(entries)
            if len(entries) == 1:
                return [error]
            _LOG.warning("batch is run again one command at a time", commands=len(entries), exc_info=error)
            return [(await self.write([entry]))[0] for entry in entries]
        if wider is not None:
            along.append(wider.along)
        return verdicts

    async def _transact(
        self, entries: Sequence[Entry], along: Sequence[Command]
    ) -> tuple[Sequence[Verdict | Forwarded], Wider | None]:
        """One transaction: the verdicts of the commands that it decided, and what the next one needs."""
        by_partition: dict[int, list[Command]] = {}
        for command in (*(entry.command for entry in entries), *along):
            for partition in {routing & self._mask for routing in command.owners}:
                by_partition.setdefault(partition, []).extend(_parts(command))
        connection = await self._connection.get()
        began = time.perf_counter()
        try:
            batch, locked = await self._load(connection, by_partition)
            verdicts, wider = batch.run_all(entry.command for entry in entries)
            if wider is not None and wider.along in along:
                raise RuntimeError(f"a command asks again for what is locked: {wider.along}")
            links = await self._write_rows(connection, batch, locked, entries[: len(verdicts)])
        except BaseException:
            await self._connection.roll_back()
            raise
        await heads.commit(self._connection, links)
        if verdicts:
            self._on_batch(len(verdicts), time.perf_counter() - began)
        for link in links:
            self._on_commit(link.partition, link.position)
        return verdicts, wider

    async def _load(
        self, connection: asyncpg.Connection, by_partition: Mapping[int, Sequence[Command]]
    ) -> tuple["Batch[State, Config]", list[Head]]:
        """Lock the heads and read what the commands need."""
        kept: KeptRequests = {}
        cursors: dict[tuple[str, int], int] = {}

        def read_known(reading: Reading, partition: int) -> None:
            _read_known(reading, partition, by_partition[partition], kept, cursors)

        locked = await heads.lock(connection, tuple(by_partition), also=read_known)
        config_version = locked[0].config_version
        config = await self._configurations.at(connection, config_version)
        state = self._operations.new_state(config)
        for head in locked:
            await self._operations.load(connection, head.partition, by_partition[head.partition], state)
        moment = Moment(
            at=max(head.now for head in locked),
            config=config,
            config_version=config_version,
            positions={head.partition: head.position + 1 for head in locked},
            mask=self._mask,
        )
        return Batch(self._operations, state, moment, kept, cursors, self.error_domain), locked

    async def _write_rows(
        self,
        connection: asyncpg.Connection,
        batch: "Batch[State, Config]",
        locked: Sequence[Head],
        entries: Sequence[Entry],
    ) -> list[journal.Link]:
        links = []
        traceparents = [entry.traceparent for entry in entries if entry.traceparent][:MAX_TRACEPARENTS]
        halves = {partition: batch.moment.positions[partition] for partition in self._operations.undivided(batch.state)}
        for head in locked:
            events, kept = batch.state.events(head.partition), batch.kept_rows(head.partition)
            link = None
            if events or kept:
                link = journal.link(
                    head.partition,
                    head.position + 1,
                    batch.moment.at,
                    head.chain_hash,
                    batch.moment.config_version,
                    events,
                    traceparents,
                    kept=kept,
                    halves=halves if head.partition in halves else None,
                )
                links.append(link)
            await self._store.write(connection, head.partition, batch.rows(head.partition), link)
        return links


def _parts(command: Command) -> Sequence[Command]:
    return command.parts if isinstance(command, FeedGroup) else (command,)


def _read_known(
    reading: Reading,
    partition: int,
    commands: Sequence[Command],
    kept: KeptRequests,
    cursors: dict[tuple[str, int], int],
) -> None:
    """What the chassis itself asks of a partition: which requests it knows, and how far feeds were followed."""
    keys = [command.request.key for command in commands if command.request is not None]
    idempotency.read(reading, keys, lambda key, first: kept.__setitem__((partition, key), first))
    sources = {command.source for command in commands if isinstance(command, FeedBatch)}
    read_cursors(reading, partition, sources, cursors)


async def warm(connection: asyncpg.Connection) -> None:
    """Ask once what batches begin with, on a connection that holds no head yet, so that it is prepared."""

    def read_requests(reading: Reading, partition: int) -> None:
        idempotency.read(reading, [UUID(int=0)], lambda key, first: None)

    def read_sources(reading: Reading, partition: int) -> None:
        read_cursors(reading, partition, [""], {})

    for also in (read_requests, read_sources):
        await heads.read(connection, SYSTEM_PARTITION, also)


class Batch(Generic[State, Config]):
    """The fold of one batch: decides command after command on one state."""

    def __init__(
        self,
        operations: Operations[State, Config],
        state: State,
        moment: Moment[Config],
        kept: KeptRequests,
        cursors: dict[tuple[str, int], int],
        error_domain: str,
    ) -> None:
        self.state = state
        self.moment = moment
        self._operations = operations
        self._kept = kept
        self._cursors = cursors
        self._error_domain = error_domain
        self._today = datetime.now(UTC).date()
        self._kept_rows: dict[int, list[idempotency.Row]] = {}

    def run_all(self, commands: Iterable[Command]) -> tuple[list[Verdict | Forwarded], Wider | None]:
        """Decide commands in order, up to the first one that needs more partitions, and what it needs."""
        verdicts: list[Verdict | Forwarded] = []
        for command in commands:
            verdict = self.run(command)
            if isinstance(verdict, Wider):
                return verdicts, verdict
            verdicts.append(verdict)
        return verdicts, None

    def run(self, command: Command) -> Verdict | Wider | Forwarded:
        """Decide a command and fold it in. A request is known in the partition of its first owner, and only there."""
        if isinstance(command, FeedBatch):
            return self._follow((command,))
        if isinstance(command, FeedGroup):
            return self._follow(command.parts)
        request = command.request
        if request is None:
            decided = self._decide(command)
            return decided if isinstance(decided, Wider | Forwarded) else decided[0]
        home = command.owners[0] & self.moment.mask
        first = self._kept.get((home, request.key))
        if first is not None:
            is_same = first.fingerprint == request.fingerprint
            return first.verdict if is_same else refused(idempotency.REUSED, self._error_domain)
        decided = self._decide(command)
        if isinstance(decided, Wider | Forwarded):
            return decided
        verdict, is_kept = decided
        if is_kept:
            self._kept[home, request.key] = idempotency.Kept(request.fingerprint, verdict)
            self._kept_rows.setdefault(home, []).append(idempotency.row(request, verdict, self._today))
        return verdict

    def _decide(self, command: Command) -> tuple[Verdict, bool] | Wider | Forwarded:
        """The verdict, and whether a repeated request is to find it among the requests."""
        decided = self._operations.decide(self.state, command, self.moment)
        if isinstance(decided, Rejection):
            verdict = refused(decided, self._error_domain)
            return verdict, verdict.keep and not command.validate_only
        if isinstance(decided, Verdict):
            return decided, False
        if isinstance(decided, Wider | Forwarded):
            return decided
        verdict = accepted(decided.answer())
        if command.validate_only:
            return verdict, False
        self._operations.apply(self.state, decided.outcome, self.moment)
        return verdict, not decided.keeps_itself

    def _follow(self, parts: Sequence[FeedBatch]) -> Verdict | Wider:
        """Apply what is new of a feed; the cursors move in the same transaction, so nothing is applied twice."""
        fresh = [part for batch in parts if (part := self._fresh(batch)).records]
        decided = [self._heard(part) for part in fresh]
        for decision in decided:
            if isinstance(decision, Wider):
                return decision
        for number, part in enumerate(fresh):
            decision = self._heard(part) if number else decided[0]
            assert isinstance(decision, Decision), "what was read for all parts does for each"
            self._operations.apply(self.state, decision.outcome, self.moment)
            self._cursors[part.source, part.partition] = part.last_position
        return accepted(b"")

    def _fresh(self, batch: FeedBatch) -> FeedBatch:
        """What is new of it. It follows what was applied before without a gap."""
        cursor = self._cursors.get((batch.source, batch.partition), 0)
        fresh = batch.after(cursor)
        if fresh.records and fresh.records[0].position != cursor + 1:
            raise RuntimeError(
                f"gap in the feed of {batch.source}: {cursor} is followed by {fresh.records[0].position}"
            )
        return fresh

    def _heard(self, batch: FeedBatch) -> Decision | Wider:
        decided = self._operations.decide(self.state, batch, self.moment)
        if not isinstance(decided, Decision | Wider):
            raise TypeError(f"events of {batch.source} were refused: {decided}")
        return decided

    def kept_rows(self, partition: int) -> Sequence[idempotency.Row]:
        """The verdicts to keep in a partition."""
        return self._kept_rows.get(partition, ())

    def rows(self, partition: int) -> dict[str, Rows]:
        """Everything that the batch writes to a partition, by what the store calls it."""
        cursors = [(source, position) for (source, place), position in self._cursors.items() if place == partition]
        return {**self.state.rows(partition), "requests": self.kept_rows(partition), "cursors": cursors}
