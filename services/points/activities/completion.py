"""Commands on completions of activities: those that are recorded, and those that are waited for."""

from services.chassis.access import domain_not_allowed
from services.chassis.errors import Rejection
from services.chassis.instants import timestamp
from services.chassis.operations import Decided, Decision, Moment
from services.points import errors, wire
from services.points.activities import parking, releasing
from services.points.activities import wire as activity_wire
from services.points.commands import ActivityKey, CompleteActivity
from services.points.documents import PointsConfig
from services.points.state import PointsState


def complete(state: PointsState, command: CompleteActivity, moment: Moment[PointsConfig]) -> Decided:
    """Release what waits for an activity to be completed, or wait for the activity. Of one that is back it is void."""
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
    domain = wire.activity_of(row.body).domain
    if not command.caller.may_act_in(domain):
        return domain_not_allowed(command.caller, domain)
    known = state.completions.get(row.activity_id)
    if known is not None or row.reversed_at is not None:
        since = known.completed_at if known is not None and row.reversed_at is None else None
        return Decision([], lambda: activity_wire.complete_response(row.activity_id, since, (), None))
    completing = releasing.release(state, row, command.completed_at, moment)
    if isinstance(completing, Rejection):
        return completing
    at, released, position = completing.completion.completed_at, completing.released, wire.position_of(moment)
    return Decision(completing, lambda: activity_wire.complete_response(row.activity_id, at, released, position))


def _park(state: PointsState, command: CompleteActivity, key: ActivityKey, moment: Moment[PointsConfig]) -> Decided:
    """Let a completion wait for its activity; another one changes nothing, whatever time it names."""
    known = parking.known(state, key, parking.COMPLETION)
    if known is not None:
        return Decision([], lambda: known.answer)
    body = timestamp(command.completed_at).SerializeToString()
    answer = activity_wire.parked_completion_response(
        parking.parked_id_of(key, parking.COMPLETION), wire.position_of(moment)
    )
    return parking.park(state, key, parking.COMPLETION, body, answer, moment)
