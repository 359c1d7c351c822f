"""Random lives of a few members who are merged and unmerged as identity would do it, and whose things are by then."""

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from services.chassis import ids
from tests.support.merging import Halves, merged, unmerged


@dataclass
class Merge:
    """A merge that was made, and what of it was not undone."""

    survivor_id: UUID
    merged_id: UUID
    absorbed_ids: list[UUID]
    accounts: set[UUID]


@dataclass
class Lives:
    """Members with accounts; a *source* is an account, or one thing that came through none."""

    chance: random.Random
    members: Sequence[UUID]
    domain: str = "grocery"
    accounts: dict[UUID, list[UUID]] = field(default_factory=dict)
    """Of each member those that were linked to it first."""
    leads_to: dict[UUID, UUID] = field(default_factory=dict)
    holder: dict[UUID, UUID] = field(default_factory=dict)
    """Whose each source is by now."""
    origin: dict[UUID, UUID] = field(default_factory=dict)
    """To whom each thing came that came through no account."""
    merges: list[Merge] = field(default_factory=list)

    def __post_init__(self) -> None:
        for number, member_id in enumerate(self.members):
            routing = ids.routing_of(member_id)
            self.accounts[member_id] = [ids.from_int((number + 1 << 96) + (n << 64) + routing) for n in (1, 2)]
            self.leads_to[member_id] = member_id
            self.holder |= dict.fromkeys(self.accounts[member_id], member_id)

    def someone(self) -> tuple[UUID, UUID | None]:
        """An ID, old or not, and an account that was linked to it first or is its person's by now; or none."""
        member_id = self.chance.choice(self.members)
        own = {*self.accounts[member_id]}
        choices: list[UUID | None] = [None, *sorted(own | {*self.accounts_of(self.leads_to[member_id])})]
        return member_id, self.chance.choice(choices)

    def accounts_of(self, member_id: UUID) -> list[UUID]:
        """The accounts that are a member's by now."""
        return sorted(one for one, by in self.holder.items() if by == member_id and one not in self.origin)

    def source_of(self, member_id: UUID, account_id: UUID | None) -> UUID:
        """What comes to an ID through an account, or through none, came through this."""
        if account_id is not None:
            return account_id
        number = len(self.origin) + 1
        source = ids.from_int((1 << 120) + (number << 64))
        self.origin[source] = self.holder[source] = self.leads_to[member_id]
        return source

    def merge(self, at: datetime) -> Halves | None:
        """Somebody who stands alone is merged into somebody else who does; None where there is only one left."""
        alone = [each for each in self.members if self.leads_to[each] == each]
        if len(alone) < 2:
            return None
        survivor, gone = self.chance.sample(alone, 2)
        absorbed = [each for each in self.members if each != gone and self.leads_to[each] == gone]
        accounts = self.accounts_of(gone)
        self.merges.append(Merge(survivor, gone, absorbed, set(accounts)))
        for source, by in self.holder.items():
            if by == gone:
                self.holder[source] = survivor
        for each in (gone, *absorbed):
            self.leads_to[each] = survivor
        return merged(survivor, gone, at, accounts, absorbed, domain=self.domain)

    def unmerge(self, at: datetime) -> Halves | None:
        """The last merge, as a rule, is undone, in whole or in part; None where there is none to be undone."""
        possible = [each for each in self.merges if self._holder(each) is not None]
        if not possible:
            return None
        merge = self.chance.choice(possible)
        holder = self._holder(merge)
        assert holder is not None
        member_id = merge.merged_id
        left = sorted(one for one in merge.accounts if self.holder[one] == holder)
        going = left if self.chance.random() < 0.6 else self.chance.sample(left, max(1, len(left) // 2)) if left else []
        whole = len(going) == len(left)
        absorbed = [each for each in merge.absorbed_ids if each != holder and self.leads_to[each] == holder]
        merge.accounts -= {*going}
        own = {member_id, *absorbed} if whole else set()
        for source, by in self.holder.items():
            if by == holder and (source in going or self.origin.get(source) in own):
                self.holder[source] = member_id
        self.leads_to[member_id] = member_id
        if whole:
            self.merges.remove(merge)
            self.leads_to |= dict.fromkeys(absorbed, member_id)
        return unmerged(holder, member_id, at, sorted(going), absorbed, whole=whole, domain=self.domain)

    def _holder(self, merge: Merge) -> UUID | None:
        """Who has what came along, where it can be undone: nobody else was made of the two since."""
        holder = self.leads_to[merge.survivor_id]
        is_there = self.leads_to[merge.merged_id] in (holder, merge.merged_id) and holder != merge.merged_id
        later = self.merges[self.merges.index(merge) + 1 :]
        if not is_there or any(merge.merged_id in (each.survivor_id, each.merged_id) for each in later):
            return None
        return holder
