"""What is asked of records before members are merged, unmerged or erased. Nothing is recorded."""

from dataclasses import dataclass
from uuid import UUID

from services.chassis.ids import routing_of


@dataclass(frozen=True, slots=True)
class PreviewMerge:
    """Tell what a merge would do."""

    survivor_id: UUID
    merged_id: UUID
    request: None = None
    validate_only: bool = True

    @property
    def member_ids(self) -> tuple[UUID, ...]:
        """Both members."""
        return (self.survivor_id, self.merged_id)

    @property
    def owners(self) -> tuple[int, ...]:
        """Both members."""
        return tuple(map(routing_of, self.member_ids))


@dataclass(frozen=True, slots=True)
class PreviewUnmerge:
    """Tell what an unmerge would do: what goes back to a member from the one that holds it now."""

    merge_id: UUID
    holder_id: UUID
    member_id: UUID
    absorbed_ids: tuple[UUID, ...]
    """Members that had been merged into it before."""
    account_ids: tuple[UUID, ...]
    """The accounts that would go back."""
    whole: bool
    """Whether all would go back that it brought."""
    request: None = None
    validate_only: bool = True

    @property
    def member_ids(self) -> tuple[UUID, ...]:
        """All members concerned."""
        return (self.holder_id, self.member_id, *self.absorbed_ids)

    @property
    def owners(self) -> tuple[int, ...]:
        """All members concerned."""
        return tuple(map(routing_of, self.member_ids))


@dataclass(frozen=True, slots=True)
class PreviewErasure:
    """Tell what an erasure would do."""

    member_id: UUID
    request: None = None
    validate_only: bool = True

    @property
    def member_ids(self) -> tuple[UUID, ...]:
        """The member."""
        return (self.member_id,)

    @property
    def owners(self) -> tuple[int, ...]:
        """The member."""
        return (routing_of(self.member_id),)


Preview = PreviewMerge | PreviewUnmerge | PreviewErasure
