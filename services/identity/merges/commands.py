"""What identity can be told about merges.

Who and what is concerned is read before a command is queued, since all their partitions are owners (`making.py`); under
the locks it is compared with what is there, and what changed in between means to begin anew.
"""

from dataclasses import dataclass
from uuid import UUID

from services.chassis.idempotency import Request
from services.chassis.ids import routing_of
from services.identity.values import RouteKey


@dataclass(frozen=True, slots=True)
class Concerned:
    """Whom and what a merge or an unmerge moves, as it was when the command was made."""

    homes: frozenset[UUID] = frozenset()
    """Other members in whose partitions the accounts are kept."""
    absorbed: frozenset[UUID] = frozenset()
    """Members whose IDs lead to the one that moves, or did at the time of the merge."""
    routes: tuple[RouteKey, ...] = ()
    """The names of the accounts."""
    group_ids: frozenset[UUID] = frozenset()

    @property
    def owners(self) -> tuple[int, ...]:
        """All of them."""
        return (
            *map(routing_of, self.homes | self.absorbed | self.group_ids),
            *(route.routing for route in self.routes),
        )


@dataclass(frozen=True, slots=True)
class MergeMembers:
    """Merge a member into another."""

    request: Request
    sent_id: UUID
    """The survivor's ID as it was sent, in whose partition the request is kept."""
    merge_id: UUID
    survivor_id: UUID
    merged_id: UUID
    concerned: Concerned
    cause: str
    caller: str
    validate_only: bool

    @property
    def owners(self) -> tuple[int, ...]:
        """Whom it was sent to, both members, and whoever and whatever moves with the merged one."""
        return (*map(routing_of, (self.sent_id, self.survivor_id, self.merged_id)), *self.concerned.owners)

    @property
    def routes(self) -> tuple[RouteKey, ...]:
        """The names of the accounts that move."""
        return self.concerned.routes

    @property
    def member_ids(self) -> tuple[UUID, ...]:
        """Everybody concerned."""
        return (self.sent_id, self.survivor_id, self.merged_id, *self.concerned.absorbed)


@dataclass(frozen=True, slots=True)
class UnmergeMember:
    """Give back what came along by a merge: some accounts, or (none named) all that is left of it."""

    request: Request
    unmerge_id: UUID
    merge_id: UUID
    survivor_id: UUID
    """Of the merge; who holds what came along may be somebody else by now."""
    holder_id: UUID
    member_id: UUID
    account_ids: frozenset[UUID]
    left: frozenset[UUID]
    """The accounts that had not been given back when the command was made."""
    concerned: Concerned
    cause: str
    caller: str
    validate_only: bool

    @property
    def owners(self) -> tuple[int, ...]:
        """The merge, where the request is kept, both members, and whoever and whatever moves."""
        return (
            routing_of(self.merge_id),
            routing_of(self.holder_id),
            routing_of(self.member_id),
            *self.concerned.owners,
        )

    @property
    def routes(self) -> tuple[RouteKey, ...]:
        """The names of the accounts that may move."""
        return self.concerned.routes

    @property
    def member_ids(self) -> tuple[UUID, ...]:
        """Everybody concerned."""
        return (self.survivor_id, self.holder_id, self.member_id, *self.concerned.absorbed)


MergeCommand = MergeMembers | UnmergeMember
