"""What a decision makes of members that are merged or unmerged."""

from dataclasses import dataclass, field
from uuid import UUID

from services.chassis.operations import Moment
from services.identity.groups.changes import Changed
from services.identity.matches.changes import tell
from services.identity.matches.values import Match
from services.identity.merges import events
from services.identity.merges.values import Merge, Unmerge
from services.identity.state import State
from services.identity.values import Account, Config, Member, Route


@dataclass(frozen=True, slots=True)
class Rearranged:
    """Members, accounts and names as they become, and by what."""

    merge: Merge
    unmerge: Unmerge | None = None
    members: tuple[Member, ...] = ()
    accounts: tuple[Account, ...] = ()
    routes: tuple[Route, ...] = ()
    redirected: dict[UUID, UUID] = field(default_factory=dict)
    """Whom the IDs lead to that are told about."""
    staying: tuple[UUID, ...] = ()
    """Accounts that came along by the merge and are not given back yet."""
    absorbed_ids: tuple[UUID, ...] = ()
    groups: tuple[Changed, ...] = ()
    matches: tuple[Match, ...] = ()
    """Of the two, as they become."""

    def apply(self, state: State, moment: Moment[Config]) -> None:
        """Fold it in, and tell each half in its partition: none of them is to be followed alone."""
        for member in self.members:
            state.put_member(member)
        for account in self.accounts:
            state.put_account(account)
        for route in self.routes:
            state.put_route(route)
        state.merges.put_merge(self.merge, moment.partition_of)
        if self.unmerge is None:
            told_by, event = self.merge.survivor_id, events.member_merged(self.merge, self.accounts)
        else:
            state.merges.put_unmerge(self.unmerge, self.merge, moment.partition_of)
            told_by = self.unmerge.holder_id
            event = events.member_unmerged(
                self.unmerge, self.merge.merged_at, self.accounts, self.staying, self.absorbed_ids
            )
        state.tell_undivided(moment.partition_of(told_by.int), event)
        for member_id, leads_to in self.redirected.items():
            state.tell_undivided(moment.partition_of(member_id.int), events.member_redirected(member_id, leads_to))
        for changed in self.groups:
            changed.apply(state, moment)
        tell(state, self.matches, moment)
