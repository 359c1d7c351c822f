"""What tiers knows of merges, as plain values."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from services.chassis import ids


class Link(NamedTuple):
    """What is special of an ID since a merge, an unmerge or an erasure; its fields are the columns of its row."""

    member_id: UUID
    leads_to: UUID | None
    """None while it stands on its own."""
    merged: bytes
    """The IDs that lead to it, joined."""
    since: datetime
    """When scores last moved: what is learnt later about the time before acts from then on."""
    is_erased: bool
    elsewhere: bytes
    """The accounts through which something once came to it and that are another's now, each with whose, joined."""

    def holder_of(self, account_id: UUID | None) -> UUID | None:
        """Who has what comes to this ID through an account, when that is somebody else."""
        if account_id is not None and self.elsewhere:
            return self.accounts_elsewhere().get(account_id, self.leads_to)
        return self.leads_to

    def accounts_elsewhere(self) -> dict[UUID, UUID]:
        """The accounts that are another's now, and whose."""
        found = ids.split(self.elsewhere)
        return dict(zip(found[::2], found[1::2], strict=True))

    def with_accounts_elsewhere(self, elsewhere: Mapping[UUID, UUID]) -> "Link":
        """The same with other such accounts."""
        return self._replace(elsewhere=ids.joined(each for pair in sorted(elsewhere.items()) for each in pair))

    def merged_ids(self) -> list[UUID]:
        """The IDs that lead to it."""
        return ids.split(self.merged)

    def with_merged(self, merged: Iterable[UUID]) -> "Link":
        """The same with other IDs that lead to it."""
        return self._replace(merged=ids.joined(sorted(merged)))


class MergeHeard(NamedTuple):
    """A member was merged into another, with those that had been merged into it before."""

    survivor_id: UUID
    merged_id: UUID
    absorbed_ids: tuple[UUID, ...]
    account_ids: tuple[UUID, ...]
    at: datetime


class UnmergeHeard(NamedTuple):
    """A member takes back what came through some accounts; with `whole` also what came to it through none."""

    holder_id: UUID
    member_id: UUID
    absorbed_ids: tuple[UUID, ...]
    account_ids: tuple[UUID, ...]
    whole: bool
    at: datetime


class ErasureHeard(NamedTuple):
    """A member is nobody any more."""

    member_id: UUID
    at: datetime


class ScoreMoved(NamedTuple):
    """What went from one member to another of a unit, over so many days."""

    unit: str
    from_id: UUID
    to_id: UUID
    amount: int
    days: int


class Placed(NamedTuple):
    """Where a member stands on a ladder after a merge or an unmerge, and where it stood before."""

    member_id: UUID
    ladder: str
    previous_level: str
    level: str
    score: int
    valid_until: datetime | None


class Outcome(NamedTuple):
    """What a merge or an unmerge comes to."""

    moved: tuple[ScoreMoved, ...]
    placed: tuple[Placed, ...]
