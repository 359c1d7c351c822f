"""What identity can be told to do about consents and erasures."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from uuid import UUID

from services.chassis.idempotency import Request
from services.chassis.ids import routing_of
from services.identity.values import RouteKey
from services.identity.vault import Vault


@dataclass(frozen=True, slots=True)
class SetConsent:
    """Record what a person has decided."""

    request: Request
    home: int
    """The routing of the ID as it was sent, where the request is kept."""
    member_id: UUID
    domain: str
    purpose: str
    granted: bool
    evidence: str
    through_domain: str
    caller: str
    validate_only: bool

    @property
    def owners(self) -> tuple[int, ...]:
        """Where the request is kept, and the member."""
        return (self.home, routing_of(self.member_id))

    def meaning(self, member_id: UUID) -> "SetConsent":
        """The same for whom the ID leads to."""
        return replace(self, member_id=member_id)


@dataclass(frozen=True, slots=True)
class EraseMember:
    """Erase a member and those that were merged into it.

    The rest is what they had when the command was made: the names of all their accounts, also of those that were
    unlinked, and the groups in which they are or were, or that asked them.
    """

    request: Request
    sent_id: UUID
    """The ID as it was sent, in whose partition the request is kept."""
    member_id: UUID
    absorbed_ids: tuple[UUID, ...]
    homes: frozenset[UUID]
    """Other members in whose partitions accounts are kept."""
    account_ids: tuple[UUID, ...]
    """Accounts that were linked to them and moved by a merge, whoever holds them now."""
    routes: tuple[RouteKey, ...]
    group_ids: tuple[UUID, ...]
    vault: Vault = field(repr=False)
    validate_only: bool

    @property
    def member_ids(self) -> tuple[UUID, ...]:
        """Who is erased."""
        return (self.member_id, *self.absorbed_ids)

    @property
    def owners(self) -> tuple[int, ...]:
        """Whom it was sent to, the members, where their accounts are kept, the names of those, and the groups."""
        return (
            *map(routing_of, (self.sent_id, *self.member_ids, *self.homes)),
            *(route.routing for route in self.routes),
            *map(routing_of, self.group_ids),
        )


@dataclass(frozen=True, slots=True)
class ForgetPersons:
    """Drop what is remembered of erased members and is over, if it is, in one partition."""

    partition: int
    person_keys: Sequence[bytes]

    @property
    def owners(self) -> tuple[int, ...]:
        """The partition itself."""
        return (self.partition,)

    @property
    def request(self) -> None:
        """Twice is once."""
        return None

    @property
    def validate_only(self) -> bool:
        """Never a dry run."""
        return False


PrivacyCommand = SetConsent | EraseMember | ForgetPersons
