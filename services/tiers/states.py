"""The state of each partition that a batch concerns, and what a command changes there: one, unless members merge."""

from collections.abc import Iterable, Mapping, Sequence
from uuid import UUID

from services.chassis.operations import Moment
from services.chassis.store import Rows
from services.tiers.state import Changes, TiersState
from services.tiers.values import Config


class States:
    """What a batch has loaded of some partitions, and what it makes of them."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self._states: dict[int, TiersState] = {}

    def at(self, partition: int) -> TiersState:
        """The state of a partition."""
        state = self._states.get(partition)
        if state is None:
            state = self._states[partition] = TiersState(self.config)
        return state

    def merge(self, changes: Mapping[int, Changes]) -> None:
        """Take over what was decided, by partition."""
        for partition, of_partition in changes.items():
            self.at(partition).merge(of_partition)

    def rows(self, partition: int) -> Mapping[str, Rows]:
        """What changed, by table."""
        return self.at(partition).rows(partition)

    def events(self, partition: int) -> Sequence[bytes]:
        """What happened, in order."""
        return self.at(partition).events(partition)


class Work:
    """What one command changes in the partitions that are locked for it."""

    def __init__(self, states: States, moment: Moment[Config]) -> None:
        self.states = states
        self.moment = moment
        self.changes: dict[int, Changes] = {}

    def at(self, partition: int) -> Changes:
        """What it changes in a partition."""
        changes = self.changes.get(partition)
        if changes is None:
            moment = self.moment.within(partition)
            changes = self.changes[partition] = Changes(self.states.at(partition), moment)
        return changes

    def of(self, member_id: UUID) -> Changes:
        """What it changes in the partition of a member."""
        return self.at(self.moment.partition_of(member_id.int))

    def state_of(self, member_id: UUID) -> TiersState:
        """What is loaded of the partition of a member."""
        return self.states.at(self.moment.partition_of(member_id.int))

    def are_loaded(self, member_ids: Iterable[UUID]) -> bool:
        """Whether all there is of members was looked for."""
        return all(each in self.state_of(each).whole for each in member_ids)
