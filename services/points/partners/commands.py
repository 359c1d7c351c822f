"""What points can be told to do with conversions with partners."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from services.chassis.idempotency import Request
from services.chassis.ids import routing_of
from services.points.commands import sent
from services.points.partners.values import Answer


@dataclass(frozen=True, slots=True)
class StartPartnerConversion:
    """Begin a conversion with a partner; `received_at` tells the earliest period whose cap may be drawn on."""

    request: Request
    partner_conversion_id: UUID
    member_id: UUID
    account_id: UUID
    domain: str
    conversion: str
    amount: int
    partner_account_id: UUID
    reference: str
    received_at: datetime
    validate_only: bool

    sent_to: int | None = None
    """The routing bits of the ID that it was sent to, where that leads to the member."""

    @property
    def owners(self) -> tuple[int, ...]:
        """The member."""
        return sent(self.sent_to, routing_of(self.member_id))


@dataclass(frozen=True, slots=True)
class AnswerPartnerConversion:
    """Book what became of a conversion at the partner. One that is closed already stays as it is."""

    partner_conversion_id: UUID
    answer: Answer
    request: None = None
    validate_only: bool = False

    @property
    def owners(self) -> tuple[int, ...]:
        """The conversion's member."""
        return (routing_of(self.partner_conversion_id),)


@dataclass(frozen=True, slots=True)
class SettlePartnerConversion:
    """Book what somebody knows of a conversion whose partner does not answer."""

    request: Request
    partner_conversion_id: UUID
    answer: Answer
    settled_by: str
    validate_only: bool

    @property
    def owners(self) -> tuple[int, ...]:
        """The conversion's member."""
        return (routing_of(self.partner_conversion_id),)
