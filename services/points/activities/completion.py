"""Completing activities: what was pending until then is released. Sources: model.md "pending until an event"; E7."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from services.chassis.access import domain_not_allowed
from services.chassis.errors import Rejection
from services.chassis.operations import Decided, Decision, Moment
from services.points import errors, wire
from services.points.activities import wire as activity_wire
from services.points.commands import ActivityKey, CompleteActivity
from services.points.documents import PointsConfig
from services.points.specs import MAX_AMOUNT
from services.points.state import PointsState
from services.points.values import ActivityRow, Completion, EntryKind, Wallet, funder_account
from services.points.wallets.lots import settle


class Completing(NamedTuple):
    """A completed activity: what to write and tell."""

    completion: Completion
    wallets: tuple[Wallet, ...]

    @property
    def member_id(self) -> UUID:
        """Whose it is."""
        return self.completion.member_id

    def apply(self, state: PointsState, moment: Moment[PointsConfig]) -> None:
        """Fold it in."""
        for wallet in self.wallets:
            state.put_wallet(wallet)
        state.put_completion(self.completion)


def complete(state: PointsState, command: CompleteActivity, moment: Moment[PointsConfig]) -> Decided:
    """Release what waits for an activity to be completed. Of one that came back as a whole it is void."""
    named = command.activity
    activity_id = state.activity_by_natural_key.get(named.natural_key) if isinstance(named, ActivityKey) else named
    row = state.activities.get(activity_id) if activity_id is not None else None
    if row is None:
        return _unknown(named)
    activity = wire.activity_of(row.body)
    if not command.caller.may_act_in(activity.domain):
        return domain_not_allowed(command.caller, activity.domain)
    known = state.completions.get(row.activity_id)
    if known is not None or row.reversed_at is not None:
        since = known.completed_at if known is not None and row.reversed_at is None else None
        return Decision([], lambda: activity_wire.complete_response(row.activity_id, since, (), None))
    at = max(row.effective_at, min(command.completed_at, moment.at))
    released = _release(state, row, wire.decode_account(activity.account_id), at, moment)
    if isinstance(released, Rejection):
        return released
    wallets, told = released
    outcome = Completing(Completion(row.activity_id, row.member_id, at), wallets)
    return Decision(
        outcome, lambda: activity_wire.complete_response(row.activity_id, at, told, wire.position_of(moment))
    )


def _unknown(named: UUID | ActivityKey) -> Rejection:
    """The rejection of an activity that is not recorded, as it was named."""
    if isinstance(named, ActivityKey):
        return errors.activity_of_key_unknown(named.domain, named.type, named.reference)
    return errors.activity_unknown(wire.activity_id(named))


def _release(
    state: PointsState, row: ActivityRow, account_id: UUID, at: datetime, moment: Moment[PointsConfig]
) -> tuple[tuple[Wallet, ...], Sequence[activity_wire.Completed]] | Rejection:
    """The wallets with what waited released in them, less what refunds took back, and what that was."""
    refunds = state.refunds[row.activity_id]
    last = activity_wire.recorded_refund(refunds[-1].answer).taken_back if refunds else None
    wallets: dict[str, Wallet] = {}
    told: list[activity_wire.Completed] = []
    for number, effect in enumerate(activity_wire.recorded_effects(row.answer)):
        kept = last[number].kept if last is not None else effect.amount
        if not effect.until_completed or not kept:
            continue
        wallet = wallets.setdefault(effect.unit, state.wallet(row.member_id, effect.unit))
        settle(wallet, moment.at)
        expires_at = None
        if effect.lot_id is not None:
            unit = moment.config.units.get(effect.unit)
            expires_at = unit.expires_at(at) if unit is not None else None
            wallet.put_lot(wallet.lots[effect.lot_id]._replace(available_at=at, expires_at=expires_at))
            settle(wallet, moment.at)
        elif wallet.balance.balance + kept > MAX_AMOUNT:
            return errors.amount_out_of_range(f"the balance of {effect.unit}")
        else:
            funder = funder_account(effect.funder)
            wallet.book(EntryKind.EARN, kept, funder, at, row.activity_id, account_id)
        balance = wallet.balance.balance
        told.append(activity_wire.Completed(effect.unit, effect.funder, kept, effect.lot_id, expires_at, balance))
    return tuple(wallets.values()), told
