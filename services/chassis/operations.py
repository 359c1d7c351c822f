"""What a service tells the chassis about its work: how a batch is loaded, decided and stored.

A batch is folded: each command is decided, in order, on the state that the commands before it left. Deciding changes
nothing; what was decided is then applied to the state, so that a refusal or a dry run leaves no trace.
"""

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

import asyncpg

from services.chassis.errors import Rejection
from services.chassis.idempotency import Request
from services.chassis.store import Rows
from services.chassis.verdicts import Verdict

Config = TypeVar("Config")
State = TypeVar("State", bound="BatchState")


class Command(Protocol):
    """What every command says of itself; services' commands are frozen dataclasses."""

    @property
    def owners(self) -> tuple[int, ...]:
        """Routing bits of the owners it concerns: one, or two for work between owners."""

    @property
    def request(self) -> Request | None:
        """How idempotency knows it; None for work of our own (feeds, jobs)."""

    @property
    def validate_only(self) -> bool:
        """Decide and answer, and record nothing."""


@dataclass(frozen=True, slots=True)
class Moment(Generic[Config]):
    """When and by what a batch is decided."""

    at: datetime
    config: Config
    config_version: int
    positions: Mapping[int, int]
    """The position that each partition of the batch gets, if the batch does something there."""
    mask: int
    """The routing bits that say the partition."""

    def partition_of(self, owner: int) -> int:
        """The partition of an owner, by its routing bits or the number of its ID."""
        return owner & self.mask

    def within(self, partition: int) -> "Moment[Config]":
        """The same for work that concerns one of the partitions."""
        return self if len(self.positions) == 1 else replace(self, positions={partition: self.positions[partition]})


class BatchState(Protocol):
    """A service's rows as a batch loads and changes them."""

    def rows(self, partition: int) -> Mapping[str, Rows]:
        """What changed in a partition, by what the store calls it."""

    def events(self, partition: int) -> Sequence[bytes]:
        """What happened in a partition, in order: serialised events. Empty when nothing is to be told."""


class Decision(NamedTuple):
    """What was decided on one command: the service's own outcome, and how it is answered."""

    outcome: Any
    answer: Callable[[], bytes]
    keeps_itself: bool = False
    """The outcome's own rows hold the answer by a natural key, so no verdict row is needed."""


class Wider(NamedTuple):
    """A command cannot be decided on the partitions that its batch has locked: others are needed too.

    What was decided before it is committed; it is decided anew in a batch that also locks the partitions of `along`,
    for which alone that is loaded, and which itself is never decided.
    """

    along: Command


class Forwarded(NamedTuple):
    """A command was sent to an ID that leads elsewhere now: `command` is what is to be done instead, by its own lane.

    Its first owner is the one that the request was sent to, where a repeated request is known.
    """

    command: Command


Decided = Decision | Rejection | Verdict | Wider | Forwarded
"""A decision, a refusal, a verdict already given (found by a natural key), what has to be locked to decide, or what is
to be done instead."""


@dataclass(frozen=True, slots=True)
class Operations(Generic[State, Config]):
    """A service's work on a batch."""

    new_state: Callable[[Config], State]
    load: Callable[[asyncpg.Connection, int, Sequence[Any], State], Awaitable[None]]
    """Read, set-based, what the commands need of one partition."""
    decide: Callable[[State, Any, Moment[Config]], Decided]
    """Decide one command. Pure: no I/O, no clock, no change of the state."""
    apply: Callable[[State, Any, Moment[Config]], None]
    """Fold an outcome into the state."""
    undivided: Callable[[State], Collection[int]] = lambda state: ()
    """The partitions whose records of this batch are to be followed together or not at all."""
