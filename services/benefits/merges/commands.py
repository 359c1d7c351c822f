"""What commands mean that were sent to an old ID, what is loaded along with others, and previews."""

from dataclasses import dataclass, replace
from uuid import UUID

from services.benefits.commands import IssueEntitlement, Redeem
from services.benefits.merges.values import UnmergeHeard
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


@dataclass(frozen=True, slots=True)
class PreviewMerge:
    """Tell what a merge would do. Nothing is recorded."""

    survivor_id: UUID
    merged_id: UUID
    request: None = None
    validate_only: bool = True

    @property
    def member_ids(self) -> tuple[UUID, ...]:
        """Both members."""
        return (self.survivor_id, self.merged_id)

    @property
    def owners(self) -> tuple[int, ...]:
        """Both members."""
        return tuple(map(routing_of, self.member_ids))


@dataclass(frozen=True, slots=True)
class PreviewUnmerge:
    """Tell what an unmerge would do. Nothing is recorded."""

    heard: UnmergeHeard
    request: None = None
    validate_only: bool = True

    @property
    def member_ids(self) -> tuple[UUID, ...]:
        """All members concerned."""
        return self.heard.member_ids

    @property
    def owners(self) -> tuple[int, ...]:
        """All members concerned."""
        return tuple(map(routing_of, self.member_ids))


@dataclass(frozen=True, slots=True)
class PreviewErasure:
    """Tell what an erasure would do. Nothing is recorded."""

    member_id: UUID
    request: None = None
    validate_only: bool = True

    @property
    def member_ids(self) -> tuple[UUID, ...]:
        """The member."""
        return (self.member_id,)

    @property
    def owners(self) -> tuple[int, ...]:
        """The member."""
        return tuple(map(routing_of, self.member_ids))


Preview = PreviewMerge | PreviewUnmerge | PreviewErasure
