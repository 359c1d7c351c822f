"""What identity knows of identifiers, as plain values."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import IntEnum
from typing import Literal, NamedTuple
from uuid import UUID

IDENTIFIER = "identifier"
"""The prefix of identifiers' IDs, which route like those of their members."""

Form = Literal["phone", "email", "device", "address", "payment", "real-name"]
"""The forms of values, as documents spell them."""

MASK = "…"
NOWHERE = b""
"""The blind index of what was removed and cannot be hashed any more, since its value is destroyed."""


class Strength(IntEnum):
    """How much an identifier says about who somebody is; the numbers are those of `IdentifierStrength`."""

    HINT = 1
    EVIDENCE = 2
    PROOF = 3


@dataclass(frozen=True, slots=True)
class IdentifierType:
    """What identifiers of a type are like."""

    code: str
    form: Form
    strength: Strength
    limit: int | None
    """How many of a member count for more than a hint, ever; None means any number."""
    window_limit: int | None
    """The same, of those first seen within `window`."""
    window: timedelta
    validity: timedelta | None
    """How long a verification holds; None means for ever."""
    region: str
    """The country of phones and documents that name none; empty when they have to."""
    finds: bool
    """Whether members are found by it."""
    blocked: frozenset[str]
    """Values, in the one form of the type, that say nothing about a person."""


class ValueIndex(NamedTuple):
    """A value hashed under one version of the keys."""

    version: int
    blind_index: bytes


class Identifier(NamedTuple):
    """What a member is known by, as its row is. One value is one row of a member, whatever was done to it since."""

    partition: int
    identifier_id: UUID
    member_id: UUID
    """Whom it was added to, whose key seals it; after a merge it is whom that ID leads to who holds it."""
    type: str
    key_version: int
    blind_index: bytes
    value: bytes
    """The value, sealed; empty since it was removed."""
    is_demoted: bool
    verified_at: datetime | None
    first_seen_at: datetime
    last_seen_at: datetime
    removed_at: datetime | None

    @property
    def is_held(self) -> bool:
        """Whether the member holds it still."""
        return self.removed_at is None


class Holder(NamedTuple):
    """Who holds a value: what is looked up of an identifier, in the partition of its blind index."""

    partition: int
    blind_index: bytes
    identifier_id: UUID
    member_id: UUID
    type: str
    is_demoted: bool
    verified_at: datetime | None
    removed_at: datetime | None

    @property
    def is_held(self) -> bool:
        """Whether the member holds it still."""
        return self.removed_at is None
