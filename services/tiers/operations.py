"""Tiers' work on a batch: load what feeds and evaluations concern, decide each in order, fold in what was decided."""

from collections.abc import Sequence

from services.chassis.feed_batch import FeedBatch
from services.chassis.operations import Decided, Decision, Moment, Operations, Wider
from services.tiers import evaluation, events, scoring
from services.tiers.commands import Evaluate
from services.tiers.loading import TiersCommand, load
from services.tiers.merges import following, previews
from services.tiers.merges.previews import PreviewErasure, PreviewMerge, PreviewUnmerge
from services.tiers.state import ChangesByPartition, Score, StateByPartition
from services.tiers.values import Config, Member


def decide(states: StateByPartition, command: TiersCommand, moment: Moment[Config]) -> Decided:
    """Decide one command: what it changes, on top of a state that it leaves alone."""
    changes = ChangesByPartition(states, moment)
    match command:
        case Evaluate():
            partition = command.partition
            answer = evaluation.evaluate(states.of(partition), changes.of(partition), command)
            return Decision(changes, lambda: answer)
        case FeedBatch():
            return _follow(states, changes, command)
        case PreviewMerge() | PreviewUnmerge() | PreviewErasure():
            return previews.decide(changes, command, moment)
        case _:
            raise TypeError(f"tiers decides on no {type(command).__name__}")


def _follow(states: StateByPartition, changes: ChangesByPartition, batch: FeedBatch) -> Decision | Wider:
    for record in batch.records:
        if batch.source == "points":
            heard = states.of(batch.partition).heard[record.position]
            wider = _hear_scores(changes, batch.partition, heard)
        else:
            wider = _hear_of_members(changes, batch.partition, record.events)
        if wider is not None:
            return wider
    return Decision(changes, lambda: b"")


def _hear_scores(changes: ChangesByPartition, partition: int, heard: Sequence[Score]) -> Wider | None:
    """What is told of a member that was merged counts for whom its ID leads to."""
    own = changes.of(partition)
    for score in heard:
        leads_to = own.leads_to(score.member_id)
        if leads_to is None:
            scoring.score(own, score)
            continue
        if (wider := following.missing(changes, (leads_to,))) is not None:
            return wider
        source_id = score.entry.source_id or score.member_id
        entry = score.entry._replace(source_id=source_id)
        scoring.score(changes.of_member(leads_to), score._replace(member_id=leads_to, entry=entry))
    return None


def _hear_of_members(
    changes: ChangesByPartition, partition: int, heard: Sequence[events.HeardOfIdentity]
) -> Wider | None:
    for event in heard:
        wider = None
        match event:
            case events.Enrolled(member_id, enrolled_at):
                changes.of(partition).put_member(Member(member_id, events.ACTIVE, enrolled_at))
            case events.StatusChanged(member_id, status):
                member = changes.of(partition).member(member_id)
                assert member is not None, "identity tells of a member's enrolment first"
                changes.of(partition).put_member(member._replace(status=status))
            case events.Merged():
                wider = following.merged(changes, event)
            case events.Unmerged():
                wider = following.unmerged(changes, event)
        if wider is not None:
            return wider
    return None


def apply(states: StateByPartition, changes: ChangesByPartition, moment: Moment[Config]) -> None:
    """Fold changes into the state."""
    changes.merge()


OPERATIONS: Operations[StateByPartition, Config] = Operations(StateByPartition, load, decide, apply)
