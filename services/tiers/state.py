"""What a batch has loaded of one partition's scores and standings, and what it makes of them."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from typing import Any
from uuid import UUID

from services.chassis.operations import Moment
from services.chassis.store import Rows
from services.tiers import events
from services.tiers.merges.values import Link
from services.tiers.tally import MemberUnit, Score, Tally
from services.tiers.values import Config, Entry, Evaluated, Ladder, Member, Standing, Step

MemberLadder = tuple[UUID, str]


class TiersState:
    """Rows of one partition by key; what changed becomes rows to write and events to tell."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self.members: dict[UUID, Member] = {}
        self.heard: dict[int, Sequence[Score]] = {}
        """The scores in each record of the points feed, by its position."""
        self.tallies: dict[MemberUnit, Tally] = {}
        self.standings: dict[MemberLadder, tuple[Standing, ...]] = {}
        """The last standings that nothing took back, in order: empty when there is none, more than the last one when an
        entry is late. Those that nobody asked for are missing."""
        self.evaluated: dict[str, Evaluated] = {}
        self.candidates: dict[tuple[str, datetime, UUID], Sequence[UUID]] = {}
        """Who might change at an evaluation, for each command."""
        self.links: dict[UUID, Link] = {}
        """What is special of members since merges; of most, nothing."""
        self.at_hand: set[Score] = set()
        """Scores that were sent to other IDs and are for members of this partition, of whom all is loaded for them."""
        self.whole: set[UUID] = set()
        """Members of whom all there is was looked for."""
        self.recorded = 0
        """How many standings the batch has recorded."""
        self._rows: dict[str, dict[Any, tuple[Any, ...]]] = {}
        self._events: list[bytes] = []

    def tally(self, key: MemberUnit) -> Tally:
        """A tally as loaded, made when there is none."""
        tally = self.tallies.get(key)
        if tally is None:
            tally = self.tallies[key] = Tally()
        return tally

    def merge(self, changes: "Changes") -> None:
        """Take over what was decided."""
        self.members |= changes.members
        self.links |= changes.links
        self.tallies |= changes.tallies
        self.standings |= changes.standings
        self.evaluated |= changes.evaluated
        self.recorded += changes.recorded
        for table, rows in changes.rows.items():
            self._rows.setdefault(table, {}).update(rows)
        self._events += changes.events

    def rows(self, partition: int) -> Mapping[str, Rows]:
        """What changed, by table."""
        return {table: list(rows.values()) for table, rows in self._rows.items()}

    def events(self, partition: int) -> Sequence[bytes]:
        """What happened, in order."""
        return self._events


class Changes:
    """What one command changes, on top of a state that it leaves alone until the changes are merged."""

    def __init__(self, state: TiersState, moment: Moment[Config]) -> None:
        self._state = state
        self._moment = moment
        (self._position,) = moment.positions.values()
        self.config = moment.config
        self.now = moment.at
        self.members: dict[UUID, Member] = {}
        self.links: dict[UUID, Link] = {}
        self.tallies: dict[MemberUnit, Tally] = {}
        self.standings: dict[MemberLadder, tuple[Standing, ...]] = {}
        self.evaluated: dict[str, Evaluated] = {}
        self.recorded = 0
        self.rows: dict[str, dict[Any, tuple[Any, ...]]] = {}
        self.events: list[bytes] = []

    def put_member(self, member: Member) -> None:
        """A member as it becomes."""
        self.members[member.member_id] = member
        self._put("members", member.member_id, member)

    def member(self, member_id: UUID) -> Member | None:
        """A member as it is by now."""
        return self.members.get(member_id) or self._state.members.get(member_id)

    def link(self, member_id: UUID) -> Link | None:
        """What is special of a member since merges; None of most."""
        return self.links.get(member_id) or self._state.links.get(member_id)

    def put_link(self, link: Link) -> None:
        """A link as it becomes."""
        self.links[link.member_id] = link
        self._put("links", link.member_id, link)

    def units_of(self, member_id: UUID) -> list[str]:
        """The units in which a member scored, as far as is known."""
        return sorted({unit for owner_id, unit in (*self._state.tallies, *self.tallies) if owner_id == member_id})

    def known(self, key: MemberUnit) -> Tally:
        """What a member scored in a unit by now, to be looked at only."""
        return self.tallies.get(key) or self._state.tallies.get(key) or Tally()

    def tally(self, key: MemberUnit) -> Tally:
        """A tally that may be changed."""
        tally = self.tallies.get(key)
        if tally is None:
            loaded = self._state.tallies.get(key)
            tally = self.tallies[key] = loaded.copy() if loaded is not None else self._nothing(key)
        return tally

    def _nothing(self, key: MemberUnit) -> Tally:
        """The tally of a member that has not scored; whether it has is known where all was looked for."""
        return Tally(entries=[] if key[0] in self._state.whole else None)

    def add(self, key: MemberUnit, entry: Entry) -> None:
        """Add an entry to a tally."""
        row = self.tally(key).add(entry)
        self._put("scores", (key, entry.day), (*key, entry.day, *row))

    def history(self, key: MemberLadder) -> tuple[Standing, ...]:
        """The last standings that nothing took back, in order."""
        found = self.standings.get(key)
        return found if found is not None else self._state.standings.get(key, ())

    def evaluation(self, ladder: str) -> Evaluated | None:
        """How far the partition is evaluated."""
        return self.evaluated.get(ladder) or self._state.evaluated.get(ladder)

    def put_evaluation(self, ladder: str, evaluated: Evaluated) -> None:
        """The partition is evaluated further."""
        self.evaluated[ladder] = evaluated
        self._put("evaluations", ladder, (ladder, *evaluated))

    def extend(self, ladder: Ladder, member_id: UUID, steps: Iterable[Step], due: date | None) -> None:
        """Record steps that follow the last standing; `due` is the evaluation that the last one may not survive."""
        key = (member_id, ladder.code)
        history = list(self.history(key))
        for step in steps:
            self.recorded += 1
            standing = self._standing(ladder, member_id, step, history[-1] if history else None)
            if history and history[-1].effective_to is None:
                history[-1] = self.put_standing(history[-1]._replace(effective_to=step.effective_from))
            history.append(self.put_standing(standing))
            self.events.append(events.standing_changed(standing))
        if history:
            valid_until, scores_from = _validity(ladder, due)
            if history[-1].valid_until != valid_until or history[-1].scores_from != scores_from:
                history[-1] = self.put_standing(history[-1]._replace(valid_until=valid_until, scores_from=scores_from))
        self.standings[key] = tuple(history)

    def end(self, ladder: Ladder, member_id: UUID, at: datetime) -> None:
        """End the last standing, with nothing after it: the member is another one, or nobody, from an instant on."""
        key = (member_id, ladder.code)
        history = self.history(key)
        if history and history[-1].effective_to is None:
            ended = history[-1]._replace(effective_to=at, valid_until=None, scores_from=None)
            self.standings[key] = (*history[:-1], self.put_standing(ended))

    def take_back(self, ladder: Ladder, member_id: UUID, kept: int) -> None:
        """Take back all standings after the first `kept` of the history; the last one kept lasts again."""
        key = (member_id, ladder.code)
        history = self.history(key)
        for standing in history[kept:]:
            self.put_standing(standing._replace(superseded_at=self.now))
        remaining = list(history[:kept])
        if remaining and len(remaining) < len(history):
            remaining[-1] = self.put_standing(remaining[-1]._replace(effective_to=None))
        self.standings[key] = tuple(remaining)

    def restate(self, ladder: Ladder, member_id: UUID, effective_from: datetime, valid_until: datetime | None) -> None:
        """Tell that the last standing, which is recorded, holds from an instant on where something else was told."""
        history = self.history((member_id, ladder.code))
        last = history[-1] if history else None
        step = Step(rank_of(ladder, last), effective_from, last.score if last else 0, None)
        told = self._standing(ladder, member_id, step, last)
        self.events.append(events.standing_changed(told._replace(valid_until=valid_until)))

    def put_standing(self, standing: Standing) -> Standing:
        """A standing as it becomes."""
        self._put("standings", standing[:4], standing)
        return standing

    def _standing(self, ladder: Ladder, member_id: UUID, step: Step, previous: Standing | None) -> Standing:
        valid_until, scores_from = _validity(ladder, step.due)
        return Standing(
            member_id=member_id,
            ladder=ladder.code,
            position=self._position,
            ordinal=self._state.recorded + self.recorded,
            effective_from=step.effective_from,
            effective_to=None,
            level=ladder.levels[step.rank].code,
            rank=step.rank,
            previous_level=ladder.levels[0].code if previous is None else previous.level,
            previous_rank=rank_of(ladder, previous),
            score=step.score,
            config_version=self._moment.config_version,
            recorded_at=self.now,
            valid_until=valid_until,
            scores_from=scores_from,
            superseded_at=None,
        )

    def _put(self, table: str, key: Any, row: tuple[Any, ...]) -> None:
        self.rows.setdefault(table, {})[key] = row


def rank_of(ladder: Ladder, standing: Standing | None) -> int:
    """The rank of a standing on the ladder as it is now; without one, a member stands on the lowest level."""
    return 0 if standing is None else ladder.rank_of_level(standing.level, standing.rank)


def has_ended(history: Sequence[Standing]) -> bool:
    """Whether nobody stands there any more, since the member is another one or nobody."""
    return bool(history) and history[-1].effective_to is not None


def _validity(ladder: Ladder, due: date | None) -> tuple[datetime | None, date | None]:
    """The instant of an evaluation, and the first day that it looks at."""
    if due is None:
        return None, None
    return ladder.evaluated_at(due), ladder.window.first_day(ladder.day_judged_at(due))
