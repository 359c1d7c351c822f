"""What identity can be told to do with identifiers."""

from dataclasses import dataclass, field, replace
from typing import Self
from uuid import UUID

from services.chassis.idempotency import Request
from services.chassis.ids import routing_of, with_routing
from services.identity.identifiers.values import ValueIndex
from services.identity.keys.keyring import Keys


@dataclass(frozen=True, slots=True)
class AddIdentifier:
    """Add an identifier to a member. The value, in the form of its type, is sealed when the member is known."""

    request: Request
    home: int
    """The routing bits of the ID that it was sent to, where the request is kept."""
    member_id: UUID
    identifier_id: UUID
    type: str
    value: str = field(repr=False)
    indexes: tuple[ValueIndex, ...]
    nonce: bytes = field(repr=False)
    keys: Keys = field(repr=False)
    verified: bool
    validate_only: bool
    near: tuple[UUID, ...] = ()
    """Members who hold the same value, as far as is known: they are read together with those of others."""

    @property
    def owners(self) -> tuple[int, ...]:
        """Whom it was sent to, the members, and the value."""
        return (self.home, *map(routing_of, self.member_ids), *map(value_routing, self.blind_indexes))

    @property
    def blind_indexes(self) -> tuple[bytes, ...]:
        """The value, as each version of the keys hashes it."""
        return tuple(index.blind_index for index in self.indexes)

    @property
    def member_ids(self) -> tuple[UUID, ...]:
        """The member, and those who hold the same."""
        return (self.member_id, *self.near)

    def meaning(self, member_id: UUID) -> "AddIdentifier":
        """The same for whom the ID leads to."""
        identifier_id = with_routing(self.identifier_id, routing_of(member_id))
        return replace(self, member_id=member_id, identifier_id=identifier_id)

    def sealed(self, identifier_id: UUID, keeper_id: UUID) -> bytes | None:
        """The value under the key of who keeps it; None when that is not one of those which were opened."""
        box = self.keys.get(keeper_id)
        return None if box is None else box.seal(self.value.encode(), identifier_id.bytes, self.nonce)


@dataclass(frozen=True, slots=True)
class OfIdentifier:
    """What is done to an identifier that is there."""

    request: Request
    member_id: UUID
    """Who holds it, as far as is known."""
    added_to: UUID
    """The member that it was added to, and lives with."""
    identifier_id: UUID
    blind_indexes: tuple[bytes, ...]
    """The value, as each version of the keys hashes it, and as it is found now; none when it was removed."""
    validate_only: bool
    near: tuple[UUID, ...] = ()
    """Members who hold the same value, as far as is known: they are read together with those of others."""

    @property
    def owners(self) -> tuple[int, ...]:
        """The identifier, where the request is kept, who is concerned, and the value."""
        return (
            routing_of(self.identifier_id),
            *map(routing_of, self.member_ids),
            *map(value_routing, self.blind_indexes),
        )

    @property
    def member_ids(self) -> tuple[UUID, ...]:
        """Whom it was added to, who holds it, and those who hold the same."""
        return (self.added_to, self.member_id, *self.near)

    def meaning(self, member_id: UUID) -> Self:
        """The same for who holds it now."""
        return replace(self, member_id=member_id)


@dataclass(frozen=True, slots=True)
class VerifyIdentifier(OfIdentifier):
    """Note that it is verified."""


@dataclass(frozen=True, slots=True)
class RemoveIdentifier(OfIdentifier):
    """Take it from its member."""


@dataclass(frozen=True, slots=True)
class Reindex:
    """Find an identifier under a newer version of the keys from now on; it is our own work."""

    added_to: UUID
    identifier_id: UUID
    blind_index: bytes
    """The one that it is found by until now; empty when it has none."""
    index: ValueIndex
    """The one that it is to be found by. What was removed has no value to be hashed, and gets an empty one."""
    request: Request | None = None
    validate_only: bool = False

    @property
    def owners(self) -> tuple[int, ...]:
        """The identifier, and both places where its value is looked up."""
        indexes = (self.blind_index, self.index.blind_index)
        return (routing_of(self.identifier_id), *(value_routing(one) for one in indexes if one))

    @property
    def member_ids(self) -> tuple[UUID, ...]:
        """Whom it was added to."""
        return (self.added_to,)


@dataclass(frozen=True, slots=True)
class Around:
    """Never decided: locks partitions of members and values, and lets the members with their identifiers be read, and
    who holds the values."""

    member_ids: tuple[UUID, ...] = ()
    routings: frozenset[int] = frozenset()
    values: tuple[bytes, ...] = ()
    """As they are hashed."""
    request: Request | None = None
    validate_only: bool = False

    @property
    def owners(self) -> tuple[int, ...]:
        """All of them."""
        return (*map(routing_of, self.member_ids), *self.routings, *map(value_routing, self.values))


IdentifierCommand = AddIdentifier | OfIdentifier | Reindex | Around


def value_routing(blind_index: bytes) -> int:
    """The routing bits of a value: the first 16 of its blind index."""
    return blind_index[0] << 8 | blind_index[1]
