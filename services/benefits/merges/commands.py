"""What commands mean that were sent to an old ID, and what is loaded along with others."""

from dataclasses import dataclass, replace
from uuid import UUID

from services.benefits.commands import IssueEntitlement, Redeem
from services.benefits.naming import entitlement_id, redemption_id
from services.benefits.values import LIST
from services.chassis.ids import routing_of


def meaning(command: Redeem | IssueEntitlement, member_id: UUID) -> Redeem | IssueEntitlement:
    """The same command for whom the ID leads to that it was sent to, which knows the request."""
    sent_to = command.owners[0]
    if isinstance(command, Redeem):
        made_id = redemption_id(command.request.key, member_id)
        return replace(command, member_id=member_id, redemption_id=made_id, sent_to=sent_to)
    made_id = entitlement_id(member_id, command.benefit, LIST, command.reference)
    return replace(command, member_id=member_id, entitlement_id=made_id, sent_to=sent_to)


@dataclass(frozen=True, slots=True)
class LoadReturn:
    """Lock and load where a use is to be given back: with a member to whom it may have gone."""

    member_id: UUID
    benefit: str
    account_id: UUID | None
    entitlement_id: UUID | None
    request: None = None
    validate_only: bool = False

    @property
    def owners(self) -> tuple[int, ...]:
        """The member."""
        return (routing_of(self.member_id),)


@dataclass(frozen=True, slots=True)
class LoadPersons:
    """Lock and load all that members have and used."""

    member_ids: tuple[UUID, ...]
    request: None = None
    validate_only: bool = False

    @property
    def owners(self) -> tuple[int, ...]:
        """The members."""
        return tuple(map(routing_of, self.member_ids))
