"""What points can be told to do with gifts."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from services.chassis.access import Caller
from services.chassis.idempotency import Request
from services.chassis.ids import routing_of
from services.points.commands import sent


@dataclass(frozen=True, slots=True)
class Give:
    """Give points to another member."""

    request: Request
    gift_id: UUID
    member_id: UUID
    account_id: UUID
    domain: str
    to_member_id: UUID
    to_account_id: UUID
    unit: str
    amount: int
    reference: str
    received_at: datetime
    validate_only: bool

    sent_to: int | None = None
    """The routing bits of the ID that it was sent to, where that leads to the member."""

    @property
    def owners(self) -> tuple[int, ...]:
        """The giver and the receiver."""
        return sent(self.sent_to, routing_of(self.member_id), routing_of(self.to_member_id))


@dataclass(frozen=True, slots=True)
class AcceptGift:
    """Accept a gift that was offered to a member."""

    request: Request
    gift_id: UUID
    member_id: UUID
    caller: Caller
    validate_only: bool

    @property
    def owners(self) -> tuple[int, ...]:
        """The giver, whose the gift is, and the receiver."""
        return (routing_of(self.gift_id), routing_of(self.member_id))


@dataclass(frozen=True, slots=True)
class CancelGift:
    """End a gift that was offered: the receiver declines it, or the giver takes it back."""

    request: Request
    gift_id: UUID
    by_receiver: bool
    caller: Caller
    validate_only: bool

    @property
    def owners(self) -> tuple[int, ...]:
        """The giver, whose the gift is."""
        return (routing_of(self.gift_id),)
