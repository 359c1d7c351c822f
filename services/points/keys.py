"""The keys of the rows that the commands of a batch need."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from services.chassis.feed_batch import FeedBatch
from services.chassis.member_records.commands import Preview, PreviewErasure, PreviewMerge, PreviewUnmerge
from services.points.activities import operations as activities
from services.points.adjustments.commands import Adjust, ResolveAdjustment
from services.points.budgets.commands import LoadBudgets
from services.points.budgets.loading import BudgetPeriods
from services.points.commands import (
    ActivityKey,
    BuryParkedRefunds,
    CaptureHold,
    CompleteActivity,
    Convert,
    ExtendHold,
    Forfeit,
    Grant,
    PlaceHold,
    RecordActivity,
    RefundActivity,
    RefundSpend,
    ReleaseHold,
    ResolveParkedRefund,
    ReverseActivity,
    SettleWallets,
    Spend,
)
from services.points.documents import PointsConfig
from services.points.gifts import operations as gifts
from services.points.gifts.commands import AcceptGift, CancelGift, Give
from services.points.groups.commands import LoadGroupCaps, LoadSpends, LoadWallets
from services.points.heard import MergeHeard, StandingHeard
from services.points.merges.commands import LoadOthers, LoadProvenance, NoteChecked
from services.points.movements import operations as movements
from services.points.partners import operations as partners
from services.points.partners.commands import (
    AnswerPartnerConversion,
    SettlePartnerConversion,
    StartPartnerConversion,
)
from services.points.values import CapKey
from services.points.wallets import operations as wallets

CommandOfOne = (
    RecordActivity
    | RefundActivity
    | ReverseActivity
    | CompleteActivity
    | ResolveParkedRefund
    | BuryParkedRefunds
    | Spend
    | PlaceHold
    | CaptureHold
    | ReleaseHold
    | ExtendHold
    | RefundSpend
    | Adjust
    | ResolveAdjustment
    | Grant
    | Forfeit
    | Convert
    | partners.PartnerCommand
    | SettleWallets
)
"""Commands that concern one partition."""
Command = CommandOfOne | gifts.GiftCommand | FeedBatch | Preview | NoteChecked
Loaded = Command | LoadBudgets | LoadWallets | LoadSpends | LoadGroupCaps | LoadOthers | LoadProvenance
"""Commands for which something is loaded."""


@dataclass(slots=True)
class Keys:
    """The keys of the rows that a batch needs."""

    earning: set[UUID] = field(default_factory=set)
    accounts: set[UUID] = field(default_factory=set)
    activities: set[UUID] = field(default_factory=set)
    reversals: set[UUID] = field(default_factory=set)
    """Activities of which something comes back, by ID or natural key."""
    natural_keys: set[UUID] = field(default_factory=set)
    refunded_keys: set[UUID] = field(default_factory=set)
    """Natural keys by which refunds and completions name activities: what they find parked is theirs."""
    parked: set[UUID] = field(default_factory=set)
    wallets: set[UUID] = field(default_factory=set)
    holds: set[UUID] = field(default_factory=set)
    spends: set[UUID] = field(default_factory=set)
    refunded_spends: set[UUID] = field(default_factory=set)
    """Those of them that may be pooled ones."""
    groups: set[UUID] = field(default_factory=set)
    seats: dict[UUID, datetime] = field(default_factory=dict)
    """Members whose groups are needed, and from when on."""
    gifts: set[UUID] = field(default_factory=set)
    adjustments: set[UUID] = field(default_factory=set)
    partner_conversions: set[UUID] = field(default_factory=set)
    standings: dict[UUID, datetime] = field(default_factory=dict)
    """Members whose levels are needed, and from when on."""
    linked: set[UUID] = field(default_factory=set)
    """Members of whom nothing is needed but whose IDs lead to them."""
    provenance: list[LoadProvenance] = field(default_factory=list)
    """Of whom it is needed what came or counted through each account."""
    caps: list[CapKey] = field(default_factory=list)
    budgets: list[BudgetPeriods] = field(default_factory=list)

    def need_levels(self, member_id: UUID, at: datetime) -> None:
        """A member's levels are needed from an instant on, if not from an earlier one."""
        known = self.standings.get(member_id)
        if known is None or at < known:
            self.standings[member_id] = at

    def need_groups(self, member_id: UUID, at: datetime) -> None:
        """A member's groups are needed from an instant on, if not from an earlier one."""
        self.seats[member_id] = min(at, self.seats.get(member_id, at))


def keys_of(commands: Sequence[Loaded], config: PointsConfig) -> Keys:
    keys = Keys()
    for command in commands:
        match command:
            case RecordActivity():
                keys.earning.add(command.member_id)
                keys.accounts.add(command.account_id)
                keys.activities.add(command.activity_id)
                keys.natural_keys.add(command.natural_key)
                keys.caps.extend(activities.cap_keys(command, config))
                if config.drawn_budgets:
                    keys.budgets.extend(activities.budget_periods(command, config))
                if config.group_capped_rules:
                    keys.need_groups(command.member_id, activities.earliest(command))
                if config.ladders:
                    keys.need_levels(command.member_id, activities.earliest(command))
            case Spend() | PlaceHold():
                keys.wallets.add(command.member_id)
                keys.accounts.add(command.account_id)
                keys.caps.extend(wallets.counting_keys(command, config))
                if isinstance(command, Spend) and command.group_id is not None:
                    keys.groups.add(command.group_id)
            case Grant() | Adjust():
                keys.wallets.add(command.member_id)
                keys.accounts.add(command.account_id)
            case Convert():
                keys.wallets.add(command.member_id)
                keys.accounts.add(command.account_id)
                keys.caps.extend(movements.cap_keys(command, config))
                if config.ladders:
                    keys.need_levels(command.member_id, command.received_at)
            case StartPartnerConversion():
                keys.wallets.add(command.member_id)
                keys.accounts |= {command.account_id, command.partner_account_id}
                keys.caps.extend(partners.cap_keys(command, config))
                if config.ladders:
                    keys.need_levels(command.member_id, command.received_at)
            case AnswerPartnerConversion() | SettlePartnerConversion():
                keys.partner_conversions.add(command.partner_conversion_id)
            case Forfeit():
                keys.wallets.add(command.member_id)
            case CaptureHold() | ReleaseHold() | ExtendHold():
                keys.holds.add(command.hold_id)
            case RefundSpend():
                keys.spends.add(command.spend_id)
                keys.refunded_spends.add(command.spend_id)
            case LoadSpends():
                keys.spends.update(command.spend_ids)
            case LoadGroupCaps():
                keys.caps.extend(command.keys)
            case LoadWallets():
                keys.wallets.update(command.member_ids)
            case LoadProvenance():
                keys.wallets.update(command.member_ids)
                keys.provenance.append(command)
            case PreviewMerge() | PreviewUnmerge() | PreviewErasure():
                keys.wallets.update(command.member_ids)
            case LoadOthers():
                keys.wallets.update(command.wallets)
                keys.natural_keys.update(key for _, key in command.natural_keys)
                keys.accounts.update(account_id for _, account_id in command.accounts)
                keys.caps.extend(command.caps)
            case Give():
                keys.wallets |= {command.member_id, command.to_member_id}
                keys.accounts |= {command.account_id, command.to_account_id}
                keys.caps.extend(gifts.daily_uses(command, config))
            case AcceptGift():
                keys.gifts.add(command.gift_id)
                keys.wallets.add(command.member_id)
            case CancelGift():
                keys.gifts.add(command.gift_id)
            case ResolveAdjustment():
                keys.adjustments.add(command.adjustment_id)
            case ReverseActivity(activity_id=activity_id) | RefundActivity(activity=UUID() as activity_id):
                keys.activities.add(activity_id)
                keys.reversals.add(activity_id)
            case RefundActivity(activity=ActivityKey(member_id=member_id, natural_key=natural_key)):
                keys.natural_keys.add(natural_key)
                keys.refunded_keys.add(natural_key)
                keys.reversals.add(natural_key)
                keys.wallets.add(member_id)
            case CompleteActivity(activity=UUID() as activity_id):
                keys.activities.add(activity_id)
                keys.reversals.add(activity_id)
            case CompleteActivity(activity=ActivityKey(member_id=member_id, natural_key=natural_key)):
                keys.natural_keys.add(natural_key)
                keys.refunded_keys.add(natural_key)
                keys.reversals.add(natural_key)
                keys.wallets.add(member_id)
            case ResolveParkedRefund():
                keys.parked.add(command.parked_refund_id)
            case BuryParkedRefunds():
                keys.parked.update(command.parked_refund_ids)
            case LoadBudgets():
                keys.budgets.extend(map(BudgetPeriods.of, command.keys))
            case SettleWallets():
                keys.wallets.update(command.member_ids)
            case FeedBatch():
                for event in _heard_standings(command):
                    keys.need_levels(event.member_id, event.effective_from)
                keys.linked.update(_heard_merged(command))
    keys.wallets |= _recorded_and_reversed(commands)
    return keys


def _heard_standings(batch: FeedBatch) -> list[StandingHeard]:
    """The levels that a feed tells of."""
    return [event for record in batch.records for event in record.events if isinstance(event, StandingHeard)]


def _heard_merged(batch: FeedBatch) -> list[UUID]:
    """The members that a feed tells of that were merged, and into whom."""
    merges = [event for record in batch.records for event in record.events if isinstance(event, MergeHeard)]
    return [each for merge in merges for each in (merge.survivor_id, *merge.merged_ids)]


def _recorded_and_reversed(commands: Sequence[Loaded]) -> set[UUID]:
    """Members whose activity is recorded and reversed in one batch: its ID was known beforehand, from a dry run."""
    reversed_ids = {command.activity_id for command in commands if isinstance(command, ReverseActivity)}
    reversed_ids |= {
        command.activity
        for command in commands
        if isinstance(command, RefundActivity | CompleteActivity) and isinstance(command.activity, UUID)
    }
    if not reversed_ids:
        return set()
    return {c.member_id for c in commands if isinstance(c, RecordActivity) and c.activity_id in reversed_ids}
