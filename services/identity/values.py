"""What identity knows, as plain values."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import IntEnum
from uuid import UUID
from zoneinfo import ZoneInfo

from services.identity.groups.values import GroupKind
from services.identity.identifiers.values import IdentifierType
from services.identity.keys.values import Wrapped
from services.identity.matches.values import MatchPolicy
from services.identity.privacy.values import Purpose, Remembrance

MEMBER = "member"
"""The prefix of members' IDs."""
ACCOUNT = "account"
"""The prefix of accounts' IDs."""


class Status(IntEnum):
    """Whether a member may be served; the numbers are those of `MemberStatus`."""

    ACTIVE = 1
    SUSPENDED = 2
    CLOSED = 3
    MERGED = 4
    ERASED = 5


@dataclass(frozen=True, slots=True)
class Domain:
    """A business whose accounts are known here."""

    code: str
    accounts_per_member: int | None
    """How many accounts a member may have in it; None means any number."""
    programme: str = ""


@dataclass(frozen=True, slots=True)
class Config:
    """The documents in force, compiled."""

    domains: Mapping[str, Domain]
    group_kinds: Mapping[str, GroupKind] = field(default_factory=dict)
    purposes: Mapping[str, Purpose] = field(default_factory=dict)
    remembrances: Mapping[str, Remembrance] = field(default_factory=dict)
    """By programme."""
    zones: frozenset[ZoneInfo] = frozenset()
    """Those of all programmes."""
    identifier_types: Mapping[str, IdentifierType] = field(default_factory=dict)
    match_policies: Mapping[str, MatchPolicy] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RouteKey:
    """Where an account's name is looked up: the hash of (domain, external id) decides the place."""

    partition: int
    routing: int
    """The first 16 bits of the blind index; a member enrolled with the account takes them for its own."""
    blind_index: bytes


def route_key(blind_index: bytes, partitions: int) -> RouteKey:
    """The place of a blind index among `partitions` (a power of two)."""
    routing = blind_index[0] << 8 | blind_index[1]
    return RouteKey(routing & (partitions - 1), routing, blind_index)


@dataclass(frozen=True, slots=True)
class Route:
    """Where an account's name leads: to an account and its member, or to none since it was unlinked."""

    partition: int
    blind_index: bytes
    account_id: UUID | None
    member_id: UUID | None
    status: Status
    """The member's status, kept here too so that resolving reads one row."""
    enrolled_by: int
    """A checksum of the request id that enrolled it, which tells a retry of the enrolment; 0 when it was linked."""

    @property
    def is_linked(self) -> bool:
        """Whether it leads anywhere."""
        return self.member_id is not None


@dataclass(frozen=True, slots=True)
class Member:
    """A person, across domains."""

    partition: int
    member_id: UUID
    status: Status
    enrolled_at: datetime
    data_key: Wrapped
    """The key of the member's personal data, wrapped by a master key; destroyed once the member is erased."""
    attributes: bytes
    """Attributes, sealed; empty when there are none."""
    survivor_id: UUID | None = None
    """Whom the ID leads to; None while it leads to itself."""
    merge_id: UUID | None = None
    """The merge by which it leads elsewhere."""
    homes: frozenset[UUID] = frozenset()
    """Other members in whose partitions accounts are kept that this one may hold: it was merged with them once."""


@dataclass(frozen=True, slots=True)
class Account:
    """A member's account in a domain; it lives with the member that it was linked to."""

    partition: int
    account_id: UUID
    member_id: UUID
    domain: str
    blind_index: bytes
    """Empty once the member is erased."""
    external_id: bytes
    """How the domain calls it, sealed; empty once the member is erased."""
    verified: bool
    linked_at: datetime
    unlinked_at: datetime | None
    holder_id: UUID
    """Whose it is now: another member after a merge."""
