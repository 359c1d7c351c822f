"""What tiers knows of merges, as plain values."""

from typing import NamedTuple
from uuid import UUID


class Link(NamedTuple):
    """Whom an ID leads to, and which IDs lead to it. Members that were never merged have none."""

    member_id: UUID
    leads_to: UUID | None = None
    """None while it stands on its own."""
    merged: tuple[UUID, ...] = ()
    """The members whose IDs lead to it."""
