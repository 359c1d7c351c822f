"""What taking activities back, in whole or in part, takes back of what they earned.

A refund is decided by what was recorded of its activity and of the refunds before it, never by today's rules. What a
member is to have given back follows from what is left, so a sum of refunds comes to what one refund of it all does.
"""

from collections.abc import Iterator, Sequence
from hashlib import blake2b
from typing import NamedTuple
from uuid import UUID

from services.chassis import ids
from services.chassis.errors import Rejection
from services.chassis.operations import Moment, Wider
from services.points import errors, events, wire
from services.points.activities import returns
from services.points.activities import wire as activity_wire
from services.points.activities.returns import Kept, RecordedRule, Returned
from services.points.budgets.definitions import BudgetKey
from services.points.budgets.values import Draw, Place
from services.points.documents import PointsConfig
from services.points.merges import counts
from services.points.merges.drawing import home_of, score_home, send_home, with_lent
from services.points.specs import DEFAULT_NEGATIVE_BALANCE
from services.points.state import PointsState
from services.points.values import ActivityRow, CapKey, RefundRow
from services.points.wallet import Wallet
from services.points.wallets import taking_back
from services.points.wallets.taking_back import Due


def cap_keys_of(row: ActivityRow) -> list[CapKey]:
    """The caps of its member that a recorded activity drew on."""
    rules = [rule for effect in activity_wire.recorded_effects(row.answer) for rule in effect.rules]
    own = [rule for rule in rules if rule.cap_group is None]
    return [CapKey(row.member_id, rule.rule, rule.cap_period) for rule in own if rule.cap_period is not None]


def budget_keys_of(row: ActivityRow) -> list[BudgetKey]:
    """The budgets that a recorded activity drew on."""
    rules = [rule for effect in activity_wire.recorded_effects(row.answer) for rule in effect.rules]
    return [rule.budget_key for rule in rules if rule.budget_key is not None]


class Refunded(NamedTuple):
    """A refunded activity: what to write and tell."""

    row: ActivityRow
    refund: RefundRow
    taken_back: Sequence[activity_wire.TakenBack]
    wallets: tuple[Wallet, ...]
    caps: Sequence[tuple[CapKey, int]]
    """What each cap gets back."""
    draws: Sequence[Draw]
    """What each budget gets back."""
    is_whole: bool
    completed_units: Sequence[str]
    """The units whose scores counted from the activity's completion on."""
    account_id: UUID
    home: UUID | None
    """Whose its account is now, where that left the member."""

    @property
    def member_id(self) -> UUID:
        """Whose it is."""
        return self.row.member_id

    def apply(self, state: PointsState, moment: Moment[PointsConfig]) -> None:
        """Fold it in."""
        for wallet in self.wallets:
            state.elsewhere(wallet.member_id).put_wallet(wallet)
        for key, amount in self.caps:
            self._give_back(state, key, amount, moment)
        for draw in self.draws:
            budget = moment.config.budgets.get(draw.key.budget)
            amount = budget.amount if budget is not None else 0
            state.budgets.give_back(_place_of(self.row, moment), amount, draw)
        state.put_new_refund(self.refund)
        completion = state.completions.get(self.row.activity_id)
        state.tell(
            events.activity_refunded(self.refund, self.row.effective_at, completion, self.completed_units, self.draws)
        )
        if self.is_whole:
            row = self.row
            state.mark_reversed(row.activity_id, moment.at)
            state.tell(events.activity_reversed(row.activity_id, row.member_id, row.effective_at, moment.at))

    def _give_back(self, state: PointsState, key: CapKey, amount: int, moment: Moment[PointsConfig]) -> None:
        """Give back to a cap, of whoever has the account now."""
        if self.home is None or key.member_id != self.member_id:
            state.draw_on_cap(self.member_id, key, -amount, moment)
        else:
            counts.give_back(state, state.elsewhere(self.home), self.home, self.account_id, key, amount)


def known_refund(
    state: PointsState, row: ActivityRow, reference: str, fingerprint: bytes
) -> RefundRow | Rejection | None:
    """The refund of an activity that is recorded by a reference; a rejection where that has another body."""
    for refund in state.refunds[row.activity_id]:
        if refund.reference == reference:
            return refund if refund.fingerprint == fingerprint else errors.refund_already_recorded(reference)
    return None


class _Coming(NamedTuple):
    """An activity of which something comes back."""

    row: ActivityRow
    account_id: UUID
    is_whole: bool
    effects: Sequence[activity_wire.RecordedEffect]
    kept_before: Kept
    kept: Kept
    """What the member keeps of the points of each rule of each effect, before and from now on."""
    earlier: Sequence[activity_wire.RecordedRefund]
    is_completed: bool
    home: UUID | None
    """Whose its account is now, where that left the member."""

    def completed_units(self) -> list[str]:
        """The units whose scores counted from its completion on."""
        if not self.is_completed:
            return []
        return sorted({effect.unit for effect in self.effects if effect.until_completed and effect.lot_id is None})

    def gone(self) -> Iterator[tuple[RecordedRule, int]]:
        """Each rule of each effect, and what of its points is given no more."""
        for effect, *both in zip(self.effects, self.kept_before, self.kept, strict=True):
            for rule, before, after in zip(effect.rules, *both, strict=True):
                yield rule, before - after

    def caps(self) -> list[tuple[CapKey, int]]:
        """What each cap gets back: as much as what was drawn on it falls."""
        return [
            (CapKey(rule.cap_group or self.row.member_id, rule.rule, rule.cap_period), gone)
            for rule, gone in self.gone()
            if rule.cap_period is not None
        ]

    def draws(self) -> list[Draw]:
        """What each budget gets back, in the period that it was drawn in."""
        back: dict[BudgetKey, int] = {}
        for rule, gone in self.gone():
            if rule.budget_key is not None and gone:
                back[rule.budget_key] = back.get(rule.budget_key, 0) + gone
        return [Draw(key, amount) for key, amount in back.items()]


def take_back(
    state: PointsState,
    row: ActivityRow,
    returned: Returned,
    reference: str,
    fingerprint: bytes,
    moment: Moment[PointsConfig],
) -> Refunded | Rejection | Wider:
    """What comes back of a recorded activity, and what that takes back of what it earned.

    Wider where a budget gets something back of which all partitions think that nothing is left, or a group's cap does.
    """
    if row.reversed_at is not None:
        return errors.activity_already_reversed(row.reversed_at)
    activity = wire.activity_of(row.body)
    lines = activity_wire.lines_of(activity)
    earlier = [activity_wire.recorded_refund(refund.answer) for refund in state.refunds[row.activity_id]]
    before = returns.left_of(lines, [part for refund in earlier for part in refund.parts])
    parts = returns.parts_of(lines, before, returned)
    if isinstance(parts, Rejection):
        return parts
    left = returns.left_of(before, parts)
    is_whole = all(map(returns.is_back, lines, left))
    account_id = wire.decode_account(activity.account_id)
    home = home_of(state, row.member_id, account_id)
    effects, is_completed = activity_wire.recorded_effects(row.answer), row.activity_id in state.completions
    rules = [effect.rules for effect in effects]
    kept_before = returns.kept_of(rules, lines, before)
    kept = [[0] * len(of_effect) for of_effect in rules] if is_whole else returns.kept_of(rules, lines, left)
    coming = _Coming(row, account_id, is_whole, effects, kept_before, kept, earlier, is_completed, home)
    draws, caps = coming.draws(), coming.caps()
    wider = state.group_caps.wider([key for key, _ in caps if key.member_id != row.member_id])
    if wider is not None:
        return wider
    wider = state.budgets.wider_to_give_back(_place_of(row, moment), draws)
    if wider is not None:
        return wider
    by = ids.derived(row.activity_id, _REFUND_ORDINAL + len(earlier))
    wallets = {effect.unit: state.wallet(row.member_id, effect.unit) for effect in effects}
    due = [_take_own(wallets[effect.unit], coming, number, moment) for number, effect in enumerate(effects)]
    taken_back: list[activity_wire.TakenBack] = []
    if row.member_id in state.links:
        due = [
            _with_lent(state, wallets[effect.unit], coming, due[number], _of_effect(by, number), moment)
            for number, effect in enumerate(effects)
        ]
    for number, effect in enumerate(effects):
        taken = _take_back(wallets[effect.unit], coming, number, due[number], moment)
        if isinstance(taken, Rejection):
            return taken
        taken_back.append(taken)
        if effect.lot_id is None:
            score_home(state, wallets[effect.unit], account_id, -taken.taken, by, moment.at)
    for wallet in wallets.values():
        send_home(state, wallet, by, moment.at)
    refunded = activity_wire.RecordedRefund(parts, taken_back)
    answer = activity_wire.refund_activity_response(
        row.activity_id, refunded, wire.position_of(moment), is_whole=is_whole
    )
    made = RefundRow(row.activity_id, len(earlier), row.member_id, reference, fingerprint, answer, moment.at)
    units = coming.completed_units()
    return Refunded(row, made, taken_back, tuple(wallets.values()), caps, draws, is_whole, units, account_id, home)


_REFUND_ORDINAL = 1 << 21
"""From which ordinal on what refunds need of other wallets has IDs derived from their activity's."""


def _place_of(row: ActivityRow, moment: Moment[PointsConfig]) -> Place:
    return Place(moment.partition_of(row.member_id.int), moment.mask + 1)


def _take_own(wallet: Wallet, coming: _Coming, number: int, moment: Moment[PointsConfig]) -> Due | None:
    """What of the `number`-th recorded effect is not kept, less what was taken before; None of a score."""
    effect = coming.effects[number]
    if effect.lot_id is None:
        return None
    due = effect.amount - sum(coming.kept[number])
    before = sum(refund.taken_back[number].taken for refund in coming.earlier)
    return taking_back.take_own(wallet, coming.row.activity_id, effect.lot_id, due, before, moment.at)


def _with_lent(
    state: PointsState, wallet: Wallet, coming: _Coming, due: Due | None, by: UUID, moment: Moment[PointsConfig]
) -> Due | None:
    """What is due of an effect, with what others of the person, or whoever has the account now, have of it."""
    if due is None:
        return None
    return with_lent(state, wallet, coming.account_id, coming.home, due, by, moment.at)


def _of_effect(by: UUID, number: int) -> UUID:
    """What the `number`-th effect needs of other wallets has IDs that follow from this one."""
    return ids.hashed(blake2b(by.bytes + number.to_bytes(4), digest_size=16).digest(), ids.routing_of(by))


def _take_back(
    wallet: Wallet, coming: _Coming, number: int, due: Due | None, moment: Moment[PointsConfig]
) -> activity_wire.TakenBack | Rejection:
    """Take back what is due of the `number`-th recorded effect.

    Only how a shortage is met is asked of the unit as it is configured today.
    """
    effect, activity_id = coming.effects[number], coming.row.activity_id
    before = [refund.taken_back[number] for refund in coming.earlier]
    kept = sum(coming.kept[number])
    if due is None:
        is_booked = coming.is_completed or not effect.until_completed
        taken = (before[-1].kept if before else effect.amount) - kept if is_booked else 0
        refused = taking_back.take_score_back(wallet, activity_id, coming.account_id, effect.funder, taken, moment.at)
        balance = wallet.balance.balance
        return refused or activity_wire.TakenBack(effect.unit, effect.funder, effect.amount, kept, taken, 0, 0, balance)
    unit = moment.config.units.get(effect.unit)
    policy = unit.spec.negative_balance if unit is not None else DEFAULT_NEGATIVE_BALANCE
    clawback = taking_back.claw_back(
        wallet,
        activity_id,
        coming.account_id,
        effect.funder,
        due,
        policy,
        len(before) * len(coming.effects) + number,
        moment.at,
    )
    if isinstance(clawback, Rejection):
        return clawback
    short = clawback.amount - sum(use.amount for use in clawback.uses)
    return activity_wire.TakenBack(
        unit=effect.unit,
        funder=effect.funder,
        earned=effect.amount,
        kept=kept,
        taken=clawback.amount,
        forgiven=short if policy == "forgive" else 0,
        deducted=short if policy == "deduct-from-cash" else 0,
        balance_after=wallet.balance.balance,
    )
