"""Benefits' rows as a batch loads and changes them."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

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
        self._held: dict[tuple[UUID, str], dict[UUID, None]] = {}
        self._changed: dict[str, dict[Any, tuple[Any, ...]]] = {}
        self._events: list[bytes] = []

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
        for use in draft.quota_uses:
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


class Draft:
    """What one command comes to, kept apart from the state until it is applied."""

    __slots__ = (
        "_state",
        "accounts",
        "counted",
        "entitlements",
        "events",
        "intervals",
        "members",
        "quota_uses",
        "redemptions",
    )

    def __init__(self, state: State) -> None:
        self._state = state
        self.members: dict[UUID, Member] = {}
        self.accounts: dict[UUID, Account] = {}
        self.intervals: dict[UUID, dict[IntervalKey, Interval]] = {}
        self.entitlements: dict[UUID, Entitlement] = {}
        self.redemptions: list[Redemption] = []
        self.quota_uses: list[QuotaUse] = []
        self.events: list[bytes] = []
        self.counted: list[tuple[str, str]] = []
        """Benefit and which of its counts grows by one."""

    def member(self, member_id: UUID) -> Member:
        """A member as it stands; one of whom nothing is known when it is new."""
        return self.members.get(member_id) or self._state.members.get(member_id) or unheard(member_id)

    def account(self, account_id: UUID) -> Account | None:
        """An account as it stands."""
        return self.accounts.get(account_id) or self._state.accounts.get(account_id)

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
