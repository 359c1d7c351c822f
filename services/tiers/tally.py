"""What members score, entry by entry and day by day."""

from dataclasses import dataclass, field
from datetime import date, datetime
from typing import NamedTuple
from uuid import UUID

from services.chassis.clock import to_microseconds
from services.tiers.values import DayScore, Entry

MemberUnit = tuple[UUID, str]


class Score(NamedTuple):
    """An entry as it was heard: whose, and of which unit."""

    member_id: UUID
    unit: str
    entry: Entry
    takes_back: bool
    """It reverses an earlier one; when there is none, the unit is no score and it does not concern tiers."""


@dataclass(slots=True)
class Tally:
    """What a member scored in one unit, as far back as the batch needs it."""

    scores: dict[date, int] = field(default_factory=dict)
    last_at: datetime | None = None
    """From when on the last entry acts."""
    rows: dict[date, DayScore] = field(default_factory=dict)
    """The rows of the days that the batch adds to, and of the last day with a score, where there are any."""
    last_day: date | None = None
    """The last day with a score, as loaded."""
    entries: list[Entry] | None = None
    """The entries one by one; only loaded when one is late."""

    def copy(self) -> "Tally":
        """A tally that can be changed without changing this one."""
        entries = None if self.entries is None else list(self.entries)
        return Tally(dict(self.scores), self.last_at, dict(self.rows), self.last_day, entries)

    def add(self, entry: Entry) -> DayScore:
        """Add an entry; returns the row of its day."""
        part = f"[{to_microseconds(entry.at)},{entry.amount}]"
        if entry.source is not None:
            part = f'{part[:-1]},"{entry.source.hex}"]'
        before = self.rows.get(entry.day)
        if before is None:
            row = DayScore(entry.amount, entry.at, f"[{part}]")
        else:
            entries = f"{before.entries[:-1]},{part}]"
            row = DayScore(before.amount + entry.amount, max(before.last_at, entry.at), entries)
        self.rows[entry.day] = row
        self.scores[entry.day] = self.scores.get(entry.day, 0) + entry.amount
        self.last_at = entry.at if self.last_at is None else max(self.last_at, entry.at)
        if self.entries is not None:
            self.entries.append(entry)
        return row
