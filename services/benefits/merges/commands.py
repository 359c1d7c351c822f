"""What a batch loads of the other members of a person, and what a command means that was sent to an old ID."""

from dataclasses import dataclass, replace
from uuid import UUID

from services.benefits.commands import IssueEntitlement, Redeem
from services.benefits.naming import entitlement_id
from services.benefits.values import LIST
from services.chassis.ids import routing_of, with_routing


@dataclass(frozen=True, slots=True)
class LoadMembers:
    """Lock the partitions of some members, and load all that they have and used."""

    member_ids: tuple[UUID, ...]
    request: None = None
    validate_only: bool = False

    @property
    def owners(self) -> tuple[int, ...]:
        """The members."""
        return tuple(map(routing_of, self.member_ids))


@dataclass(frozen=True, slots=True)
class LoadEntitlement:
    """Lock the partition of an entitlement, and load it."""

    entitlement_id: UUID
    request: None = None
    validate_only: bool = False

    @property
    def owners(self) -> tuple[int, ...]:
        """Its member."""
        return (routing_of(self.entitlement_id),)


def meaning(command: Redeem | IssueEntitlement, member_id: UUID) -> Redeem | IssueEntitlement:
    """The same command for whom the ID leads to that it was sent to, where the request is known."""
    if isinstance(command, Redeem):
        redemption_id = with_routing(command.redemption_id, routing_of(member_id))
        return replace(command, member_id=member_id, redemption_id=redemption_id, sent_to=command.owners[0])
    named = entitlement_id(member_id, command.benefit, LIST, command.reference)
    return replace(command, member_id=member_id, entitlement_id=named, sent_to=command.owners[0])
