"""Tiers' work on a batch: load what feeds and evaluations concern, decide each in order, fold in what was decided."""

from services.chassis.operations import Decided, Decision, Moment, Operations
from services.tiers import evaluation, events, scoring
from services.tiers.commands import Evaluate
from services.tiers.loading import TiersCommand, load
from services.tiers.state import Changes, TiersState
from services.tiers.values import Config, Member


def decide(state: TiersState, command: TiersCommand, moment: Moment[Config]) -> Decided:
    """Decide one command: what it changes, on top of a state that it leaves alone."""
    changes = Changes(state, moment)
    if isinstance(command, Evaluate):
        return evaluation.evaluate(state, changes, command)
    for record in command.records:
        if command.source == "points":
            for heard in state.heard[record.position]:
                scoring.score(changes, heard)
        else:
            for event in record.events:
                _hear_of_member(changes, event)
    return Decision(changes, lambda: b"")


def _hear_of_member(changes: Changes, event: events.HeardOfIdentity) -> None:
    match event:
        case events.Enrolled(member_id, enrolled_at):
            changes.put_member(Member(member_id, events.ACTIVE, enrolled_at))
        case events.StatusChanged(member_id, status):
            member = changes.member(member_id)
            assert member is not None, "identity tells of a member's enrolment first"
            changes.put_member(member._replace(status=status))


def apply(state: TiersState, changes: Changes, moment: Moment[Config]) -> None:
    """Fold changes into the state."""
    state.merge(changes)


OPERATIONS: Operations[TiersState, Config] = Operations(TiersState, load, decide, apply)
