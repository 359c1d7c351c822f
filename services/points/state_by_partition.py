"""The state of each partition that a batch concerns: one, unless it has work between two members."""

from collections.abc import Mapping, Sequence
from uuid import UUID

from services.chassis.store import Rows
from services.points.budgets import events
from services.points.budgets.books import BudgetBooks
from services.points.budgets.values import Pool, Portion
from services.points.documents import PointsConfig
from services.points.groups.caps import GroupCaps
from services.points.groups.values import PooledSpend
from services.points.merges.commands import Sent
from services.points.state import PointsState
from services.points.values import CapKey


class StateByPartition:
    """What a batch has loaded of the points tables, and what it makes of them."""

    def __init__(self, config: PointsConfig) -> None:
        self.config = config
        self._states: dict[int, PointsState] = {}
        self.with_provenance: set[tuple[UUID, UUID]] = set()
        """Unmerges and the members of whom it is loaded for them what came or counted through each account."""
        self.looked_up: set[UUID] = set()
        """Natural keys of other members of a person that are loaded, whether or not there is anything."""
        self.with_caps: set[CapKey] = set()
        """Caps of other members of a person of which it is loaded how much is used, from their periods on."""
        self.with_accounts: set[tuple[UUID, UUID]] = set()
        """Members and accounts of which it is loaded whose they are."""
        self.of_persons: list[Sent] = []
        """Commands on members that others were merged into."""
        self.mask = 0
        """The routing bits that say the partition, from when the first command is decided on."""
        self.budgets = BudgetBooks(self._tell)
        self.group_caps = GroupCaps(self.of, self._groups_of_members)
        self.with_wallets: set[UUID] = set()
        """Members whose wallets are loaded because their group spends, whether or not there are any."""

    def of(self, partition: int) -> PointsState:
        """The state of a partition."""
        state = self._states.get(partition)
        if state is None:
            state = self._states[partition] = PointsState(self.config, self.budgets, self.group_caps)
            state.elsewhere = self.of_member
        return state

    def of_member(self, member_id: UUID) -> PointsState:
        """The state of the partition of a member."""
        return self.of(member_id.int & self.mask)

    def members_of_groups(self) -> set[UUID]:
        """The members of the groups whose seats are loaded."""
        return {
            seat.member_id
            for state in self._states.values()
            for seats in state.seats.values()
            for seat in seats.values()
            if seat.owner_id == seat.group_id and seat.left_at is None
        }

    def pooled_spends(self) -> list[PooledSpend]:
        """The pooled spends that are loaded."""
        return [pooled for state in list(self._states.values()) for pooled in state.pooled_spends.values()]

    def _groups_of_members(self) -> set[UUID]:
        return set().union(*(state.groups_of_members() for state in self._states.values()))

    def rows(self, partition: int) -> Mapping[str, Rows]:
        """Rows to write, by table."""
        return {**self.of(partition).rows(), **self.budgets.rows(partition)}

    def events(self, partition: int) -> Sequence[bytes]:
        """Events to tell, in order."""
        return self.of(partition).events

    def _tell(self, partition: int, changed: Portion | Pool) -> None:
        """A portion or a pool of a budget changed."""
        self.of(partition).tell(events.changed(changed))
