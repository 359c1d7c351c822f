"""Benefits' rows as a batch loads and changes them."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from services.benefits.merges.values import Link
from services.benefits.standings import unheard
from services.benefits.values import (
    Account,
    BenefitsConfig,
    Counts,
    Entitlement,
    Interval,
    Member,
    QuotaUse,
    Redemption,
)
from services.chassis import ids
from services.chassis.store import Rows

IntervalKey = tuple[str, datetime]
"""Ladder and effective_from."""


AccountKey = tuple[int, UUID]
"""A partition and an account: a merge copies an account into the partition of the member that has it from then on."""


class State:
    """What the commands of a batch concern, and what became of it: nearly always in one partition."""

    def __init__(self, config: BenefitsConfig) -> None:
        self.config = config
        self.members: dict[UUID, Member] = {}
        self.mask = 0
        """The routing bits that say the partition, from when the first command is decided on."""
        self.links: dict[UUID, Link] = {}
        self.loaded: set[UUID] = set()
        """Members of whom all is loaded that they have and used, because it is a person's."""
        self.accounts: dict[AccountKey, Account] = {}
        self.intervals: dict[UUID, dict[IntervalKey, Interval]] = {}
        self.entitlements: dict[UUID, Entitlement] = {}
        self.redemptions: dict[UUID, Redemption] = {}
        self.quota_redemptions: dict[UUID, Redemption] = {}
        """What members used of quotas and was not taken back, of those of whom all is loaded."""
        self.quota_uses: dict[tuple[UUID, str], QuotaUse] = {}
        self.counts: dict[tuple[int, str], Counts] = {}
        """By partition and benefit."""
        self._held: dict[tuple[UUID, str], dict[UUID, None]] = {}
        self._changed: dict[int, dict[str, dict[Any, tuple[Any, ...]]]] = {}
        self._events: dict[int, list[bytes]] = {}

    def partition_of(self, member_id: UUID) -> int:
        """The partition of a member, or of what it has."""
        return member_id.int & self.mask

    def account(self, member_id: UUID, account_id: UUID) -> Account | None:
        """An account as the partition of a member has it."""
        return self.accounts.get((self.partition_of(member_id), account_id))

    def link(self, member_id: UUID) -> Link:
        """Whom an ID leads to, and which lead to it."""
        return self.links.get(member_id) or Link(member_id)

    def held(self, member_id: UUID, benefit: str) -> list[Entitlement]:
        """The entitlements that a member has to a benefit."""
        return [self.entitlements[entitlement_id] for entitlement_id in self._held.get((member_id, benefit), ())]

    def fill_entitlements(self, entitlements: Iterable[Entitlement]) -> None:
        """Take over what was read."""
        for entitlement in entitlements:
            self._put_entitlement(entitlement)

    def fill_intervals(self, intervals: Iterable[Interval]) -> None:
        """Take over what was read."""
        for interval in intervals:
            self._put_interval(interval)

    def take(self, draft: "Draft") -> None:
        """Fold in what a command came to."""
        for member_id, member in draft.members.items():
            self.members[member_id] = member
            self._change("members", member_id, member_id, member)
        for member_id, link in draft.links.items():
            self.links[member_id] = link
            gone = ids.joined(each for pair in link.gone for each in pair)
            row = (member_id, link.leads_to, ids.joined(link.merged), gone)
            self._change("links", member_id, member_id, row)
        for (partition, account_id), account in draft.accounts.items():
            self.accounts[partition, account_id] = account
            self._change_in(partition, "accounts", account_id, account)
        for member_id, intervals in draft.intervals.items():
            for key, interval in intervals.items():
                self._put_interval(interval)
                self._change("standings", member_id, (member_id, *key), interval)
        for entitlement in draft.entitlements.values():
            self._put_entitlement(entitlement)
            self._change("entitlements", entitlement.member_id, entitlement.entitlement_id, entitlement)
        for redemption in draft.redemptions:
            self.redemptions[redemption.redemption_id] = redemption
            if redemption.entitlement_id is None:
                self._note_quota_redemption(redemption)
            self._change("redemptions", redemption.member_id, redemption.redemption_id, redemption)
        for use in draft.quota_uses:
            self.quota_uses[use.member_id, use.benefit] = use
            self._change("quota_uses", use.member_id, (use.member_id, use.benefit), use)
        for member_id, benefit, what in draft.counted:
            place = (self.partition_of(member_id), benefit)
            counts = self.counts.get(place) or Counts(benefit)
            self.counts[place] = counts._replace(**{what: getattr(counts, what) + 1})
            self._change("benefit_counts", member_id, benefit, self.counts[place])
        for member_id, event in draft.events:
            self._events.setdefault(self.partition_of(member_id), []).append(event)

    def _note_quota_redemption(self, redemption: Redemption) -> None:
        if redemption.reversed_at is None:
            self.quota_redemptions[redemption.redemption_id] = redemption
        else:
            self.quota_redemptions.pop(redemption.redemption_id, None)

    def _put_entitlement(self, entitlement: Entitlement) -> None:
        self.entitlements[entitlement.entitlement_id] = entitlement
        self._held.setdefault((entitlement.member_id, entitlement.benefit), {})[entitlement.entitlement_id] = None

    def _put_interval(self, interval: Interval) -> None:
        own = self.intervals.setdefault(interval.member_id, {})
        own[interval.ladder, interval.effective_from] = interval

    def _change(self, table: str, member_id: UUID, key: Any, row: tuple[Any, ...]) -> None:
        self._change_in(self.partition_of(member_id), table, key, row)

    def _change_in(self, partition: int, table: str, key: Any, row: tuple[Any, ...]) -> None:
        self._changed.setdefault(partition, {}).setdefault(table, {})[key] = row

    def rows(self, partition: int) -> Mapping[str, Rows]:
        """What changed, by table. A row that changed twice is written once."""
        return {table: list(rows.values()) for table, rows in self._changed.get(partition, {}).items()}

    def events(self, partition: int) -> Sequence[bytes]:
        """What happened, in order."""
        return self._events.get(partition, ())


class Draft:
    """What one command comes to, kept apart from the state until it is applied."""

    __slots__ = (
        "_state",
        "accounts",
        "counted",
        "entitlements",
        "events",
        "intervals",
        "links",
        "members",
        "quota_uses",
        "redemptions",
    )

    def __init__(self, state: State) -> None:
        self._state = state
        self.members: dict[UUID, Member] = {}
        self.links: dict[UUID, Link] = {}
        self.accounts: dict[AccountKey, Account] = {}
        self.intervals: dict[UUID, dict[IntervalKey, Interval]] = {}
        self.entitlements: dict[UUID, Entitlement] = {}
        self.redemptions: list[Redemption] = []
        self.quota_uses: list[QuotaUse] = []
        self.events: list[tuple[UUID, bytes]] = []
        """Whom it is about, and the event."""
        self.counted: list[tuple[UUID, str, str]] = []
        """Whose, the benefit, and which of its counts grows by one."""

    def member(self, member_id: UUID) -> Member:
        """A member as it stands; one of whom nothing is known when it is new."""
        return self.members.get(member_id) or self._state.members.get(member_id) or unheard(member_id)

    def account(self, member_id: UUID, account_id: UUID) -> Account | None:
        """An account as it stands in the partition of a member."""
        key = (self._state.partition_of(member_id), account_id)
        return self.accounts.get(key) or self._state.accounts.get(key)

    def put_account(self, in_partition_of: UUID, account: Account) -> None:
        """An account as it becomes in the partition of a member."""
        self.accounts[self._state.partition_of(in_partition_of), account.account_id] = account

    def link(self, member_id: UUID) -> Link:
        """Whom an ID leads to, and which lead to it, as it stands."""
        return self.links.get(member_id) or self._state.link(member_id)

    def put_link(self, link: Link) -> None:
        """A link as it becomes."""
        self.links[link.member_id] = link
        self.members[link.member_id] = self.member(link.member_id)._replace(is_linked=True)

    def person(self, member_id: UUID) -> tuple[UUID, ...]:
        """The member that an ID leads to, and those whose IDs lead there, too."""
        survivor = self.link(self.link(member_id).leads_to or member_id)
        return (survivor.member_id, *survivor.merged)

    def is_loaded(self, member_id: UUID) -> bool:
        """Whether all is loaded that a member has and used."""
        return member_id in self._state.loaded

    def counting(self, made: Redemption) -> tuple[UUID, ...]:
        """On whose quota a use may have been counted: of who left with its account, of who made it, of the person."""
        link = self.link(made.member_id)
        home = dict(link.gone).get(made.account_id) if made.account_id is not None else None
        rest = (made.member_id, *self.person(made.member_id))
        return tuple(dict.fromkeys(rest if home is None else (home, *rest)))

    def entitlements_of(self, member_id: UUID) -> list[Entitlement]:
        """All that a member has as it stands, of a member of whom all is loaded."""
        known = self._state.entitlements | self.entitlements
        return [entitlement for entitlement in known.values() if entitlement.member_id == member_id]

    def quota_uses_of(self, member_id: UUID) -> list[QuotaUse]:
        """What a member used of quotas as it stands, of a member of whom all is loaded."""
        known = self._state.quota_uses | {(use.member_id, use.benefit): use for use in self.quota_uses}
        return [use for use in known.values() if use.member_id == member_id]

    def quota_redemptions_of(self, member_id: UUID) -> list[Redemption]:
        """Each use that a member made of quotas and that was not taken back, of a member of whom all is loaded."""
        return [made for made in self._state.quota_redemptions.values() if made.member_id == member_id]

    def intervals_of(self, member_id: UUID) -> list[Interval]:
        """A member's intervals as they stand."""
        known = self._state.intervals.get(member_id, {})
        return list((known | self.intervals.get(member_id, {})).values())

    def put_intervals(self, intervals: Iterable[Interval]) -> None:
        """Intervals as they become."""
        for interval in intervals:
            own = self.intervals.setdefault(interval.member_id, {})
            own[interval.ladder, interval.effective_from] = interval

    def has_entitlement(self, entitlement_id: UUID) -> bool:
        """Whether it was issued."""
        return entitlement_id in self.entitlements or entitlement_id in self._state.entitlements
