"""A stretch of another service's feed, as a command of the lane that applies it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class FollowedRecord:
    """One record of a feed with its events, parsed."""

    position: int
    events: Sequence[Any]
    traceparents: Sequence[str] = ()


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
