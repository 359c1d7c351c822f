"""Partitions kept apart: for services whose work concerns one partition, though a batch may lock several.

Such a batch comes of a feed whose records belong together, or of a command that was handed on from an ID that leads
elsewhere. Each partition has a state of its own, and each command is decided on that of its last owner: the member that
an ID leads to, where it was sent to another one.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Generic, NamedTuple, TypeVar

import asyncpg

from services.chassis.operations import BatchState, Decided, Decision, Moment, Operations
from services.chassis.store import Rows

State = TypeVar("State", bound=BatchState)
Config = TypeVar("Config")


class States(Generic[State]):
    """The state of each partition of a batch."""

    def __init__(self, new: Callable[[], State]) -> None:
        self._new = new
        self._states: dict[int, State] = {}

    def of(self, partition: int) -> State:
        """The state of a partition."""
        state = self._states.get(partition)
        if state is None:
            state = self._states[partition] = self._new()
        return state

    def rows(self, partition: int) -> Mapping[str, Rows]:
        """What changed in a partition."""
        return self.of(partition).rows(partition)

    def events(self, partition: int) -> Sequence[bytes]:
        """What happened in a partition."""
        return self.of(partition).events(partition)


class _Outcome(NamedTuple):
    partition: int
    outcome: Any


def apart(operations: Operations[State, Config]) -> Operations[States[State], Config]:
    """The same operations, on as many partitions as a batch has."""

    def new_state(config: Config) -> States[State]:
        return States(lambda: operations.new_state(config))

    async def load(
        connection: asyncpg.Connection, partition: int, commands: Sequence[Any], states: States[State]
    ) -> None:
        await operations.load(connection, partition, commands, states.of(partition))

    def decide(states: States[State], command: Any, moment: Moment[Config]) -> Decided:
        partition = moment.partition_of(command.owners[-1])
        decided = operations.decide(states.of(partition), command, moment.within(partition))
        if isinstance(decided, Decision):
            return decided._replace(outcome=_Outcome(partition, decided.outcome))
        return decided

    def apply(states: States[State], outcome: _Outcome, moment: Moment[Config]) -> None:
        operations.apply(states.of(outcome.partition), outcome.outcome, moment.within(outcome.partition))

    return Operations(new_state, load, decide, apply)
