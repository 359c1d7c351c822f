"""Tiers' work on a batch: load what feeds and evaluations concern, decide each in order, fold in what was decided."""

from collections.abc import Mapping

from services.chassis.feed_batch import FeedBatch
from services.chassis.member_records.commands import Preview
from services.chassis.operations import Decided, Decision, Moment, Operations, Wider
from services.tiers import evaluation, events, scoring
from services.tiers.commands import Evaluate
from services.tiers.loading import TiersCommand, load
from services.tiers.merges import following, previews
from services.tiers.merges.resolving import resolve
from services.tiers.merges.values import ErasureHeard, MergeHeard, UnmergeHeard
from services.tiers.state import Changes
from services.tiers.states import States, Work
from services.tiers.values import Config, Member


def decide(states: States, command: TiersCommand, moment: Moment[Config]) -> Decided:
    """Decide one command: what it changes, on top of states that it leaves alone."""
    work = Work(states, moment)
    match command:
        case Evaluate():
            changes = work.at(command.partition)
            answer = evaluation.evaluate(states.at(command.partition), changes, command)
            return Decision(work.changes, lambda: answer)
        case FeedBatch(source="points"):
            return _hear_of_points(work, command)
        case FeedBatch():
            for record in command.records:
                for event in record.events:
                    _hear_of_member(work, event)
            return Decision(work.changes, bytes)
        case _ if isinstance(command, Preview):
            return previews.decide(work, command)
        case _:
            raise TypeError(f"tiers decides no {type(command).__name__}")


def _hear_of_points(work: Work, batch: FeedBatch) -> Decision | Wider:
    """Let scores count; those sent to an ID that means somebody else count there."""
    state, changes = work.states.at(batch.partition), work.at(batch.partition)
    for record in batch.records:
        heard = state.heard[record.position]
        if not state.links:
            for score in heard:
                scoring.score(changes, score)
            continue
        found = resolve(work, heard)
        if isinstance(found, Wider):
            return found
        for score in found:
            scoring.score(work.of(score.member_id), score)
    return Decision(work.changes, bytes)


def _hear_of_member(work: Work, event: events.HeardOfIdentity) -> None:
    match event:
        case events.Enrolled(member_id, enrolled_at):
            work.of(member_id).put_member(Member(member_id, events.ACTIVE, enrolled_at))
        case events.StatusChanged(member_id, status):
            member = work.of(member_id).member(member_id)
            assert member is not None, "identity tells of a member's enrolment first"
            work.of(member_id).put_member(member._replace(status=status))
        case MergeHeard():
            following.merged(work, event)
        case UnmergeHeard():
            following.unmerged(work, event)
        case ErasureHeard():
            following.erased(work, event)


def apply(states: States, changes: Mapping[int, Changes], moment: Moment[Config]) -> None:
    """Fold changes into the states."""
    states.merge(changes)


OPERATIONS: Operations[States, Config] = Operations(States, load, decide, apply)
