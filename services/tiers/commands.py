"""What tiers tells itself to do; everything else it hears from the feeds of others."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

EVALUATED_AT_ONCE = 2_000
"""Members that one command evaluates at most, so that a partition is never locked for long."""


@dataclass(frozen=True, slots=True)
class Evaluate:
    """Evaluate the standings of one partition on a ladder, as far as one batch may.

    Its answer is the 16 bytes of the last member looked at when more may follow, else empty. By a new definition of the
    ladder, only members after `after` are looked at, in the order of their IDs; else all that are due.
    """

    partition: int
    ladder: str
    at: datetime
    """An instant at which the ladder is evaluated."""
    after: UUID

    @property
    def owners(self) -> tuple[int, ...]:
        """The partition itself; its number is a routing of its own."""
        return (self.partition,)

    @property
    def request(self) -> None:
        """Evaluating again changes nothing."""
        return None

    @property
    def validate_only(self) -> bool:
        """Never a dry run."""
        return False
