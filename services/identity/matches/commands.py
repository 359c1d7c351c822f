"""What identity can be told about matches."""

from dataclasses import dataclass
from uuid import UUID

from services.chassis.idempotency import Request
from services.chassis.ids import routing_of
from services.identity.identifiers.commands import value_routing
from services.identity.matches.values import MatchStatus
from services.identity.merges.commands import MergeMembers


@dataclass(frozen=True, slots=True)
class EvaluatePair:
    """Judge two members anew; it is our own work. What they share and who was merged into them is told as far as it is
    known, so that it is read together with that of others."""

    member_id: UUID
    other_id: UUID
    homes: tuple[UUID, ...] = ()
    values: tuple[bytes, ...] = ()
    """As they are hashed."""
    request: Request | None = None
    validate_only: bool = False

    @property
    def owners(self) -> tuple[int, ...]:
        """The members, and where values are looked up."""
        return (*map(routing_of, self.member_ids), *map(value_routing, self.values))

    @property
    def member_ids(self) -> tuple[UUID, ...]:
        """The two, and those who were merged into them."""
        return (self.member_id, self.other_id, *self.homes)


@dataclass(frozen=True, slots=True)
class SettleMatch:
    """Note that two members are not one person, or are of one household."""

    request: Request
    match_id: UUID
    member_id: UUID
    other_id: UUID
    status: MatchStatus
    cause: str
    caller: str
    validate_only: bool

    @property
    def owners(self) -> tuple[int, ...]:
        """Both members; the match routes like the first one, where the request is kept."""
        return tuple(map(routing_of, self.member_ids))

    @property
    def member_ids(self) -> tuple[UUID, ...]:
        """Both members, as they met."""
        return (self.member_id, self.other_id)


@dataclass(frozen=True, slots=True)
class MergeMatch(MergeMembers):
    """Merge the two members of a match, because somebody has decided it."""

    match_id: UUID


@dataclass(frozen=True, slots=True)
class CarryOutMatch(MergeMembers):
    """Merge the two members of a match, because a policy says so; if it still does, and nothing is in the way."""

    match_id: UUID
    blocker: str
    """What stands in the way in another service; empty when nothing does."""


MatchCommand = EvaluatePair | SettleMatch | MergeMatch | CarryOutMatch
