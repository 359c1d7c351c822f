"""What points can be told to do with adjustments."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from services.chassis.access import Caller
from services.chassis.idempotency import Request
from services.chassis.ids import routing_of
from services.points.commands import sent


@dataclass(frozen=True, slots=True)
class Adjust:
    """Correct a wallet, or propose to."""

    request: Request
    adjustment_id: UUID
    member_id: UUID
    account_id: UUID
    domain: str
    unit: str
    amount: int
    cause: str
    funder: str
    effective_at: datetime | None
    caller: Caller
    validate_only: bool

    sent_to: int | None = None
    """The routing bits of the ID that it was sent to, where that leads to the member."""

    @property
    def owners(self) -> tuple[int, ...]:
        """The member."""
        return sent(self.sent_to, routing_of(self.member_id))


@dataclass(frozen=True, slots=True)
class ResolveAdjustment:
    """Approve or reject what was proposed."""

    request: Request
    adjustment_id: UUID
    approve: bool
    caller: Caller
    validate_only: bool

    @property
    def owners(self) -> tuple[int, ...]:
        """The adjustment's member."""
        return (routing_of(self.adjustment_id),)
