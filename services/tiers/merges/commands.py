"""What a batch loads of members that belong together."""

from dataclasses import dataclass
from uuid import UUID

from services.chassis.ids import routing_of


@dataclass(frozen=True, slots=True)
class LoadMembers:
    """Lock the partitions of some members, and load all that they scored and where they stood."""

    member_ids: tuple[UUID, ...]
    request: None = None
    validate_only: bool = False

    @property
    def owners(self) -> tuple[int, ...]:
        """The members."""
        return tuple(map(routing_of, self.member_ids))
