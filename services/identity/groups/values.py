"""What identity knows of groups, as plain values."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum
from typing import Literal, NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfo

GROUP = "group"
"""The prefix of groups' IDs."""
SEAT = "seat"
"""The prefix of seats' IDs."""
INVITATION = "invitation"
"""The prefix of invitations' IDs."""

OWNER = "owner"
"""The role that every kind has: one seat, and every right."""

Right = Literal["invite", "remove", "change-role", "transfer", "dissolve"]
"""What a role may do to its group, as documents spell it."""


@dataclass(frozen=True, slots=True)
class Role:
    """What a seat of a group is for."""

    code: str
    minimum: int
    """Once so many have it, none of them can leave."""
    seats: int
    """So many may have it."""
    may: frozenset[Right]


@dataclass(frozen=True, slots=True)
class GroupKind:
    """What groups of a kind are like."""

    code: str
    zone: ZoneInfo
    """Its days are civil days of this zone."""
    roles: Mapping[str, Role]
    """By code, the owner's among them."""
    groups_per_member: int | None
    """In how many groups of the kind a member may be; None means any number."""
    invitation_days: int
    cool_down_days: int
    same_attribute: str
    """The attribute in which members of a group agree; empty when they need not."""
    same_identifier: str
    """The type of which they hold the same identifier; empty when they need not."""
    shares: tuple[str, ...]
    sub_accounts: bool
    """Whether seats have labels and cost centres."""


class GroupStatus(IntEnum):
    """Whether there is anybody in a group; the numbers are those of the contract."""

    ACTIVE = 1
    DISSOLVED = 2


class InvitationStatus(IntEnum):
    """How far an invitation is; the numbers are those of the contract."""

    OPEN = 1
    ACCEPTED = 2
    DECLINED = 3
    CANCELLED = 4
    EXPIRED = 5


class Group(NamedTuple):
    """Members who share something; a row of its table, in its own partition."""

    group_id: UUID
    kind: str
    owner_id: UUID
    """The member that owns it."""
    status: GroupStatus
    shares: str
    """What its members share, by the words of its kind when it was founded, separated by spaces."""
    same_attribute: str
    """The attribute in which its members agree, by the words of its kind when it was founded."""
    same_identifier: str
    """The type of which they hold the same identifier, likewise."""
    common_index: bytes
    """The keyed hash of what they have in common; empty when that is nothing."""
    created_at: datetime
    dissolved_at: datetime | None


class Seat(NamedTuple):
    """A member's place in a group, from when it joined until it left. The group and the member each have the row."""

    seat_id: UUID
    group_id: UUID
    member_id: UUID
    kind: str
    role: str
    label: str
    cost_centre: str
    joined_at: datetime
    role_since: datetime
    left_at: datetime | None


class Invitation(NamedTuple):
    """A member was asked to join a group. The group and the member each have the row."""

    invitation_id: UUID
    group_id: UUID
    member_id: UUID
    kind: str
    role: str
    label: str
    cost_centre: str
    invited_by: UUID | None
    """In the name of which member; None when an operator did it."""
    status: InvitationStatus
    created_at: datetime
    expires_at: datetime
    closed_at: datetime | None


class Left(NamedTuple):
    """When a member last left a group."""

    member_id: UUID
    kind: str
    group_id: UUID
    left_at: datetime
