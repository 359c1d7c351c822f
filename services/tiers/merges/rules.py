"""What members' scores and standings come to when two become one or one becomes two again. Pure.

Scores move as entries that count on the days on which they were earned and act from the merge on, so that every window
before it stays what it was. Sources: model.md "Merge", "Unmerge"; cases.md E68, E71.
"""

from collections.abc import Callable, Iterable
from datetime import date, datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from services.chassis.civil import civil_day
from services.tiers.rules import due_after, window_score
from services.tiers.values import Entry, Ladder, Scores, Step

_DAY = timedelta(days=1)


class Passed(NamedTuple):
    """Entries that cancel each other out: what one member gives, and what the other gets."""

    given: tuple[Entry, ...]
    received: tuple[Entry, ...]


def passed_on(entries: Iterable[Entry], goes: Callable[[UUID], bool], giver_id: UUID, at: datetime) -> Passed:
    """What goes from one member to another of its entries, by the day and by what it came through.

    What came through no account came through the member that it was first recorded for.
    """
    sums: dict[tuple[date, UUID], int] = {}
    for entry in entries:
        source = entry.source or giver_id
        if goes(source):
            sums[entry.day, source] = sums.get((entry.day, source), 0) + entry.amount
    amounts = [(day, source, amount) for (day, source), amount in sorted(sums.items()) if amount]
    return Passed(
        tuple(Entry(at, day, -amount, source) for day, source, amount in amounts),
        tuple(Entry(at, day, amount, source) for day, source, amount in amounts),
    )


def united(ladder: Ladder, scores: Scores, ranks: Iterable[int], at: datetime) -> Step:
    """Where a member stands from a merge on: what its united score is enough for or, until the next evaluation, the
    highest of the levels that the two had."""
    score = window_score(ladder, scores, civil_day(at, ladder.zone))
    rank = max(ladder.rank_of_score(score), *ranks)
    return Step(rank, at, score, due_after(ladder, rank, scores, at))


def recomputed(ladder: Ladder, scores: Scores, at: datetime) -> Step:
    """Where a member stands from an unmerge on, by its own scores alone: what they were enough for at the last
    evaluation or on a day since, as levels last until the next one."""
    day = civil_day(at, ladder.zone)
    rank = max(ladder.rank_of_score(window_score(ladder, scores, each)) for each in _days_that_count(ladder, day))
    return Step(rank, at, window_score(ladder, scores, day), due_after(ladder, rank, scores, at))


def _days_that_count(ladder: Ladder, day: date) -> list[date]:
    if ladder.falls_at_once:
        return [day]
    judged = ladder.day_judged_at(day.replace(day=1) if ladder.monthly else day)
    return [judged + number * _DAY for number in range((day - judged).days + 1)]
