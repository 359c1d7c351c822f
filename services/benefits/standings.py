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

from services.benefits.heard import StandingChanged
from services.benefits.values import Interval, Member, MemberStatus

NOWHERE = "[]"
"""The standing of a member of whom tiers has told nothing."""


@dataclass(frozen=True, slots=True)
class Rise:
    """How a change of standing lifts a member."""

    ordinal: int
    """Which of the member's rises to the level it is, from 1, in the history as it is known now; 0: it is none."""
    highest_before: int
    """The highest rank that the member had ever been told to be on."""
    rank: int
    """The rank it is on now."""


def unheard(member_id: UUID) -> Member:
    """A member of whom identity has told nothing."""
    return Member(member_id, MemberStatus.UNHEARD, None, NOWHERE, None)


def change(known: Iterable[Interval], told: StandingChanged) -> tuple[list[Interval], Rise]:
    """The intervals that a change makes of what was known of its ladder, and how it lifts the member.

    The change ends the interval before it and takes back those that begin with it or after it. When tiers learns of
    something late it tells again what followed: such a rise has the ordinal that it had before, whatever its instant.
    """
    start = told.effective_from
    own = [interval for interval in known if interval.ladder == told.ladder]
    standing = [interval for interval in own if interval.ends_at is None or interval.ends_at > interval.effective_from]
    before = sorted([i for i in standing if i.effective_from < start], key=lambda interval: interval.effective_from)
    changed = [i._replace(ends_at=i.effective_from) for i in standing if i.effective_from > start]
    changed += [i._replace(ends_at=start) for i in before if i.ends_at is None or i.ends_at > start]
    highest = max((interval.highest_rank for interval in own), default=0)
    now = Interval(told.member_id, told.ladder, start, None, told.level, told.rank, max(highest, told.rank))
    return [*changed, now], Rise(_ordinal([*before, now]), highest, told.rank)


def _ordinal(history: Sequence[Interval]) -> int:
    """Which of the rises to its level the last interval begins with, from the lowest level on; 0 for none."""
    last = history[-1]
    ranks = [0, *(interval.rank for interval in history)]
    rises = [interval for rank, interval in zip(ranks, history, strict=False) if interval.rank > rank]
    return sum(interval.level == last.level for interval in rises) if last in rises else 0


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
