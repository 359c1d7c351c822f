"""Benefits' rows as a batch loads and changes them."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from services.benefits.config import BenefitsConfig
from services.benefits.standings import unheard
from services.benefits.values import (
    Account,
    Counts,
    Entitlement,
    EntitlementState,
    Interval,
    Member,
    QuotaUse,
    Redemption,
)
from services.chassis.store import Rows

IntervalKey = tuple[str, datetime]
"""Ladder and effective_from."""


class State:
    """What the commands of a batch concern, and what became of it. Work here has one owner, so one partition."""

    def __init__(self, config: BenefitsConfig) -> None:
        self.config = config
        self.members: dict[UUID, Member] = {}
        self.accounts: dict[UUID, Account] = {}
        self.intervals: dict[UUID, dict[IntervalKey, Interval]] = {}
        self.entitlements: dict[UUID, Entitlement] = {}
        self.redemptions: dict[UUID, Redemption] = {}
        self.quota_uses: dict[tuple[UUID, str], QuotaUse] = {}
        self.counts: dict[str, Counts] = {}
        self.at_hand: set[Any] = set()
        """Commands that asked for something to be loaded, which is."""
        self.whole: set[UUID] = set()
        """Members of whom all there is was looked for."""
        self._held: dict[tuple[UUID, str], dict[UUID, None]] = {}
        self._changed: dict[str, dict[Any, tuple[Any, ...]]] = {}
        self._events: list[bytes] = []

    def held(self, member_id: UUID, benefit: str) -> list[Entitlement]:
        """The entitlements that a member has to a benefit."""
        found = [self.entitlements[entitlement_id] for entitlement_id in self._held.get((member_id, benefit), ())]
        return [entitlement for entitlement in found if _has(member_id, entitlement)]

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
            self._change("members", member_id, member)
        for account_id, account in draft.accounts.items():
            self.accounts[account_id] = account
            self._change("accounts", account_id, account)
        for member_id, intervals in draft.intervals.items():
            for key, interval in intervals.items():
                self._put_interval(interval)
                self._change("standings", (member_id, *key), interval)
        for entitlement in draft.entitlements.values():
            self._put_entitlement(entitlement)
            self._change("entitlements", entitlement.entitlement_id, entitlement)
        for redemption in draft.redemptions:
            self.redemptions[redemption.redemption_id] = redemption
            self._change("redemptions", redemption.redemption_id, redemption)
        for use in draft.quota_uses.values():
            self.quota_uses[use.member_id, use.benefit] = use
            self._change("quota_uses", (use.member_id, use.benefit), use)
        for benefit, what in draft.counted:
            counts = self.counts.get(benefit) or Counts(benefit)
            self.counts[benefit] = counts._replace(**{what: getattr(counts, what) + 1})
            self._change("benefit_counts", benefit, self.counts[benefit])
        self._events += draft.events

    def _put_entitlement(self, entitlement: Entitlement) -> None:
        self.entitlements[entitlement.entitlement_id] = entitlement
        self._held.setdefault((entitlement.member_id, entitlement.benefit), {})[entitlement.entitlement_id] = None

    def _put_interval(self, interval: Interval) -> None:
        own = self.intervals.setdefault(interval.member_id, {})
        own[interval.ladder, interval.effective_from] = interval

    def _change(self, table: str, key: Any, row: tuple[Any, ...]) -> None:
        self._changed.setdefault(table, {})[key] = row

    def rows(self, partition: int) -> Mapping[str, Rows]:
        """What changed, by table. A row that changed twice is written once."""
        return {table: list(rows.values()) for table, rows in self._changed.items()}

    def events(self, partition: int) -> Sequence[bytes]:
        """What happened, in order."""
        return self._events


def _has(member_id: UUID, entitlement: Entitlement) -> bool:
    """Whether a member has an entitlement by now, and here."""
    return entitlement.member_id == member_id and entitlement.state != EntitlementState.MOVED


class Draft:
    """What one command comes to, kept apart from the state until it is applied."""

    __slots__ = (
        "accounts",
        "counted",
        "entitlements",
        "events",
        "intervals",
        "members",
        "quota_uses",
        "redemptions",
        "state",
    )

    def __init__(self, state: State) -> None:
        self.state = state
        self.members: dict[UUID, Member] = {}
        self.accounts: dict[UUID, Account] = {}
        self.intervals: dict[UUID, dict[IntervalKey, Interval]] = {}
        self.entitlements: dict[UUID, Entitlement] = {}
        self.redemptions: list[Redemption] = []
        self.quota_uses: dict[tuple[UUID, str], QuotaUse] = {}
        self.events: list[bytes] = []
        self.counted: list[tuple[str, str]] = []
        """Benefit and which of its counts grows by one."""

    def member(self, member_id: UUID) -> Member:
        """A member as it stands; one of whom nothing is known when it is new."""
        return self.members.get(member_id) or self.state.members.get(member_id) or unheard(member_id)

    def put_member(self, member: Member) -> None:
        """A member as it becomes."""
        self.members[member.member_id] = member

    def entitlements_of(self, member_id: UUID) -> list[Entitlement]:
        """All that a member has, of what is loaded, as it stands."""
        known = self.state.entitlements | self.entitlements
        return [entitlement for entitlement in known.values() if _has(member_id, entitlement)]

    def quota_use(self, member_id: UUID, benefit: str) -> QuotaUse | None:
        """What a member used of a quota, as it stands."""
        key = (member_id, benefit)
        return self.quota_uses.get(key) or self.state.quota_uses.get(key)

    def quota_uses_of(self, member_id: UUID) -> list[QuotaUse]:
        """What a member used of all quotas, of what is loaded, as it stands."""
        known = self.state.quota_uses | self.quota_uses
        return [use for (owner_id, _), use in known.items() if owner_id == member_id]

    def put_quota_use(self, use: QuotaUse) -> None:
        """What a member used, as it becomes."""
        self.quota_uses[use.member_id, use.benefit] = use

    def account(self, account_id: UUID) -> Account | None:
        """An account as it stands."""
        return self.accounts.get(account_id) or self.state.accounts.get(account_id)

    def intervals_of(self, member_id: UUID) -> list[Interval]:
        """A member's intervals as they stand."""
        known = self.state.intervals.get(member_id, {})
        return list((known | self.intervals.get(member_id, {})).values())

    def put_intervals(self, intervals: Iterable[Interval]) -> None:
        """Intervals as they become."""
        for interval in intervals:
            own = self.intervals.setdefault(interval.member_id, {})
            own[interval.ladder, interval.effective_from] = interval

    def has_entitlement(self, entitlement: Entitlement) -> bool:
        """Whether it was issued, to the member or to one that was merged into it since."""
        known = self.state.entitlements
        if entitlement.entitlement_id in self.entitlements or entitlement.entitlement_id in known:
            return True
        own = [*self.state.held(entitlement.member_id, entitlement.benefit), *self.entitlements.values()]
        return any(_is_same(entitlement, each) for each in own)


def _is_same(one: Entitlement, other: Entitlement) -> bool:
    return (one.member_id, one.benefit, one.cause, one.reference) == (
        other.member_id,
        other.benefit,
        other.cause,
        other.reference,
    )
