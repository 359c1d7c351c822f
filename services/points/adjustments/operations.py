"""Commands on adjustments: who may, what is decided, how it is answered."""

from dataclasses import replace
from typing import NamedTuple

from services.chassis.access import domain_not_allowed
from services.chassis.errors import Rejection
from services.chassis.operations import Decided, Decision, Moment
from services.points.adjustments import errors, rules, wire
from services.points.adjustments.commands import Adjust, ResolveAdjustment
from services.points.documents import PointsConfig
from services.points.errors import NOT_CONFIGURED, funder_unknown, unit_unknown
from services.points.members import member_rejection
from services.points.merges.drawing import wallet_to_draw_on
from services.points.specs import DEFAULT_FUNDER
from services.points.state import PointsState
from services.points.units import Unit
from services.points.values import Adjustment
from services.points.wallet import Wallet


class Adjusted(NamedTuple):
    """An adjustment as it becomes, and the wallet as that leaves it."""

    adjustment: Adjustment
    wallet: Wallet

    def apply(self, state: PointsState) -> None:
        """Fold it in."""
        state.put_wallet(self.wallet)
        state.put_adjustment(self.adjustment)


def decide(state: PointsState, command: Adjust | ResolveAdjustment, moment: Moment[PointsConfig]) -> Decided:
    """Decide one command on adjustments."""
    match command:
        case Adjust():
            return _adjust(state, command, moment)
        case ResolveAdjustment():
            return _resolve(state, command, moment)


def _adjust(state: PointsState, command: Adjust, moment: Moment[PointsConfig]) -> Decided:
    rejection = member_rejection(state, command.member_id, command.account_id, command.domain)
    if rejection is not None:
        return rejection
    unit = _unit(command.unit, moment.config)
    if isinstance(unit, Rejection):
        return unit
    if command.funder and command.funder not in moment.config.funders:
        return funder_unknown(command.funder)
    rejection = rules.time_rejection(unit, command.effective_at, moment.at)
    if rejection is not None:
        return rejection
    proposed = _proposed(command, moment)
    wallet = wallet_to_draw_on(
        state, command.member_id, command.unit, max(0, -command.amount), command.request.key, moment.at
    )
    adjustment: Adjustment | Rejection = proposed
    if not rules.needs_approval(unit, command.amount):
        adjustment = rules.apply(wallet, unit, proposed, moment.at)
    if isinstance(adjustment, Rejection):
        return adjustment
    return Decision(Adjusted(adjustment, wallet), lambda: wire.adjust_response(adjustment, wallet, moment))


def _unit(code: str, config: PointsConfig) -> Unit | Rejection:
    """The unit, of points or a score."""
    if not config.units:
        return NOT_CONFIGURED
    return config.units.get(code) or unit_unknown(code)


def _proposed(command: Adjust, moment: Moment[PointsConfig]) -> Adjustment:
    return Adjustment(
        adjustment_id=command.adjustment_id,
        member_id=command.member_id,
        account_id=command.account_id,
        domain=command.domain,
        unit=command.unit,
        amount=command.amount,
        cause=command.cause,
        funder=command.funder or DEFAULT_FUNDER,
        state="proposed",
        requested_by=command.caller.name,
        requested_at=moment.at,
        resolved_by="",
        resolved_at=None,
        effective_at=command.effective_at,
        uses=(),
    )


def _resolve(state: PointsState, command: ResolveAdjustment, moment: Moment[PointsConfig]) -> Decided:
    proposed = state.adjustments.get(command.adjustment_id)
    if proposed is None:
        return errors.adjustment_unknown(wire.adjustment_id(command.adjustment_id))
    if not command.caller.may_act_in(proposed.domain):
        return domain_not_allowed(command.caller, proposed.domain)
    rejection = rules.resolution_rejection(proposed, command.approve, command.caller.name)
    if rejection is not None:
        return rejection
    wallet = wallet_to_draw_on(
        state, proposed.member_id, proposed.unit, max(0, -proposed.amount), command.request.key, moment.at
    )
    resolved = replace(proposed, resolved_by=command.caller.name)
    outcome = _approved(wallet, resolved, moment) if command.approve else _rejected(resolved, moment)
    if isinstance(outcome, Rejection):
        return outcome
    return Decision(Adjusted(outcome, wallet), lambda: wire.resolve_response(outcome, wallet, moment))


def _approved(wallet: Wallet, adjustment: Adjustment, moment: Moment[PointsConfig]) -> Adjustment | Rejection:
    unit = _unit(adjustment.unit, moment.config)
    return unit if isinstance(unit, Rejection) else rules.apply(wallet, unit, adjustment, moment.at)


def _rejected(adjustment: Adjustment, moment: Moment[PointsConfig]) -> Adjustment:
    return replace(adjustment, state="rejected", resolved_at=moment.at)
