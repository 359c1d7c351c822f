"""What points knows of merges, as plain values."""

from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from services.points.values import CapKey


class Merge(NamedTuple):
    """That members were merged: a row of its table, in the table's order, but for the list of IDs."""

    merge_id: UUID
    survivor_id: UUID
    merged_ids: tuple[UUID, ...]
    is_checked: bool
    """Whether orders that both had reported before were looked for."""


class ScorePart(NamedTuple):
    """What a member scored in a unit through an account within a quarter of an hour, from `at` on."""

    unit: str
    account_id: UUID | None
    at: datetime
    amount: int


class Drawn(NamedTuple):
    """What was drawn through an account on a cap of a member."""

    account_id: UUID
    key: CapKey
    amount: int


class Link(NamedTuple):
    """Whom an ID leads to, and which IDs lead to it. Members that were never merged have none."""

    member_id: UUID
    leads_to: UUID | None = None
    """None while it stands on its own."""
    merged: tuple[UUID, ...] = ()
    """The members whose IDs lead to it: their wallets are the same person's."""
    gone: tuple[tuple[UUID, UUID], ...] = ()
    """Accounts that left with a member, each with that one: what comes back of their points goes there."""

    def merged_ids(self) -> tuple[UUID, ...]:
        """The members whose IDs lead to it."""
        return self.merged
