"""What a decision makes of matches."""

from collections.abc import Iterable
from typing import NamedTuple

from services.chassis.operations import Moment
from services.identity.matches import events
from services.identity.matches.values import Match
from services.identity.state import State
from services.identity.values import Config


class Matched(NamedTuple):
    """Matches as they become."""

    matches: tuple[Match, ...]

    def apply(self, state: State, moment: Moment[Config]) -> None:
        """Fold them in, and tell each in the partition of who met the other one."""
        tell(state, self.matches, moment)


def tell(state: State, matches: Iterable[Match], moment: Moment[Config]) -> None:
    """Fold in matches that are new or changed."""
    for match in matches:
        is_new = state.matches.match(match.match_id) is None and bool(match.evidence)
        state.matches.put(match, moment.partition_of)
        event = events.match_found(match) if is_new else events.match_changed(match)
        state.tell(moment.partition_of(match.member_id.int), event)
