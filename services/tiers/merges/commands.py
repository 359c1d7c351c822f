"""What is locked and loaded along with a command that needs more than its own partition."""

from dataclasses import dataclass
from uuid import UUID

from services.chassis.ids import routing_of
from services.tiers.tally import Score


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
