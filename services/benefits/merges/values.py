"""What benefits hears of merges, as plain values."""

from typing import NamedTuple
from uuid import UUID


class MovedAccount(NamedTuple):
    """An account that goes from one member to another."""

    account_id: UUID
    domain: str


class MergeHeard(NamedTuple):
    """A member was merged into another, with those that had been merged into it before."""

    merge_id: UUID | None
    survivor_id: UUID
    merged_id: UUID
    absorbed_ids: tuple[UUID, ...]
    accounts: tuple[MovedAccount, ...]

    @property
    def member_ids(self) -> tuple[UUID, ...]:
        """All members concerned."""
        return (self.survivor_id, self.merged_id, *self.absorbed_ids)


class UnmergeHeard(NamedTuple):
    """A member takes back what came through some accounts; with `whole` also what came to it through none."""

    merge_id: UUID | None
    holder_id: UUID
    member_id: UUID
    absorbed_ids: tuple[UUID, ...]
    accounts: tuple[MovedAccount, ...]
    whole: bool

    @property
    def member_ids(self) -> tuple[UUID, ...]:
        """All members concerned."""
        return (self.holder_id, self.member_id, *self.absorbed_ids)


class ErasureHeard(NamedTuple):
    """A member is nobody any more."""

    member_id: UUID

    @property
    def member_ids(self) -> tuple[UUID, ...]:
        """The member."""
        return (self.member_id,)


class QuotaMoved(NamedTuple):
    """Uses of a quota that went from one member to another, and how many the other has by now."""

    benefit: str
    moved: int
    used: int


class Outcome(NamedTuple):
    """What a merge, an unmerge or an erasure comes to."""

    moved: dict[str, int]
    """Entitlements that went from one member to the other, by benefit."""
    revoked: tuple[UUID, ...]
    restored: tuple[UUID, ...]
    quotas: tuple[QuotaMoved, ...]
