"""What identity can be told to do with groups.

The servicer reads what never changes (whose an invitation is) and what rarely does (who is in a group) before a command
is queued, since members' partitions are owners too; under the locks it is compared with what is there.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import UUID

from services.chassis.idempotency import Request
from services.chassis.ids import routing_of
from services.identity.keys.keyring import Keys
from services.identity.vault import Vault


@dataclass(frozen=True, slots=True)
class CreateGroup:
    """Found a group. It takes the bits of the ID of its founder, so founding is one partition."""

    request: Request
    group_id: UUID
    seat_id: UUID
    kind: str
    member_id: UUID
    label: str
    cost_centre: str
    vault: Vault = field(repr=False)
    keys: Keys = field(repr=False)
    validate_only: bool

    @property
    def owners(self) -> tuple[int, ...]:
        """The group, where the request is kept, and the founder."""
        return (routing_of(self.group_id), routing_of(self.member_id))

    @property
    def member_ids(self) -> tuple[UUID, ...]:
        """The founder."""
        return (self.member_id,)


@dataclass(frozen=True, slots=True)
class OfGroup:
    """What every command on a group that is there says of itself."""

    request: Request | None
    group_id: UUID
    validate_only: bool

    @property
    def owners(self) -> tuple[int, ...]:
        """The group, where the request is kept, and the members concerned."""
        return (routing_of(self.group_id), *map(routing_of, self.member_ids))

    @property
    def member_ids(self) -> tuple[UUID, ...]:
        """The members concerned."""
        return ()


@dataclass(frozen=True, slots=True)
class Acting(OfGroup):
    """What is done to a group in the name of one of its members, or by an operator's own hand (None)."""

    acting_id: UUID | None
    member_id: UUID
    """Whom it concerns."""

    @property
    def member_ids(self) -> tuple[UUID, ...]:
        """Who acts, and whom it concerns."""
        return (self.member_id,) if self.acting_id is None else (self.member_id, self.acting_id)


@dataclass(frozen=True, slots=True)
class InviteToGroup(Acting):
    """Ask a member to join."""

    invitation_id: UUID
    role: str
    label: str
    cost_centre: str


@dataclass(frozen=True, slots=True)
class CancelInvitation(Acting):
    """Take an invitation back. `member_id` is who was asked."""

    invitation_id: UUID


@dataclass(frozen=True, slots=True)
class RemoveFromGroup(Acting):
    """Take a member out of a group."""


@dataclass(frozen=True, slots=True)
class ChangeRole(Acting):
    """Give a member another role, or its seat another label and cost centre."""

    role: str
    label: str
    cost_centre: str


@dataclass(frozen=True, slots=True)
class TransferGroupOwnership(OfGroup):
    """Make another member the owner. `owner_id` owned the group when the command was made."""

    acting_id: UUID | None
    member_id: UUID
    owner_id: UUID

    @property
    def member_ids(self) -> tuple[UUID, ...]:
        """Who is to own it, who owns it, and who acts."""
        both = (self.member_id, self.owner_id)
        return both if self.acting_id is None else (*both, self.acting_id)


@dataclass(frozen=True, slots=True)
class OfInvited(OfGroup):
    """What somebody does who was asked to join."""

    invitation_id: UUID
    member_id: UUID

    @property
    def member_ids(self) -> tuple[UUID, ...]:
        """Who was asked."""
        return (self.member_id,)


@dataclass(frozen=True, slots=True)
class AcceptInvitation(OfInvited):
    """Join."""

    seat_id: UUID
    vault: Vault = field(repr=False)
    keys: Keys = field(repr=False)


@dataclass(frozen=True, slots=True)
class DeclineInvitation(OfInvited):
    """Do not join."""


@dataclass(frozen=True, slots=True)
class ExpireInvitation(OfInvited):
    """Book that an invitation's time is over, if it is."""


@dataclass(frozen=True, slots=True)
class LeaveGroup(OfGroup):
    """Leave."""

    member_id: UUID

    @property
    def member_ids(self) -> tuple[UUID, ...]:
        """Who leaves."""
        return (self.member_id,)


@dataclass(frozen=True, slots=True)
class DissolveGroup(OfGroup):
    """End a group. `concerned` were in it, or asked to join, when the command was made."""

    acting_id: UUID | None
    concerned: tuple[UUID, ...]

    @property
    def member_ids(self) -> tuple[UUID, ...]:
        """Who acts and who is set free."""
        return self.concerned if self.acting_id is None else (*self.concerned, self.acting_id)


GroupCommand = CreateGroup | OfGroup


def meaning(command: GroupCommand, member_ids: Mapping[UUID, UUID]) -> GroupCommand:
    """The same command for whom the IDs of members lead to."""
    named = {name: member_ids.get(getattr(command, name, None)) for name in ("member_id", "acting_id")}  # type: ignore[arg-type]  # None leads nowhere
    changed: Any = {name: member_id for name, member_id in named.items() if member_id is not None}
    return replace(command, **changed)
