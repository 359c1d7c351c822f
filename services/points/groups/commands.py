"""What a batch locks and loads to decide what its own partitions cannot decide alone. Nothing is decided on them."""

from dataclasses import dataclass
from uuid import UUID

from services.chassis.ids import routing_of
from services.points.values import CapKey


@dataclass(frozen=True, slots=True)
class LoadWallets:
    """Lock the partitions of some members, and load their wallets."""

    member_ids: tuple[UUID, ...]
    request: None = None
    validate_only: bool = False

    @property
    def owners(self) -> tuple[int, ...]:
        """The members."""
        return tuple(map(routing_of, self.member_ids))


@dataclass(frozen=True, slots=True)
class LoadSpends:
    """Lock the partitions of some spends, and load them with the wallets that they came from."""

    spend_ids: tuple[UUID, ...]
    request: None = None
    validate_only: bool = False

    @property
    def owners(self) -> tuple[int, ...]:
        """The spends' members."""
        return tuple(map(routing_of, self.spend_ids))


@dataclass(frozen=True, slots=True)
class LoadGroupCaps:
    """Lock the partitions of some groups, and load what they have used of caps."""

    keys: tuple[CapKey, ...]
    request: None = None
    validate_only: bool = False

    @property
    def owners(self) -> tuple[int, ...]:
        """The groups."""
        return tuple(routing_of(key.member_id) for key in self.keys)
