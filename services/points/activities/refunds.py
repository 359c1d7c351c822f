"""Commands on what comes back of activities: refunds of the whole or a part, and reversals."""

from services.chassis.access import Caller, domain_not_allowed
from services.chassis.errors import Rejection
from services.chassis.operations import Decided, Decision, Moment, Wider
from services.points import errors, wire
from services.points.activities import parking
from services.points.activities import wire as activity_wire
from services.points.activities.clawbacks import known_refund, take_back
from services.points.commands import ActivityKey, RefundActivity, ReverseActivity
from services.points.documents import PointsConfig
from services.points.state import PointsState
from services.points.values import ActivityRow, RefundRow


def refund(state: PointsState, command: RefundActivity, moment: Moment[PointsConfig]) -> Decided:
    """Refund an activity, or wait for it; a repeated refund gets its first answer again."""
    named = command.activity
    if isinstance(named, ActivityKey):
        activity_id = state.activity_by_natural_key.get(named.natural_key)
        if activity_id is None:
            return _park(state, command, named, moment)
    else:
        activity_id = named
    row = state.activities.get(activity_id)
    if row is None:
        return errors.activity_unknown(wire.activity_id(activity_id))
    rejection = _domain_rejection(row, command.caller)
    if rejection is not None:
        return rejection
    known = known_refund(state, row, command.reference, command.fingerprint)
    if isinstance(known, RefundRow):
        # Kept, so that this request id too stands for this refund from now on.
        return Decision([], lambda: known.answer)
    refunded = known or take_back(state, row, command.returned, command.reference, command.fingerprint, moment)
    if isinstance(refunded, Rejection | Wider):
        return refunded
    return Decision(refunded, lambda: refunded.refund.answer)


def _park(state: PointsState, command: RefundActivity, key: ActivityKey, moment: Moment[PointsConfig]) -> Decided:
    """Let a refund wait for its activity; a repeated one gets its first answer again."""
    known = parking.known(state, key, command.reference)
    if known is not None:
        is_same = known.body == command.body
        return Decision([], lambda: known.answer) if is_same else errors.refund_already_recorded(command.reference)
    parked_id = parking.parked_id_of(key, command.reference)
    answer = activity_wire.parked_response(parked_id, wire.position_of(moment))
    return parking.park(state, key, command.reference, command.body, answer, moment)


def _domain_rejection(row: ActivityRow, caller: Caller) -> Rejection | None:
    domain = wire.activity_of(row.body).domain
    return None if caller.may_act_in(domain) else domain_not_allowed(caller, domain)


def reverse(state: PointsState, command: ReverseActivity, moment: Moment[PointsConfig]) -> Decided:
    """Take back all that is left of an activity."""
    row = state.activities.get(command.activity_id)
    if row is None:
        return errors.activity_unknown(wire.activity_id(command.activity_id))
    rejection = _domain_rejection(row, command.caller)
    if rejection is not None:
        return rejection
    refunded = take_back(state, row, None, "", command.request.fingerprint, moment)
    if isinstance(refunded, Rejection | Wider):
        return refunded
    return Decision(refunded, lambda: activity_wire.reverse_response(refunded.taken_back, wire.position_of(moment)))
