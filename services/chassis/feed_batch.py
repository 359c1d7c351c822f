"""Stretches of another service's feed, as commands of the lane that applies them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class FollowedRecord:
    """One record of a feed with its events, parsed."""

    position: int
    events: Sequence[Any]
    traceparents: Sequence[str] = ()
    halves: Mapping[int, int] = field(default_factory=dict)
    """By partition, the positions of the records that are applied with this one or not at all."""


@dataclass(frozen=True, slots=True)
class FeedBatch:
    """Records of one partition of one source, in order and without gaps."""

    source: str
    partition: int
    records: Sequence[FollowedRecord]

    @property
    def owners(self) -> tuple[int, ...]:
        """The partition itself: partitions are the same in all services, so its number is a routing of its own."""
        return (self.partition,)

    @property
    def request(self) -> None:
        """Cursors make it exactly once, not a request id."""
        return None

    @property
    def validate_only(self) -> bool:
        """Never a dry run."""
        return False

    def after(self, cursor: int) -> "FeedBatch":
        """What a follower that stands at `cursor` has not applied yet."""
        return FeedBatch(self.source, self.partition, [r for r in self.records if r.position > cursor])

    @property
    def last_position(self) -> int:
        """Where the follower stands when all of it is applied."""
        return self.records[-1].position


@dataclass(frozen=True, slots=True)
class FeedGroup:
    """Records of several partitions of one source that were one transaction there and are one here."""

    parts: tuple[FeedBatch, ...]

    @property
    def owners(self) -> tuple[int, ...]:
        """The partitions of all parts."""
        return tuple(part.partition for part in self.parts)

    @property
    def request(self) -> None:
        """Cursors make it exactly once, not a request id."""
        return None

    @property
    def validate_only(self) -> bool:
        """Never a dry run."""
        return False
