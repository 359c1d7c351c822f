"""What benefits knows of merges, as plain values."""

from typing import NamedTuple
from uuid import UUID


class Link(NamedTuple):
    """Whom an ID leads to, and which IDs lead to it. Members that were never merged have none."""

    member_id: UUID
    leads_to: UUID | None = None
    """None while it stands on its own."""
    merged: tuple[UUID, ...] = ()
    """The members whose IDs lead to it: what they have is the same person's."""
    gone: tuple[tuple[UUID, UUID], ...] = ()
    """Accounts that left with a member, each with that one: what was used through them counts there."""
