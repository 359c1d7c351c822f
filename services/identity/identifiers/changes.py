"""What a decision makes of identifiers."""

from typing import NamedTuple

from services.chassis.operations import Moment
from services.identity.identifiers import events
from services.identity.identifiers.values import Identifier
from services.identity.matches.changes import tell
from services.identity.matches.values import Match
from services.identity.state import State
from services.identity.values import Config


class Known(NamedTuple):
    """Identifiers as they become. Where nothing but the last sight of one changed, nobody is told."""

    changed: tuple[Identifier, ...] = ()
    seen: tuple[Identifier, ...] = ()
    matches: tuple[Match, ...] = ()

    def apply(self, state: State, moment: Moment[Config]) -> None:
        """Fold it in, and tell it in the partitions of the identifiers."""
        for identifier in (*self.changed, *self.seen):
            state.identifiers.put(identifier, moment.at, moment.partition_of)
        for identifier in self.changed:
            kind = state.config.identifier_types.get(identifier.type)
            state.tell(identifier.partition, events.identifier_changed(identifier, kind, moment.at))
        tell(state, self.matches, moment)
