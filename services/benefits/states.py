"""The state of each partition that a batch concerns, and what a command comes to there: one, unless members merge."""

from collections.abc import Mapping, Sequence
from uuid import UUID

from services.benefits.config import BenefitsConfig
from services.benefits.state import Draft, State
from services.chassis.operations import Moment
from services.chassis.store import Rows


class States:
    """What a batch has loaded of some partitions, and what became of it."""

    def __init__(self, config: BenefitsConfig) -> None:
        self.config = config
        self._states: dict[int, State] = {}

    def at(self, partition: int) -> State:
        """The state of a partition."""
        state = self._states.get(partition)
        if state is None:
            state = self._states[partition] = State(self.config)
        return state

    def rows(self, partition: int) -> Mapping[str, Rows]:
        """What changed, by table."""
        return self.at(partition).rows(partition)

    def events(self, partition: int) -> Sequence[bytes]:
        """What happened, in order."""
        return self.at(partition).events(partition)


class Work:
    """What one command comes to in the partitions that are locked for it."""

    def __init__(self, states: States, moment: Moment[BenefitsConfig]) -> None:
        self.states = states
        self.moment = moment
        self.drafts: dict[int, Draft] = {}

    def state_of(self, owner_id: UUID) -> State:
        """What is loaded of the partition of an ID."""
        return self.states.at(self.moment.partition_of(owner_id.int))

    def at(self, partition: int) -> Draft:
        """What it comes to in a partition."""
        draft = self.drafts.get(partition)
        if draft is None:
            draft = self.drafts[partition] = Draft(self.states.at(partition))
        return draft

    def of(self, owner_id: UUID) -> Draft:
        """What it comes to in the partition of an ID."""
        return self.at(self.moment.partition_of(owner_id.int))

    def is_same_partition(self, one: UUID, other: UUID) -> bool:
        """Whether two IDs are of one partition."""
        return self.moment.partition_of(one.int) == self.moment.partition_of(other.int)
