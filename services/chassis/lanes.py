"""Lanes: who waits is written together.

One lane for each partition in each process: a bounded queue and one writer. Its batch is whatever queued while its last
batch committed. An idle lane writes at once; only a process that is busy lets calls gather (`pace.py`). Work between
two owners has a lane of its own that locks all the heads it needs. A command for an ID that leads elsewhere is handed
on to the lane of whom it leads to.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from grpc import StatusCode

from services.chassis.batches import BatchWriter, Entry, Outcome
from services.chassis.errors import Rejection
from services.chassis.failures import SHUTTING_DOWN
from services.chassis.operations import Command, Forwarded
from services.chassis.pace import Pace
from services.chassis.verdicts import Verdict

MAX_BATCHES_AT_ONCE = 2
"""Batches of a process that hold a head at the same time. One event loop decides them in turn, so more of them would
only hold their heads longer and be smaller."""
ENOUGH = 32
"""Commands that are worth a batch: with more its own cost hardly matters to each."""
MAX_BATCH_COMMANDS = 1000
"""A batch is bounded so that its locks are short and its statement's arrays small."""

OVERLOADED = Rejection(
    "OVERLOADED",
    "more work is waiting than the service takes; nothing was done",
    code=StatusCode.RESOURCE_EXHAUSTED,
    retry_after=timedelta(milliseconds=200),
)
TOO_LATE = Rejection(
    "DEADLINE_EXCEEDED",
    "the deadline passed before the work was written; nothing was done",
    code=StatusCode.DEADLINE_EXCEEDED,
    retry_after=timedelta(0),
)


class Waiting:
    """Whoever waits for the outcomes of some commands: a call, or all items of a bulk call."""

    __slots__ = ("_future", "_missing", "outcomes")

    def __init__(self, size: int) -> None:
        self.outcomes: list[Outcome] = [None] * size  # type: ignore[list-item]  # each is set before anyone reads it
        self._missing = size
        self._future: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def settle(self, index: int, outcome: Outcome) -> None:
        """Note the outcome of one command."""
        self.outcomes[index] = outcome
        self._missing -= 1
        if self._missing == 0 and not self._future.done():
            self._future.set_result(None)

    async def all(self) -> list[Outcome]:
        """The outcomes of all commands, in order."""
        await self._future
        return self.outcomes


@dataclass(slots=True, eq=False)
class Queued:
    """A command in a lane."""

    command: Command
    deadline: float | None
    traceparent: str
    waiting: Waiting
    index: int


class Lane:
    """A bounded queue and the task that writes it."""

    def __init__(
        self,
        name: str,
        writer: BatchWriter[Any, Any],
        capacity: int,
        turns: asyncio.Semaphore,
        pace: Pace,
        put: "Callable[[Queued], None]",
    ) -> None:
        """`put` hands on what another lane has to do."""
        self.name = name
        self._writer = writer
        self._capacity = capacity
        self._turns = turns
        self._pace = pace
        self._hand_on = put
        self._last_calls = 0
        self._too_late = writer.refuse(TOO_LATE)
        self._queue: deque[Queued] = deque()
        self._task: asyncio.Task[None] | None = None

    def __len__(self) -> int:
        return len(self._queue)

    def put(self, queued: Queued) -> bool:
        """Queue a command; False when the lane is full."""
        if len(self._queue) >= self._capacity:
            return False
        self._queue.append(queued)
        if self._task is None:
            self._task = asyncio.create_task(self._drain(), name=f"lane-{self.name}")
        return True

    async def _drain(self) -> None:
        """Write batch after batch until nothing waits."""
        try:
            while self._queue:
                await self._gather()
                async with self._turns:
                    if batch := self._take():
                        await self._write(batch)
        finally:
            self._task = None

    async def _gather(self) -> None:
        """In a busy process, let more single calls come; not where they come one after the other, or in bulk."""
        if 1 < self._last_calls < ENOUGH and len(self._queue) < ENOUGH and (wait_s := self._pace.wait_s()):
            await asyncio.sleep(wait_s)

    def _take(self) -> list[Queued]:
        """What waits, without what nobody waits for any more."""
        batch: list[Queued] = []
        now = time.monotonic()
        while self._queue and len(batch) < MAX_BATCH_COMMANDS:
            queued = self._queue.popleft()
            if queued.deadline is not None and queued.deadline <= now:
                queued.waiting.settle(queued.index, self._too_late)
            else:
                batch.append(queued)
        return batch

    async def _write(self, batch: Sequence[Queued]) -> None:
        self._last_calls = sum([len(queued.waiting.outcomes) == 1 for queued in batch])
        outcomes = await self._writer.write([Entry(queued.command, queued.traceparent) for queued in batch])
        for queued, outcome in zip(batch, outcomes, strict=True):
            if isinstance(outcome, Forwarded):
                self._hand_on(replace(queued, command=outcome.command))
            else:
                queued.waiting.settle(queued.index, outcome)

    async def settled(self) -> None:
        """Wait until everything that was queued is written."""
        while self._task is not None:
            await asyncio.wait([self._task])


class Lanes:
    """The lanes of a process: one for each partition, and one for work between owners."""

    def __init__(
        self, writers: Sequence[BatchWriter[Any, Any]], crossing: BatchWriter[Any, Any], capacity: int
    ) -> None:
        turns, pace = asyncio.Semaphore(MAX_BATCHES_AT_ONCE), Pace()
        self._lanes = [
            Lane(str(number), writer, capacity, turns, pace, self._hand_on) for number, writer in enumerate(writers)
        ]
        self._crossing = Lane("crossing", crossing, capacity, turns, pace, self._hand_on)
        self._mask = len(writers) - 1
        self._overloaded = crossing.refuse(OVERLOADED)
        self._shutting_down = crossing.refuse(SHUTTING_DOWN)
        self._open = True

    async def submit(
        self, commands: Sequence[Command], *, deadline: float | None = None, traceparent: str = ""
    ) -> list[Outcome]:
        """Hand commands to their lanes and wait for what becomes of each, in order.

        For each owner they apply in this order, and after what was answered before; what is submitted at the same time
        by others may come between. `deadline` is a time.monotonic() at which nobody waits any more. An outcome is a
        verdict, or the unexpected exception that this command alone caused.
        """
        if not commands:
            return []
        if not self._open:
            return [self._shutting_down] * len(commands)
        waiting = Waiting(len(commands))
        for index, (command, lane) in enumerate(zip(commands, self._lanes_of(commands), strict=True)):
            if not lane.put(Queued(command, deadline, traceparent, waiting, index)):
                waiting.settle(index, self._overloaded)
        return await waiting.all()

    async def one(self, command: Command, *, deadline: float | None = None, traceparent: str = "") -> Verdict:
        """Submit one command; its unexpected exception is raised."""
        (outcome,) = await self.submit((command,), deadline=deadline, traceparent=traceparent)
        if isinstance(outcome, BaseException):
            raise outcome
        return outcome

    def _hand_on(self, queued: Queued) -> None:
        if not self._lane_of(queued.command.owners).put(queued):
            queued.waiting.settle(queued.index, self._overloaded)

    def _lanes_of(self, commands: Sequence[Command]) -> Sequence[Lane]:
        """Each command's lane. Where one crosses all go with it, since no order holds between two lanes."""
        lanes = [self._lane_of(command.owners) for command in commands]
        return [self._crossing] * len(lanes) if self._crossing in lanes else lanes

    def _lane_of(self, owners: Sequence[int]) -> Lane:
        partition = owners[0] & self._mask
        crosses = len(owners) > 1 and any(owner & self._mask != partition for owner in owners)
        return self._crossing if crosses else self._lanes[partition]

    def depths(self) -> Iterable[tuple[str, int]]:
        """How many commands wait in each lane, by its name."""
        return ((lane.name, len(lane)) for lane in (*self._lanes, self._crossing))

    async def close(self) -> None:
        """Take nothing more and write what waits."""
        self._open = False
        for lane in (*self._lanes, self._crossing):
            await lane.settled()
