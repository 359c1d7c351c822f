"""The order of steps of points' unit of work: load what a batch needs, decide each command, fold it in."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from services.chassis.database import Connection
from services.chassis.feed_batch import FeedBatch
from services.chassis.operations import Decided, Decision, Moment, Operations
from services.chassis.reading import Reading
from services.points import queries, values
from services.points.activities import completion, loading, parking, refunds, releasing
from services.points.activities import operations as activities
from services.points.activities.clawbacks import Refunded, budget_keys_of, cap_keys_of
from services.points.adjustments import operations as adjustments
from services.points.adjustments.commands import Adjust, ResolveAdjustment
from services.points.budgets.commands import LoadBudgets
from services.points.budgets.loading import BudgetPeriods, read_budgets
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
from services.points.events import AccountHeard, Heard, MemberHeard, StandingHeard
from services.points.gifts import operations as gifts
from services.points.gifts.commands import AcceptGift, CancelGift, Give
from services.points.groups import operations as groups
from services.points.groups.commands import LoadGroupCaps, LoadSpends, LoadWallets
from services.points.groups.loading import read_pooled_spends, read_seats, read_seats_since
from services.points.groups.values import GroupSeat, PooledSpend
from services.points.movements import operations as movements
from services.points.partners import operations as partners
from services.points.partners.commands import (
    AnswerPartnerConversion,
    SettlePartnerConversion,
    StartPartnerConversion,
)
from services.points.partners.loading import read_partner_conversions
from services.points.state import PointsState
from services.points.state_by_partition import StateByPartition
from services.points.values import Account, ActivityRow, CapKey
from services.points.wallet import Wallet
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
    | FeedBatch
)
"""Commands that concern one partition."""
Command = CommandOfOne | gifts.GiftCommand
Loaded = Command | LoadBudgets | LoadWallets | LoadSpends | LoadGroupCaps
"""Commands for which something is loaded."""


@dataclass(slots=True)
class _Keys:
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


def _keys(commands: Sequence[Loaded], config: PointsConfig) -> _Keys:
    keys = _Keys()
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
                keys.caps.extend(wallets.day_keys(command, config))
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
    keys.wallets |= _recorded_and_reversed(commands)
    return keys


def _heard_standings(batch: FeedBatch) -> list[StandingHeard]:
    """The levels that a feed tells of."""
    return [event for record in batch.records for event in record.events if isinstance(event, StandingHeard)]


async def load(connection: Connection, partition: int, commands: Sequence[Loaded], states: StateByPartition) -> None:
    """Read the rows of a partition that the commands concern."""
    for command in commands:
        if isinstance(command, LoadWallets):
            states.with_wallets.update(command.member_ids)
    await load_partition(connection, partition, commands, states.of(partition))


async def load_partition(
    connection: Connection, partition: int, commands: Sequence[Loaded], state: PointsState
) -> None:
    """Read the rows that the commands concern: three statements at most, whatever the size of the batch."""
    keys = _keys(commands, state.config)
    for command in commands:
        if isinstance(command, LoadBudgets):
            state.budgets.note_loaded(partition, command.keys)
        if isinstance(command, LoadGroupCaps):
            state.group_caps.note_loaded(command.keys)
    reading = Reading(connection, partition)
    _read_named(reading, keys, state)
    named = (
        keys.holds,
        keys.spends,
        keys.gifts,
        keys.adjustments,
        keys.reversals,
        keys.parked,
        keys.partner_conversions,
    )
    if any(named):
        await reading.run()
    if pooled := keys.refunded_spends.difference(state.spends):
        read_pooled_spends(reading, pooled, state)
        await reading.run()
    resolved = [row for row_id in keys.parked if (row := state.parked.get(row_id)) is not None]
    keys.reversals.update(row.natural_key for row in resolved)
    keys.wallets.update(row.member_id for row in resolved)
    reversing = _rows_reversed(keys.reversals, state)
    keys.caps.extend(key for row in reversing for key in cap_keys_of(row))
    keys.budgets.extend(BudgetPeriods.of(key) for row in reversing for key in budget_keys_of(row))
    used: list[values.Spend | values.Hold | PooledSpend] = [
        *state.spends.values(),
        *state.holds.values(),
        *state.pooled_spends.values(),
    ]
    keys.caps.extend(key for one in used for key in wallets.day_keys_of(one, state.config))
    keys.caps.extend(key for gift in state.gifts.values() for key in gifts.daily_uses_of(gift, state.config))
    keys.caps.extend(
        key for one in state.partner_conversions.values() for key in partners.cap_keys_of(one, state.config)
    )
    loaded = (state.spends, state.pooled_spends, state.holds, state.gifts, state.adjustments, state.partner_conversions)
    for rows in (reversing, *(rows.values() for rows in loaded)):
        keys.wallets.update(row.member_id for row in rows)
    if state.config.sliding_units or state.config.cutting_units:
        keys.wallets |= keys.earning
    if keys.budgets:
        read_budgets(reading, partition, keys.budgets, state.budgets)
    _read_members(reading, keys, activities.ladders_of(commands, state.config), state)
    _read_lots(reading, keys.wallets, reversing, state)
    await reading.run()
    _read_debts(reading, keys.wallets, state)
    await reading.run()


def _read_named(reading: Reading, keys: _Keys, state: PointsState) -> None:
    """What commands name by its ID."""
    if keys.activities or keys.natural_keys:
        queries.read_activities(reading, keys.activities, keys.natural_keys, state)
    if keys.refunded_keys:
        loading.read_parked_for(reading, keys.refunded_keys, state)
    if keys.earning:
        loading.read_waiting_for(reading, keys.natural_keys, state)
    if keys.parked:
        loading.read_parked(reading, keys.parked, state)
        queries.read_activities_of_parked(reading, keys.parked, state)
    if keys.holds:
        queries.read_holds(reading, keys.holds, state)
    if keys.spends:
        queries.read_spends(reading, keys.spends, state)
    if keys.gifts:
        queries.read_gifts(reading, keys.gifts, state)
    if keys.adjustments:
        queries.read_adjustments(reading, keys.adjustments, state)
    if keys.partner_conversions:
        read_partner_conversions(reading, keys.partner_conversions, state)


def _read_members(reading: Reading, keys: _Keys, ladders: Sequence[str], state: PointsState) -> None:
    """The members concerned, and what rules look at beside their lots."""
    members = keys.earning | keys.wallets
    if members:
        queries.read_members(reading, members, state)
        queries.read_balances(reading, members, state)
    if keys.accounts:
        queries.read_accounts(reading, keys.accounts, state)
    if keys.groups:
        read_seats(reading, keys.groups, state)
    if keys.seats:
        read_seats_since(reading, keys.seats, state)
    if keys.standings:
        queries.read_standings(reading, keys.standings, ladders, state)
    if keys.caps:
        queries.read_cap_uses(reading, keys.caps, state)


def _read_lots(
    reading: Reading, wallets: Collection[UUID], reversing: Sequence[ActivityRow], state: PointsState
) -> None:
    """The lots that commands may move, and the holds on them."""
    if wallets:
        queries.read_open_holds(reading, wallets, state)
        queries.read_open_lots(reading, wallets, state)
    burnt = {(spend.member_id, use.lot_id) for spend in state.spends.values() for use in spend.uses}
    if burnt:
        queries.read_lots(reading, sorted(burnt), state)
    if reversing:
        activity_ids = [row.activity_id for row in reversing]
        loading.read_refunds(reading, activity_ids, state)
        loading.read_completions(reading, activity_ids, state)
        queries.read_lots_of_activities(reading, [(row.member_id, row.activity_id) for row in reversing], state)


def _read_debts(reading: Reading, wallets: Collection[UUID], state: PointsState) -> None:
    """What members owe; the lots of those who did not need them before: what they earn pays it, or comes back."""
    indebted = {member_id for (member_id, _), balance in state.balances.items() if balance.debt}
    if indebted:
        queries.read_clawbacks(reading, indebted, state)
    refunded = {row.member_id for row in state.parked.values()}
    if paying := (indebted | refunded).difference(wallets):
        queries.read_open_holds(reading, paying, state)
        queries.read_open_lots(reading, paying, state)


def _rows_reversed(reversals: set[UUID], state: PointsState) -> list[ActivityRow]:
    if not reversals:
        return []
    return [row for row in state.activities.values() if {row.activity_id, row.natural_key} & reversals]


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


@dataclass(frozen=True, slots=True)
class _Followed:
    """Events of another service on a partition, to be folded in as they are."""

    partition: int
    events: tuple[Heard, ...]


def decide(states: StateByPartition, command: Command, moment: Moment[PointsConfig]) -> Decided:
    """Decide one command."""
    match command:
        case Give() | AcceptGift() | CancelGift():
            return gifts.decide(states, command, moment)
        case Spend(group_id=UUID()):
            return groups.spend(states, command, moment)
        case RefundSpend() if command.spend_id in states.of(moment.partition_of(command.owners[0])).pooled_spends:
            return groups.refund(states, command, moment)
        case _:
            partition = moment.partition_of(command.owners[0])
            return _decide(states.of(partition), command, moment.within(partition))


def _decide(state: PointsState, command: CommandOfOne, moment: Moment[PointsConfig]) -> Decided:
    """Decide a command that concerns one partition."""
    match command:
        case RecordActivity():
            return activities.record(state, command, moment)
        case ReverseActivity():
            return refunds.reverse(state, command, moment)
        case CompleteActivity():
            return completion.complete(state, command, moment)
        case ResolveParkedRefund():
            return parking.resolve(state, command, moment)
        case BuryParkedRefunds():
            return parking.bury(state, command, moment)
        case RefundActivity():
            return refunds.refund(state, command, moment)
        case Adjust() | ResolveAdjustment():
            return adjustments.decide(state, command, moment)
        case Grant() | Forfeit() | Convert():
            return movements.decide(state, command, moment)
        case StartPartnerConversion() | AnswerPartnerConversion() | SettlePartnerConversion():
            return partners.decide(state, command, moment)
        case FeedBatch():
            heard = tuple(event for record in command.records for event in record.events)
            return Decision(_Followed(command.partition, heard), lambda: b"")
        case _:
            return wallets.decide(state, command, moment)


def apply(states: StateByPartition, outcome: object, moment: Moment[PointsConfig]) -> None:
    """Fold an outcome into the states of the partitions that it concerns."""
    match outcome:
        case activities.Recorded() | Refunded() | parking.Parked() | releasing.Completing():
            partition = moment.partition_of(outcome.member_id.int)
            outcome.apply(states.of(partition), moment.within(partition))
        case gifts.Changed() | groups.Pooled():
            outcome.apply(states, moment)
        case adjustments.Adjusted():
            outcome.apply(states.of(moment.partition_of(outcome.adjustment.member_id.int)))
        case partners.Changed():
            outcome.apply(states.of(moment.partition_of(outcome.conversion.member_id.int)))
        case _Followed():
            state = states.of(outcome.partition)
            for event in outcome.events:
                _hear(state, event)
        case list():
            for wallet in outcome:
                assert isinstance(wallet, Wallet)
                states.of(moment.partition_of(wallet.member_id.int)).put_wallet(wallet)
        case _:
            raise TypeError(f"no outcome of points: {outcome!r}")


def _hear(state: PointsState, event: Heard) -> None:
    match event:
        case MemberHeard():
            state.put_member(event.member_id, event.status)
        case AccountHeard():
            state.put_account(Account(event.account_id, event.member_id, event.domain, event.linked))
        case GroupSeat():
            state.put_seat(event)
        case _:
            state.put_standing(event.member_id, event.ladder, event.effective_from, event.level)


OPERATIONS: Operations[StateByPartition, PointsConfig] = Operations(StateByPartition, load, decide, apply)
