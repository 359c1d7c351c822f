"""What tiers reckons with, as plain values."""

from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfo

from services.chassis.civil import add_months, civil_day, start_of_day

MEMBER = "member"
"""The prefix of members' IDs."""
"""The prefix of accounts' IDs."""

_DAY = timedelta(days=1)

Scores = Mapping[date, int]
"""What one member scored in one unit, by the civil day on which it counts."""


@dataclass(frozen=True, slots=True)
class Window:
    """How far back a ladder looks: the last `days` civil days, or the last `months` months, the day itself included.

    Exactly one of the two is not 0. With months, the window of a day begins the day after the same day of the month so
    many months before, or after the last day of a month that is too short for it: one month back from 31 March begins
    on 1 March, twelve months back from 29 February begin on 1 March of the year before.
    """

    days: int = 0
    months: int = 0

    def first_day(self, day: date) -> date:
        """The first day of the window whose last day is `day`."""
        if self.days:
            return day - timedelta(days=self.days - 1)
        return add_months(day, -self.months) + _DAY

    def leaves_on(self, day: date) -> date:
        """The first day whose window no longer has `day` in it: the inverse of `first_day`."""
        if self.days:
            return day + timedelta(days=self.days)
        later = add_months(day, self.months)
        return later if later.day == day.day else later + _DAY


@dataclass(frozen=True, slots=True)
class Level:
    """A level of a ladder: who scores `at` or more in the window may stand on it."""

    code: str
    name: str
    at: int


@dataclass(frozen=True, slots=True)
class Ladder:
    """A ladder, compiled. Levels are ordered, the lowest at 0; a rank is an index into them."""

    code: str
    unit: str
    zone: ZoneInfo
    window: Window
    levels: tuple[Level, ...]
    thresholds: tuple[int, ...]
    ranks: Mapping[str, int]
    monthly: bool
    """Evaluated at 00:00 of each first of a month; else at 00:00 of each day."""
    falls_at_once: bool
    """What lowers a score lowers the level at once; else at the next evaluation."""
    rises_when_recorded: bool
    """A risen level holds from when the score was recorded; else from when it was earned."""
    fingerprint: str
    """Differs when another definition of the ladder could decide otherwise."""

    def rank_of_score(self, score: int) -> int:
        """The highest rank that a score is enough for."""
        return max(0, bisect_right(self.thresholds, score) - 1)

    def rank_of_level(self, level: str, otherwise: int) -> int:
        """The rank of a level; of one that the ladder no longer has, the rank it had, as far as there is one."""
        return self.ranks.get(level, min(otherwise, len(self.levels) - 1))

    def evaluation_from(self, day: date) -> date:
        """The first day, `day` or later, at whose 00:00 the ladder is evaluated."""
        if not self.monthly or day.day == 1:
            return day
        return add_months(day.replace(day=1), 1)

    def evaluation_after(self, at: datetime) -> date:
        """The day of the first evaluation after an instant."""
        return self.evaluation_from(civil_day(at, self.zone) + _DAY)

    def evaluated_at(self, day: date) -> datetime:
        """The instant of a day's evaluation."""
        return start_of_day(day, self.zone)

    def day_judged_at(self, day: date) -> date:
        """The day whose window a day's evaluation looks at: the one that has just ended."""
        return day - _DAY

    def is_evaluated_at(self, at: datetime) -> bool:
        """Whether an instant is that of an evaluation."""
        day = civil_day(at, self.zone)
        return self.evaluation_from(day) == day and start_of_day(day, self.zone) == at


@dataclass(frozen=True, slots=True)
class Config:
    """The documents in force, compiled."""

    ladders: Mapping[str, Ladder]
    by_unit: Mapping[str, tuple[Ladder, ...]]
    zones: Mapping[str, ZoneInfo]
    """The zone in which a unit's days are civil, for units that a ladder names."""
    zone_of_others: ZoneInfo
    """The zone for units that no ladder names yet."""

    def zone_of(self, unit: str) -> ZoneInfo:
        """The zone in which a unit's days are civil."""
        return self.zones.get(unit, self.zone_of_others)


class Entry(NamedTuple):
    """A score. It acts from `at` on and counts on `day`: the day of `at` or, for what is taken back, an earlier one."""

    at: datetime
    day: date
    amount: int
    source: UUID | None = None
    """The account that it came through; of what came through none and was moved since, the member to whom it came."""


class Step(NamedTuple):
    """A rank held from an instant on, and the score it was decided by."""

    rank: int
    effective_from: datetime
    score: int
    due: date | None
    """The day of the first evaluation that it may not survive, as far as was known then; None for the lowest rank."""


class Standing(NamedTuple):
    """An interval of a member's standing on a ladder, as it is recorded; its fields are the columns of its row."""

    member_id: UUID
    ladder: str
    position: int
    """The journal position that recorded it."""
    ordinal: int
    """Its number among the standings recorded there."""
    effective_from: datetime
    effective_to: datetime | None
    level: str
    rank: int
    previous_level: str
    previous_rank: int
    score: int
    config_version: int
    recorded_at: datetime
    valid_until: datetime | None
    """The first evaluation at which it may end; None on the lowest level."""
    scores_from: date | None
    """The first day of the scores that this evaluation looks at."""
    superseded_at: datetime | None
    """When something learnt late took it back."""


class DayScore(NamedTuple):
    """What a member scored in a unit on one civil day, as its row says."""

    amount: int
    last_at: datetime
    """From when on its last part acts."""
    entries: str
    """Its parts, as JSON: [[acts from, in microseconds; amount; what it came through, if known], …]."""


class Evaluated(NamedTuple):
    """How far a partition's standings on a ladder are evaluated."""

    through: datetime
    fingerprint: str
    """Of the ladder that they were evaluated by."""
    since: datetime
    """The first evaluation by this definition of the ladder."""


class Member(NamedTuple):
    """A member, as identity told it; its fields are the columns of its row."""

    member_id: UUID
    status: int
    enrolled_at: datetime
