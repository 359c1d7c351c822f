"""What identity can be told to do.

Ids, nonces and sealed texts are made before a command is queued, so that deciding it is pure.
"""

from dataclasses import dataclass, field, replace
from uuid import UUID

from services.chassis.idempotency import Request
from services.chassis.ids import routing_of, with_routing
from services.identity.groups.commands import GroupCommand
from services.identity.identifiers.commands import IdentifierCommand
from services.identity.keys.keyring import Keys
from services.identity.keys.values import Wrapped
from services.identity.matches.commands import MatchCommand
from services.identity.merges.commands import MergeMembers, UnmergeMember
from services.identity.privacy.commands import PrivacyCommand
from services.identity.rules import StatusChange
from services.identity.values import RouteKey


@dataclass(frozen=True, slots=True)
class Enrolment:
    """What a new member and its first account would be."""

    member_id: UUID
    account_id: UUID
    data_key: Wrapped
    external_id: bytes
    attributes: bytes
    verified: bool
    enrolled_by: int


@dataclass(frozen=True, slots=True)
class ResolveAccount:
    """Find an account or, with `enrolment`, enrol a member with it. One partition: the new member takes its bits."""

    request: Request | None
    route: RouteKey
    domain: str
    enrolment: Enrolment | None
    validate_only: bool

    @property
    def owners(self) -> tuple[int, ...]:
        """The account's name."""
        return (self.route.routing,)

    @property
    def routes(self) -> tuple[RouteKey, ...]:
        """The account's name."""
        return (self.route,)


@dataclass(frozen=True, slots=True)
class LinkAccount:
    """Link an account to a member. The external id is sealed when the member is known."""

    request: Request
    home: int
    """The routing bits of the ID that it was sent to, where the request is kept."""
    member_id: UUID
    account_id: UUID
    route: RouteKey
    domain: str
    external_id: str = field(repr=False)
    nonce: bytes = field(repr=False)
    keys: Keys = field(repr=False)
    verified: bool
    validate_only: bool

    @property
    def owners(self) -> tuple[int, ...]:
        """Whom it was sent to, the member, and the account's name."""
        return (self.home, routing_of(self.member_id), self.route.routing)

    @property
    def routes(self) -> tuple[RouteKey, ...]:
        """The account's name."""
        return (self.route,)

    def meaning(self, member_id: UUID) -> "LinkAccount":
        """The same for whom the ID leads to."""
        account_id = with_routing(self.account_id, routing_of(member_id))
        return replace(self, member_id=member_id, account_id=account_id)

    def sealed_external_id(self) -> bytes | None:
        """The external id under the member's key; None when that is not the one which was opened."""
        box = self.keys.get(self.member_id)
        return None if box is None else box.seal(self.external_id.encode(), self.account_id.bytes, self.nonce)


@dataclass(frozen=True, slots=True)
class UnlinkAccount:
    """Take an account from the member that holds it."""

    request: Request
    member_id: UUID
    account_id: UUID
    route: RouteKey
    validate_only: bool

    @property
    def owners(self) -> tuple[int, ...]:
        """The account, where the request is kept, the member, and the account's name."""
        return (routing_of(self.account_id), routing_of(self.member_id), self.route.routing)

    @property
    def routes(self) -> tuple[RouteKey, ...]:
        """The account's name."""
        return (self.route,)

    def meaning(self, member_id: UUID) -> "UnlinkAccount":
        """The same for who holds the account now."""
        return replace(self, member_id=member_id)


@dataclass(frozen=True, slots=True)
class ChangeStatus:
    """Suspend, reinstate or close a member.

    `routes` are those of the accounts that it held when the command was made, `homes` where else accounts of it are
    kept; `group_ids`, if it is to be closed, the groups that it was in.
    """

    request: Request
    home: int
    """The routing bits of the ID that it was sent to, where the request is kept."""
    member_id: UUID
    homes: frozenset[UUID]
    change: StatusChange
    cause: str
    routes: tuple[RouteKey, ...]
    validate_only: bool
    group_ids: tuple[UUID, ...] = ()

    @property
    def owners(self) -> tuple[int, ...]:
        """Whom it was sent to, the member, where its accounts are, their names, and its groups."""
        return (
            self.home,
            routing_of(self.member_id),
            *map(routing_of, self.homes),
            *(route.routing for route in self.routes),
            *map(routing_of, self.group_ids),
        )


@dataclass(frozen=True, slots=True)
class Homes:
    """Never decided: locks the partitions in which a member's accounts are kept, and lets them be read."""

    member_id: UUID
    homes: frozenset[UUID]
    routes: tuple[RouteKey, ...] = ()
    request: Request | None = None
    validate_only: bool = False

    @property
    def owners(self) -> tuple[int, ...]:
        """The member and the homes of its accounts."""
        return (routing_of(self.member_id), *map(routing_of, self.homes))


@dataclass(frozen=True, slots=True)
class Rewrap:
    """Keep a member's data key as another version of the master keys wraps it; it is our own work."""

    member_id: UUID
    before: Wrapped
    after: Wrapped
    request: Request | None = None
    validate_only: bool = False

    @property
    def owners(self) -> tuple[int, ...]:
        """The member."""
        return (routing_of(self.member_id),)


OfMember = LinkAccount | UnlinkAccount | ChangeStatus | Homes
"""Commands that concern a member who is there already."""
OfAccounts = ResolveAccount | OfMember | MergeMembers | UnmergeMember
"""Commands that concern accounts and their members."""
IdentityCommand = OfAccounts | Rewrap | GroupCommand | PrivacyCommand | IdentifierCommand | MatchCommand
