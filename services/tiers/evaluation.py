"""An evaluation: who might change is looked at, and falls; by a new definition of the ladder, also rises."""

from datetime import datetime
from uuid import UUID

from services.chassis.civil import civil_day
from services.tiers import rules
from services.tiers.commands import EVALUATED_AT_ONCE, Evaluate
from services.tiers.scoring import due_of, known_until
from services.tiers.state import Changes, TiersState, has_ended, rank_of
from services.tiers.values import Evaluated, Ladder, Step


def is_anew(ladder: Ladder, evaluated: Evaluated | None) -> bool:
    """Whether everybody has to be looked at, since the ladder is new or another one than it was."""
    return evaluated is None or evaluated.fingerprint != ladder.fingerprint


def evaluate(state: TiersState, changes: Changes, command: Evaluate) -> bytes:
    """Evaluate those who might change, and those whom this very batch has changed; returns the command's answer."""
    ladder = changes.config.ladders.get(command.ladder)
    if ladder is None:
        return b""
    evaluated = changes.evaluation(ladder.code)
    found = state.candidates[ladder.code, command.at, command.after]
    touched = [member_id for member_id, code in state.standings if code == ladder.code]
    for member_id in sorted({*found, *touched}):
        if has_ended(changes.history((member_id, ladder.code))):
            continue
        _make_up(changes, ladder, member_id, command.at)
        if is_anew(ladder, evaluated) and _is_concerned(changes, ladder, member_id, command.at):
            _look_anew(changes, ladder, member_id, command.at, evaluated)
    last = found[-1].bytes if len(found) >= EVALUATED_AT_ONCE else b""
    if not last:
        _note(changes, ladder, command.at, evaluated)
    return last


def _make_up(changes: Changes, ladder: Ladder, member_id: UUID, at: datetime) -> None:
    """Make the evaluation, and those before it that were missed."""
    history = changes.history((member_id, ladder.code))
    standing = history[-1] if history else None
    due = due_of(ladder, standing)
    scores = changes.known((member_id, ladder.unit)).scores
    lived = rules.live(ladder, rank_of(ladder, standing), due, scores, (), at)
    if lived.steps or lived.due != due:
        changes.extend(ladder, member_id, lived.steps, lived.due)


def _is_concerned(changes: Changes, ladder: Ladder, member_id: UUID, evaluated_at: datetime) -> bool:
    """Whether a new definition is for a member: as `find_anew` of standings finds them, whatever this batch changed."""
    if changes.history((member_id, ladder.code)):
        return True
    day = ladder.day_judged_at(civil_day(evaluated_at, ladder.zone))
    score = rules.window_score(ladder, changes.known((member_id, ladder.unit)).scores, day)
    return ladder.rank_of_score(score) > 0


def _look_anew(
    changes: Changes, ladder: Ladder, member_id: UUID, evaluated_at: datetime, before: Evaluated | None
) -> None:
    """By a new definition: at the evaluation or, when that runs late, after what is known already.

    At an evaluation a level may always fall; later only where another definition gave it.
    """
    history = changes.history((member_id, ladder.code))
    tally = changes.known((member_id, ladder.unit))
    at = max(evaluated_at, known_until(history, tally) or evaluated_at)
    is_late = at > evaluated_at or tally.last_at == evaluated_at
    day = civil_day(at, ladder.zone)
    rank = rank_of(ladder, history[-1] if history else None)
    step = rules.look_anew(
        ladder,
        rank,
        tally.scores,
        at,
        day if is_late else ladder.day_judged_at(day),
        may_fall=before is not None or not is_late,
    )
    due = rules.due_after(ladder, rank, tally.scores, at)
    if step is not None:
        changes.extend(ladder, member_id, (step,), step.due)
    elif history and history[-1].level != ladder.levels[rank].code:
        changes.extend(ladder, member_id, (Step(rank, at, history[-1].score, due),), due)
    elif history:
        changes.extend(ladder, member_id, (), due)


def _note(changes: Changes, ladder: Ladder, at: datetime, before: Evaluated | None) -> None:
    """Note how far the partition is evaluated now, and since when by this definition."""
    if before is None:
        changes.put_evaluation(ladder.code, Evaluated(at, ladder.fingerprint, at))
    elif is_anew(ladder, before):
        changes.put_evaluation(ladder.code, Evaluated(max(before.through, at), ladder.fingerprint, at))
    elif at > before.through:
        changes.put_evaluation(ladder.code, Evaluated(at, ladder.fingerprint, before.since))
