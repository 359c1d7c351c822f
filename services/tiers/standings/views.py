"""What is answered about standings, from what is recorded and the time: right whether or not an evaluation has run."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from services.tiers import rules
from services.tiers.scoring import due_of
from services.tiers.standings.reads import Counts, Found
from services.tiers.state import rank_of
from services.tiers.values import Ladder, Level


@dataclass(frozen=True, slots=True)
class StandingView:
    """Where a member stands on a ladder at an instant."""

    ladder: Ladder
    rank: int
    since: datetime
    valid_until: datetime | None
    score: int
    rank_if_idle: int
    """The rank after the next evaluation if nothing more is earned."""

    @property
    def level(self) -> Level:
        """The level."""
        return self.ladder.levels[self.rank]

    @property
    def next_level(self) -> Level | None:
        """The level above; None on the highest."""
        above = self.rank + 1
        return self.ladder.levels[above] if above < len(self.ladder.levels) else None


@dataclass(frozen=True, slots=True)
class LadderView:
    """How many members stand on each level of a ladder, the lowest first, and how often members moved."""

    ladder: Ladder
    members: Sequence[int]
    rises: int
    falls: int


def latest_standing_view(ladder: Ladder, found: Found, enrolled_at: datetime, now: datetime) -> StandingView:
    """The standing of a member now. What is known already is never ahead of now, though a clock may be."""
    began = None if found.standing is None else found.standing.effective_from
    known = [at for at in (began, found.last_at) if at is not None]
    return standing_view(ladder, found, enrolled_at, max([now, *known]))


def standing_view(ladder: Ladder, found: Found, enrolled_at: datetime, at: datetime) -> StandingView:
    """The standing of a member at an instant."""
    standing = found.standing
    ended = None if standing is None else standing.effective_to
    # An interval that has ended is known to have lasted; only the last one may have come to its end unrecorded.
    due = due_of(ladder, standing) if ended is None else None
    outlook = rules.outlook(ladder, rank_of(ladder, standing), due, found.scores, at)
    recorded_since = enrolled_at if standing is None else standing.effective_from
    return StandingView(
        ladder=ladder,
        rank=outlook.rank,
        since=outlook.since or recorded_since,
        valid_until=ended or outlook.valid_until,
        score=outlook.score,
        rank_if_idle=outlook.rank_if_idle,
    )


def ladder_view(ladder: Ladder, counts: Counts, now: datetime) -> LadderView:
    """The population of a ladder."""
    members: Counter[int] = Counter()
    for code, level, rank, number in counts.levels:
        if code == ladder.code:
            members[ladder.rank_of_level(level, rank)] += number
    rises, falls = counts.moves.get(ladder.code, (0, 0))
    for found in counts.due:
        if found.standing is not None and found.standing.ladder == ladder.code:
            rank, due = rank_of(ladder, found.standing), due_of(ladder, found.standing)
            lived = rules.live(ladder, rank, due, found.scores, (), now)
            members[rank] -= 1
            members[lived.rank] += 1
            falls += len(lived.steps)
    members[0] += counts.members - members.total()
    return LadderView(ladder, [members[rank] for rank in range(len(ladder.levels))], rises, falls)
