"""Decisions on standings: when a level is reached and when it is lost. Pure.

A standing is a history. It begins on the lowest level, rises when an entry brings the window's score to the threshold
of a higher one, and falls at an evaluation (00:00 of a civil day) when the window that ended the day before no longer
has what the level needs. At one instant the evaluation comes before the entries. `live` is that history; everything
else serves it. Sources: model.md "Tiers"; cases.md E21, E23, E25.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from services.chassis.civil import civil_day
from services.tiers.values import Entry, Ladder, Scores, Step

_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Fall:
    """What happens at the first evaluation that a rank does not survive if nothing more is earned."""

    day: date
    """The evaluation is at 00:00 of this day and looks at the window that ended the day before."""
    rank: int
    score: int


@dataclass(frozen=True, slots=True)
class History:
    """How a standing went on: the steps it took, and how it is at the end."""

    steps: tuple[Step, ...]
    rank: int
    scores: Scores
    due: date | None
    """The day of the first evaluation that the rank at the end may not survive; None for the lowest rank.

    It is never too late, and it may be too early: what is earned later can only move the fall away.
    """


def window_score(ladder: Ladder, scores: Scores, day: date) -> int:
    """The score in the window whose last day is `day`."""
    first = ladder.window.first_day(day)
    return sum([amount for scored_on, amount in scores.items() if first <= scored_on <= day])


def next_fall(ladder: Ladder, rank: int, scores: Scores, evaluation: date) -> Fall | None:
    """The first fall at the evaluation of a day or a later one, if nothing more is earned; None for the lowest rank.

    `evaluation` is the day of an evaluation; no score may count later than the day before it.
    """
    if rank == 0:
        return None
    needed = ladder.thresholds[rank]
    score = sum(scores.values())
    # Days leave the window in their order.
    for day, amount in sorted(scores.items()):
        leaves_on = ladder.window.leaves_on(day)
        if leaves_on >= evaluation:
            if score < needed:
                break
            evaluation = ladder.evaluation_from(leaves_on + _DAY)
        score -= amount
    # Only the lowest threshold is 0, so without any score the rank has fallen.
    return Fall(evaluation, ladder.rank_of_score(score), score)


def stays(
    ladder: Ladder, rank: int, valid_until: datetime | None, scores: Scores, entry: Entry, until: datetime
) -> bool:
    """Whether an entry moves nothing: so it is with most, and they need no history. Else `live` tells.

    `scores` do not have the entry in them yet. `valid_until` is the first evaluation that the rank may not survive.
    """
    if entry.amount < 0 or (valid_until is not None and valid_until <= until):
        return False
    if rank == len(ladder.thresholds) - 1:
        return True
    missing = ladder.thresholds[rank + 1] - entry.amount
    amounts = scores.values()
    if sum(amounts) < missing and min(amounts, default=0) >= 0:
        # All there is would not be enough, so no window is.
        return True
    return window_score(ladder, scores, civil_day(entry.at, ladder.zone)) < missing


def live(
    ladder: Ladder, rank: int, due: date | None, scores: Scores, entries: Iterable[Entry], until: datetime
) -> History:
    """How a standing goes on from a rank, with these entries and all evaluations up to and including `until`.

    `scores` are those that act before the first entry; entries come in the order of `at`. `due` is the day of the first
    evaluation that the rank may not survive.
    """
    steps: list[Step] = []
    known = dict(scores)
    for entry in entries:
        rank, due = _fall(ladder, rank, due, known, entry.at, steps)
        known[entry.day] = known.get(entry.day, 0) + entry.amount
        rank, due = _score(ladder, rank, due, known, entry, steps)
    rank, due = _fall(ladder, rank, due, known, until, steps)
    return History(tuple(steps), rank, known, due)


def _fall(
    ladder: Ladder, rank: int, due: date | None, scores: Scores, until: datetime, steps: list[Step]
) -> tuple[int, date | None]:
    """Make the evaluations up to and including `until`."""
    while due is not None and ladder.evaluated_at(due) <= until:
        fall = next_fall(ladder, rank, scores, due)
        assert fall is not None
        due = fall.day
        at = ladder.evaluated_at(due)
        if at <= until:
            rank, due = fall.rank, due_after(ladder, fall.rank, scores, at)
            steps.append(Step(rank, at, fall.score, due))
    return rank, due


def _score(
    ladder: Ladder, rank: int, due: date | None, scores: Scores, entry: Entry, steps: list[Step]
) -> tuple[int, date | None]:
    """Let an entry act; `scores` have it in them, and nothing that acts later. Outside the window it does not act."""
    day = civil_day(entry.at, ladder.zone)
    if entry.day < ladder.window.first_day(day):
        return rank, due
    score = window_score(ladder, scores, day)
    reached = ladder.rank_of_score(score)
    rises = entry.amount > 0 and reached > rank
    falls = entry.amount < 0 and reached < rank and ladder.falls_at_once
    if rises or falls:
        due = due_after(ladder, reached, scores, entry.at)
        steps.append(Step(reached, entry.at, score, due))
        return reached, due
    if entry.amount < 0 and due is not None:
        sooner = due_after(ladder, rank, scores, entry.at)
        return rank, min(due, sooner or due)
    return rank, due


def due_after(ladder: Ladder, rank: int, scores: Scores, at: datetime) -> date | None:
    """The day of the first evaluation after an instant that a rank does not survive if nothing more is earned."""
    fall = next_fall(ladder, rank, scores, ladder.evaluation_after(at))
    return None if fall is None else fall.day


def look_anew(ladder: Ladder, rank: int, scores: Scores, at: datetime, day: date, *, may_fall: bool) -> Step | None:
    """What a new definition of the ladder makes of a standing, if it makes another one of it from `at` on.

    It looks at the window whose last day is `day`.
    """
    score = window_score(ladder, scores, day)
    reached = ladder.rank_of_score(score)
    if reached > rank or (may_fall and reached < rank):
        return Step(reached, at, score, due_after(ladder, reached, scores, at))
    return None


@dataclass(frozen=True, slots=True)
class Difference:
    """How a history that was lived again differs from what is recorded."""

    kept: int
    """So many of the recorded steps hold as they are; those after them are taken back."""
    steps: Sequence[Step]
    """What comes in their place."""
    from_instant: datetime
    """From when on they differ."""


def difference(recorded: Sequence[Step], lived: Sequence[Step]) -> Difference | None:
    """Where two histories with the same beginning part; None when they are the same."""
    kept = 0
    for old, new in zip(recorded, lived, strict=False):
        if (old.effective_from, old.rank) != (new.effective_from, new.rank):
            break
        kept += 1
    rest = [*recorded[kept : kept + 1], *lived[kept : kept + 1]]
    if not rest:
        return None
    return Difference(kept, lived[kept:], min(step.effective_from for step in rest))


@dataclass(frozen=True, slots=True)
class Outlook:
    """Where a standing is at an instant, and where it goes if nothing more is earned."""

    rank: int
    since: datetime | None
    """When it came there after what is recorded; None when what is recorded still holds."""
    score: int
    valid_until: datetime | None
    rank_if_idle: int
    """The rank after the next evaluation."""


def outlook(ladder: Ladder, rank: int, due: date | None, scores: Scores, at: datetime) -> Outlook:
    """What holds at an instant, whether or not any evaluation has run; `scores` are those that act by then."""
    lived = live(ladder, rank, due, scores, (), at)
    evaluation = ladder.evaluation_after(at)
    fall = next_fall(ladder, lived.rank, scores, evaluation)
    return Outlook(
        rank=lived.rank,
        since=lived.steps[-1].effective_from if lived.steps else None,
        score=window_score(ladder, scores, civil_day(at, ladder.zone)),
        valid_until=None if fall is None else ladder.evaluated_at(fall.day),
        rank_if_idle=fall.rank if fall is not None and fall.day == evaluation else lived.rank,
    )
