"""What is locked and loaded along with a command that needs more than its own partition."""

from dataclasses import dataclass
from uuid import UUID

from services.chassis.ids import routing_of
from services.tiers.merges.values import UnmergeHeard
from services.tiers.state import Score


@dataclass(frozen=True, slots=True)
class LoadScored:
    """Load what scores concern that were sent to other IDs and are for members of a partition."""

    partition: int
    scores: tuple[Score, ...]
    request: None = None
    validate_only: bool = False

    @property
    def owners(self) -> tuple[int, ...]:
        """The partition itself; its number is a routing of its own."""
        return (self.partition,)


@dataclass(frozen=True, slots=True)
class LoadPersons:
    """Load all that members ever scored, and where they stand."""

    member_ids: tuple[UUID, ...]
    request: None = None
    validate_only: bool = False

    @property
    def owners(self) -> tuple[int, ...]:
        """The members."""
        return tuple(map(routing_of, self.member_ids))


@dataclass(frozen=True, slots=True)
class PreviewMerge:
    """Tell what a merge would do. Nothing is recorded."""

    survivor_id: UUID
    merged_id: UUID
    request: None = None
    validate_only: bool = True

    @property
    def owners(self) -> tuple[int, ...]:
        """Both members."""
        return tuple(map(routing_of, self.member_ids))

    @property
    def member_ids(self) -> tuple[UUID, ...]:
        """Both members."""
        return (self.survivor_id, self.merged_id)


@dataclass(frozen=True, slots=True)
class PreviewUnmerge:
    """Tell what an unmerge would do; its time is left to the batch. Nothing is recorded."""

    heard: UnmergeHeard
    request: None = None
    validate_only: bool = True

    @property
    def owners(self) -> tuple[int, ...]:
        """Both members."""
        return tuple(map(routing_of, self.member_ids))

    @property
    def member_ids(self) -> tuple[UUID, ...]:
        """All members concerned."""
        return (self.heard.holder_id, self.heard.member_id, *self.heard.absorbed_ids)


@dataclass(frozen=True, slots=True)
class PreviewErasure:
    """Tell what an erasure would do. Nothing is recorded."""

    member_id: UUID
    request: None = None
    validate_only: bool = True

    @property
    def owners(self) -> tuple[int, ...]:
        """The member."""
        return (routing_of(self.member_id),)

    @property
    def member_ids(self) -> tuple[UUID, ...]:
        """The member."""
        return (self.member_id,)


Preview = PreviewMerge | PreviewUnmerge | PreviewErasure
