"""Commands on activities: recording what happened."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from services.chassis.errors import Rejection
from services.chassis.feed_batch import FeedBatch
from services.chassis.idempotency import REUSED
from services.chassis.ids import derived
from services.chassis.operations import Decided, Decision, Moment, Wider
from services.chassis.verdicts import accepted
from services.points import errors, events, wire
from services.points.activities import parking, rules
from services.points.activities.limits import UNLIMITED, Limits, cap_period
from services.points.activities.outcomes import Verdict
from services.points.budgets.definitions import Budget, BudgetKey
from services.points.budgets.loading import BudgetPeriods
from services.points.budgets.values import Draw, Left, Place
from services.points.commands import RecordActivity
from services.points.documents import PointsConfig
from services.points.giving import Subject
from services.points.groups.caps import group_at
from services.points.members import member_rejection
from services.points.merges.drawing import balance_elsewhere
from services.points.specs import MAX_AMOUNT
from services.points.state import PointsState
from services.points.units import Unit
from services.points.values import (
    UNTIL_COMPLETED,
    ActivityRow,
    Balance,
    Booked,
    CapKey,
    Entry,
    EntryKind,
    Lot,
    funder_account,
)
from services.points.wallet import Wallet
from services.points.wallets.lots import settle


def cap_keys(command: RecordActivity, config: PointsConfig) -> list[CapKey]:
    """The caps that an activity may draw on, from its earliest period on."""
    at = earliest(command)
    return [CapKey(command.member_id, rule.code, cap_period(rule, at)) for rule in config.capped_rules]


def budget_periods(command: RecordActivity, config: PointsConfig) -> list[BudgetPeriods]:
    """The budgets that an activity may draw on, and in which periods: that depends on when its batch is decided."""
    return [
        BudgetPeriods(
            budget.code, budget.key(earliest(command)).period_start, budget.key(command.occurred_at).period_start
        )
        for budget in config.drawn_budgets
    ]


def earliest(command: RecordActivity) -> datetime:
    """The earliest instant at which an activity may take effect: one from the future is booked at receipt."""
    return min(command.occurred_at, command.received_at)


def ladders_of(commands: Iterable[object], config: PointsConfig) -> Sequence[str]:
    """The ladders whose standings a batch needs: those that rules look at, and those it hears about."""
    heard = {
        event.ladder
        for command in commands
        if isinstance(command, FeedBatch) and command.source == "tiers"
        for record in command.records
        for event in record.events
    }
    return sorted(heard | set(config.ladders))


class Recorded(NamedTuple):
    """A recorded activity: what to write and tell."""

    command: RecordActivity
    row: ActivityRow
    booked: Sequence[Booked]
    caps: Sequence[tuple[CapKey, int]]
    draws: Sequence[Draw]
    settled: tuple[Wallet, ...]
    """Wallets whose lots live longer now; what had expired before is booked first."""
    paying: tuple[Wallet, ...]
    """Wallets in which something was owed; what was earned may pay it."""

    @property
    def member_id(self) -> UUID:
        """Whose it is."""
        return self.row.member_id

    def apply(self, state: PointsState, moment: Moment[PointsConfig]) -> None:
        """Fold it in."""
        for wallet in self.settled:
            state.put_wallet(wallet)
        first_ordinal = state.next_ordinal
        for entry, lot, balance in self.booked:
            state.book(entry)
            state.put_balance(entry.member_id, entry.unit, balance)
            if lot is not None:
                state.put_new_lot(lot)
        for key, amount in self.caps:
            state.draw_on_cap(self.member_id, key, amount, moment)
        for draw in self.draws:
            place = place_of(self.member_id, moment)
            state.budgets.draw(place, moment.config.budgets[draw.key.budget], draw)
        state.put_new_activity(self.row)
        state.tell(events.activity_recorded(self.command, self.row, self.booked, self.draws, first_ordinal))
        for wallet in self.paying:
            state.put_wallet(wallet)
        parking.apply_waiting(state, self.row, moment)


def record(state: PointsState, command: RecordActivity, moment: Moment[PointsConfig]) -> Decided:
    """Decide what an activity earns, in every unit. A repeated one gets its first answer again."""
    known = _known(state, command)
    if known is not None:
        return known
    rejection = member_rejection(state, command.member_id, command.account_id, command.domain)
    if rejection is not None:
        return rejection
    levels = levels_of(state, command, moment)
    evaluated = evaluate(state, command, moment, levels)
    if isinstance(evaluated, Rejection | Wider):
        return evaluated
    effective_at, earnings, booked, settled, draws = evaluated
    if draws and state.parked_of(command.natural_key):
        # What waits for the activity may give back to budgets what it draws.
        wider = state.budgets.wider_for_all(place_of(command.member_id, moment), [draw.key for draw in draws])
        if wider is not None:
            return wider
    answer = wire.record_response(command, earnings, booked, effective_at, moment)
    caps = [(o.cap_key, o.amount) for e in earnings for o in e.rules if o.cap_key is not None and o.amount]
    row = ActivityRow(
        command.activity_id,
        command.natural_key,
        command.member_id,
        effective_at,
        command.request.fingerprint,
        command.body,
        answer,
        len(command.lines),
        None,
    )
    paying = _pay(state, booked, settled, moment.at)
    outcome = Recorded(command, row, booked, caps, draws, tuple(settled.values()), paying)
    return Decision(outcome, lambda: answer, keeps_itself=True)


class Evaluated(NamedTuple):
    """What an activity earns: by unit and funder, and as it is booked."""

    effective_at: datetime
    earnings: list[rules.Earned]
    booked: list[Booked]
    settled: dict[str, Wallet]
    """Wallets whose lots live longer."""
    draws: Sequence[Draw]
    """What it draws on budgets."""


def place_of(member_id: UUID, moment: Moment[PointsConfig]) -> Place:
    """Where a member draws on budgets."""
    return Place(moment.partition_of(member_id.int), moment.mask + 1)


def levels_of(state: PointsState, command: RecordActivity, moment: Moment[PointsConfig]) -> dict[str, str]:
    """The member's level on each ladder that rules look at, when the activity takes effect."""
    if not moment.config.ladders:
        return {}
    return state.levels(command.member_id, min(command.occurred_at, moment.at))


def evaluate(
    state: PointsState,
    command: RecordActivity,
    moment: Moment[PointsConfig],
    levels: Mapping[str, str],
    told: dict[str, Verdict] | None = None,
) -> Evaluated | Rejection | Wider:
    """What an activity earns on such levels; what each rule does is put into `told`, if that is asked for.

    Wider where a budget has not enough left among what the state has loaded of it, or a cap of a group is not loaded.
    """
    config = moment.config
    if not config.units:
        return errors.NOT_CONFIGURED
    effective_at = min(command.occurred_at, moment.at)
    subject = Subject(command.activity, command.lines, levels)
    limits = _limits(state, command, effective_at, moment) if config.has_limited_rules else UNLIMITED
    try:
        outcomes = rules.evaluate(config.rules, subject, effective_at, limits, told)
        if limits.unknown_caps:
            return state.group_caps.wider_for_all(limits.unknown_caps, config.group_capped_rules, effective_at)
        if limits.lacking:
            return state.budgets.wider(place_of(command.member_id, moment), limits.lacking)
        earnings = rules.earnings(outcomes)
    except rules.OutOfRange as out:
        return errors.amount_out_of_range("what the activity earns", unit=out.unit, amount=out.amount)
    currency = _foreign_currency(command.currency, earnings)
    if currency is not None:
        return errors.currency_mismatch(currency)
    settled = _slide(state, command, effective_at, moment)
    booked = _book(state, command, earnings, effective_at, settled)
    return booked if isinstance(booked, Rejection) else Evaluated(effective_at, earnings, booked, settled, limits.draws)


def _limits(
    state: PointsState, command: RecordActivity, effective_at: datetime, moment: Moment[PointsConfig]
) -> Limits:
    """What its rules may draw on."""

    def budget_left(budget: Budget, key: BudgetKey) -> Left:
        return state.budgets.left(place_of(command.member_id, moment), budget, key)

    def room(unit: Unit) -> int:
        wallet = state.wallet(command.member_id, unit.code)
        settle(wallet, moment.at)
        assert unit.spec.max_balance is not None, "checked when it was published"
        elsewhere = balance_elsewhere(state, command.member_id, unit.code, moment.at)
        return max(0, unit.spec.max_balance - wallet.balance.balance - elsewhere)

    def group_used(key: CapKey) -> int | None:
        return state.group_caps.used(moment.partition_of(key.member_id.int), key)

    capped = moment.config.group_capped_rules
    group_id = group_at(state.seats.get(command.member_id, {}).values(), effective_at) if capped else None
    return Limits(command.member_id, effective_at, state.used, budget_left, room, group_id, group_used)


def _known(state: PointsState, command: RecordActivity) -> Decided | None:
    """What an activity that is already recorded is answered."""
    row = state.activities.get(command.activity_id)
    if row is not None:
        return accepted(row.answer) if row.fingerprint == command.request.fingerprint else REUSED
    activity_id = state.activity_by_natural_key.get(command.natural_key)
    if activity_id is None:
        return None
    row = state.activities[activity_id]
    if row.fingerprint == command.request.fingerprint:
        # Kept, so that this request id too stands for this activity from now on.
        return Decision([], lambda: row.answer)
    return errors.activity_already_recorded(wire.activity_id(activity_id))


def _foreign_currency(currency: str, earnings: Sequence[rules.Earned]) -> str | None:
    """The currency that the activity should be in, if it is in another."""
    if not currency:
        return None
    return next((e.unit.currency for e in earnings if e.unit.currency != currency), None)


def _slide(
    state: PointsState, command: RecordActivity, effective_at: datetime, moment: Moment[PointsConfig]
) -> dict[str, Wallet]:
    """Wallets whose lots slide with activity: what expired before is booked, then the rest lives longer."""
    wallets: dict[str, Wallet] = {}
    for unit in moment.config.sliding_units:
        wallet = state.wallet(command.member_id, unit.code)
        settle(wallet, moment.at)
        until = unit.slides_to(effective_at)
        if wallet.balance.slides_to is None or until > wallet.balance.slides_to:
            wallet.balance = wallet.balance._replace(slides_to=until)
        wallets[unit.code] = wallet
    return wallets


def _book(
    state: PointsState,
    command: RecordActivity,
    earnings: Sequence[rules.Earned],
    effective_at: datetime,
    settled: dict[str, Wallet],
) -> list[Booked] | Rejection:
    """One entry for each unit and funder that earned something, in their order."""
    booked: list[Booked] = []
    member_id, account_id, activity_id = command.member_id, command.account_id, command.activity_id
    balances = {code: wallet.balance for code, wallet in settled.items()}
    for earned in earnings:
        if earned.amount == 0 or earned.is_booked_later:
            continue
        code = earned.unit.code
        before = balances.get(code) or state.balance(member_id, code)
        total = before.balance + earned.amount
        if total > MAX_AMOUNT:
            return errors.balance_out_of_range(code, before.balance, earned.amount)
        lot = _lot(command, earned, effective_at, len(booked) + 1)
        after = balances[code] = Balance(total, before.debt, before.slides_to)
        counterparty = funder_account(earned.funder)
        entry = Entry(
            member_id,
            code,
            EntryKind.EARN,
            earned.amount,
            total,
            counterparty,
            effective_at,
            account_id,
            activity_id,
            earned.level,
        )
        booked.append(Booked(entry, lot, after))
    return booked


def _lot(command: RecordActivity, earned: rules.Earned, effective_at: datetime, ordinal: int) -> Lot | None:
    """The lot of what was earned; a score has none."""
    unit = earned.unit
    if not unit.is_spendable:
        return None
    activity_id, amount = command.activity_id, earned.amount
    lot_id = derived(activity_id, ordinal)
    if earned.until_completed:
        available, expires_at = UNTIL_COMPLETED, UNTIL_COMPLETED if unit.slides else None
    else:
        available = unit.available_at(effective_at)
        # Points that slide and cannot be spent yet live at least one term from when they can.
        waits = unit.slides and available > effective_at
        expires_at = unit.slides_to(available) if waits else unit.expires_at(available)
    wallet, left = (command.member_id, lot_id, unit.code), (amount, amount, 0, 0)
    return Lot(*wallet, *left, available, expires_at, earned.funder, activity_id, command.account_id, unit.slides)


def _pay(
    state: PointsState,
    booked: Sequence[Booked],
    settled: dict[str, Wallet],
    now: datetime,
) -> tuple[Wallet, ...]:
    """The wallets in which something was owed, after what was earned has paid it."""
    paying: dict[str, Wallet] = {}
    for _, lot, after in booked:
        if lot is None or not after.debt:
            continue
        wallet = paying.get(lot.unit)
        if wallet is None:
            base = settled.get(lot.unit) or state.wallet(lot.member_id, lot.unit)
            wallet = paying[lot.unit] = Wallet(
                lot.member_id, lot.unit, after, dict(base.lots), dict(base.holds), dict(base.clawbacks)
            )
        wallet.balance = after
        wallet.lots[lot.lot_id] = lot
    for wallet in paying.values():
        settle(wallet, now)
    return tuple(paying.values())
