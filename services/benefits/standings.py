"""Where a member stands at an instant: intervals for each ladder, and their snapshot on the member's row.

A standing is written as JSON, `[["shopper", "gold", 2]]`: ladder, level and rank of every ladder, in their order. Equal
standings are equal texts, so a judgement on one can be remembered.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from services.benefits.values import Interval, Member, MemberStatus, StandingChanged

NOWHERE = "[]"
"""The standing of a member of whom tiers has told nothing."""


@dataclass(frozen=True, slots=True)
class Rise:
    """How a change of standing lifts a member: from which rank, and how high it had ever been on the ladder before."""

    from_rank: int
    highest_before: int
    to_rank: int

    @property
    def is_rise(self) -> bool:
        """Whether the member stands higher than before, and than what the change takes back."""
        return self.to_rank > self.from_rank


def unheard(member_id: UUID) -> Member:
    """A member of whom identity has told nothing."""
    return Member(member_id, MemberStatus.UNHEARD, None, NOWHERE, None)


def change(known: Iterable[Interval], told: StandingChanged) -> tuple[list[Interval], Rise]:
    """The intervals that a change makes of what was known of its ladder, and how it lifts the member.

    The change ends the interval before it and takes back those that begin with it or after it. What it takes back still
    counts as reached: a rise that is told anew with an earlier instant is not a second one.
    """
    start = told.effective_from
    own = [interval for interval in known if interval.ladder == told.ladder]
    standing = [interval for interval in own if interval.ends_at is None or interval.ends_at > interval.effective_from]
    void = [interval for interval in standing if interval.effective_from >= start]
    from_rank = max([told.previous_rank, 0, *(interval.rank for interval in void)])
    highest = max([told.previous_rank, 0, *(interval.highest_rank for interval in own)])
    changed = [
        interval._replace(ends_at=interval.effective_from) for interval in void if interval.effective_from > start
    ]
    changed += [
        interval._replace(ends_at=start)
        for interval in standing
        if interval.effective_from < start and (interval.ends_at is None or interval.ends_at > start)
    ]
    changed.append(
        Interval(told.member_id, told.ladder, start, None, told.level, told.rank, max(highest, told.rank))
    )
    return changed, Rise(from_rank, highest, told.rank)


def standing_of(intervals: Iterable[Interval], at: datetime) -> str:
    """The standing that a member's intervals give at an instant."""
    places = [
        [interval.ladder, interval.level, interval.rank]
        for interval in intervals
        if interval.effective_from <= at and (interval.ends_at is None or at < interval.ends_at)
    ]
    return _text(sorted(places))


def snapshot(intervals: Sequence[Interval], at: datetime) -> tuple[str, str | None]:
    """`standing` and `upcoming` of a member's row: what holds at an instant, and what is known to hold later."""
    later = sorted(
        {interval.effective_from for interval in intervals if interval.effective_from > at}
        | {interval.ends_at for interval in intervals if interval.ends_at is not None and interval.ends_at > at}
    )
    upcoming = [[instant.isoformat(), standing_of(intervals, instant)] for instant in later]
    return standing_of(intervals, at), _text(upcoming) if upcoming else None


def standing_at(member: Member, at: datetime) -> str:
    """Where a member stands at an instant that is not before its row was written."""
    standing = member.standing
    if member.upcoming is not None:
        for since, later in json.loads(member.upcoming):
            if datetime.fromisoformat(since) <= at:
                standing = later
    return standing


def _text(value: Sequence[Any]) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)
