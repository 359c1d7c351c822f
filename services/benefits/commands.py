"""What benefits can be told to do."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from services.chassis.access import Caller
from services.chassis.idempotency import Request
from services.chassis.ids import routing_of


@dataclass(frozen=True, slots=True)
class IssueEntitlement:
    """Issue a benefit to a member who is named; `entitlement_id` follows from member, benefit and reference."""

    request: Request
    entitlement_id: UUID
    member_id: UUID
    benefit: str
    reference: str
    validate_only: bool
    sent_to: int | None = None
    """The routing of the ID that it was sent to, where that leads to the member."""

    @property
    def owners(self) -> tuple[int, ...]:
        """The member; before it the ID that it was sent to, which knows the request."""
        own = routing_of(self.member_id)
        return (own,) if self.sent_to is None else (self.sent_to, own)


@dataclass(frozen=True, slots=True)
class Redeem:
    """Use a benefit; `redemption_id` follows from the request. No `entitlement_id` means the one that ends first."""

    request: Request
    redemption_id: UUID
    member_id: UUID
    benefit: str
    domain: str
    account_id: UUID | None
    entitlement_id: UUID | None
    reference: str
    validate_only: bool
    sent_to: int | None = None
    """The routing of the ID that it was sent to, where that leads to the member."""

    @property
    def owners(self) -> tuple[int, ...]:
        """The member; before it the ID that it was sent to, which knows the request."""
        own = routing_of(self.member_id)
        return (own,) if self.sent_to is None else (self.sent_to, own)


@dataclass(frozen=True, slots=True)
class ReverseRedemption:
    """Take a redemption back; the caller must be allowed to act where it was made."""

    request: Request
    redemption_id: UUID
    caller: Caller
    validate_only: bool

    @property
    def owners(self) -> tuple[int, ...]:
        """The redemption's member."""
        return (routing_of(self.redemption_id),)


@dataclass(frozen=True, slots=True)
class IssueMonthly:
    """Issue what is issued at the start of a month to some members of one partition."""

    partition: int
    month_start: datetime
    member_ids: Sequence[UUID]
    request: None = None
    validate_only: bool = False

    @property
    def owners(self) -> tuple[int, ...]:
        """The partition: its number routes to itself."""
        return (self.partition,)


@dataclass(frozen=True, slots=True)
class ExpireEntitlements:
    """Book that the time of some entitlements of one partition is over."""

    partition: int
    entitlement_ids: Sequence[UUID]
    request: None = None
    validate_only: bool = False

    @property
    def owners(self) -> tuple[int, ...]:
        """The partition: its number routes to itself."""
        return (self.partition,)


Command = IssueEntitlement | Redeem | ReverseRedemption | IssueMonthly | ExpireEntitlements
