"""What a batch of tiers reads before it decides: where those concerned stand, and the scores that this may hang on."""

from collections.abc import Iterable, Sequence
from datetime import date, datetime
from uuid import UUID

import asyncpg

from services.chassis.civil import civil_day
from services.chassis.feed_batch import FeedBatch
from services.chassis.member_records.commands import Preview
from services.chassis.reading import Reading
from services.tiers import evaluation, events, queries, scoring
from services.tiers.commands import EVALUATED_AT_ONCE, Evaluate
from services.tiers.merges.commands import LoadPersons, LoadScored
from services.tiers.merges.loading import load_persons, persons_in
from services.tiers.merges.queries import load_links
from services.tiers.standings import queries as standings
from services.tiers.state import TiersState
from services.tiers.states import States
from services.tiers.tally import MemberUnit, Score
from services.tiers.values import Entry, Ladder

TiersCommand = FeedBatch | Evaluate | LoadScored | LoadPersons | Preview


async def load(
    connection: asyncpg.Connection, partition: int, commands: Sequence[TiersCommand], states: States
) -> None:
    """Read what the commands concern in one partition."""
    state = states.at(partition)
    evaluations = [command for command in commands if isinstance(command, Evaluate)]
    batches = [command for command in commands if isinstance(command, FeedBatch) and command.partition == partition]
    await _load_members(connection, partition, [batch for batch in batches if batch.source == "identity"], state)
    if evaluations:
        await _load_candidates(connection, partition, evaluations, state)
    scores = _hear([batch for batch in batches if batch.source == "points"], state)
    for command in commands:
        if isinstance(command, LoadScored) and command.partition == partition:
            state.at_hand.update(command.scores)
            scores += command.scores
    if scores:
        await _load_scored(connection, partition, scores, evaluations, state)
    persons = persons_in(commands)
    if persons:
        await load_persons(connection, partition, persons, state)


async def _load_members(
    connection: asyncpg.Connection, partition: int, batches: Iterable[FeedBatch], state: TiersState
) -> None:
    changed = {
        event.member_id
        for batch in batches
        for record in batch.records
        for event in record.events
        if isinstance(event, events.StatusChanged)
    }
    if changed:
        for member in await queries.load_members(connection, partition, list(changed)):
            state.members[member.member_id] = member


async def _load_candidates(
    connection: asyncpg.Connection, partition: int, evaluations: Iterable[Evaluate], state: TiersState
) -> None:
    """Who might change at evaluations."""
    reading = Reading(connection, partition)
    queries.read_evaluations(reading, state.evaluated)
    candidates: list[tuple[Evaluate, Ladder, list[standings.Found]]] = []
    for command in evaluations:
        ladder = state.config.ladders.get(command.ladder)
        if ladder is not None:
            due: list[standings.Found] = []
            candidates.append((command, ladder, due))
            standings.read_due(reading, ladder, command.at, EVALUATED_AT_ONCE, due)
    await reading.run()
    for command, ladder, found in candidates:
        if evaluation.is_anew(ladder, state.evaluated.get(ladder.code)):
            day = _day_judged(ladder, command)
            found = await standings.find_anew(connection, partition, ladder, day, command.after, EVALUATED_AT_ONCE)
        state.candidates[ladder.code, command.at, command.after] = [candidate.member_id for candidate in found]
        _take_over(found, state)


def _hear(batches: Iterable[FeedBatch], state: TiersState) -> list[Score]:
    """Read the scores out of the feed's records, once for loading and deciding."""
    for batch in batches:
        for record in batch.records:
            state.heard[record.position] = scoring.scores_in(record.events, state.config)
    return [score for scores in state.heard.values() for score in scores]


async def _load_scored(
    connection: asyncpg.Connection,
    partition: int,
    scores: Sequence[Score],
    evaluations: Sequence[Evaluate],
    state: TiersState,
) -> None:
    """Where those who scored stand, and what their scores are added to."""
    wanted = _wanted(scores, evaluations, state)
    if wanted:
        _take_over(await standings.load_standings(connection, partition, wanted), state)
    others = {score.member_id for score in scores} - {each.member_id for each in wanted}
    if others:
        state.links |= {link.member_id: link for link in await load_links(connection, partition, others)}
    missing = {(score.member_id, score.unit, score.entry.day) for score in scores if not _is_row_known(score, state)}
    if missing:
        for member_id, unit, day, row in await queries.load_days(connection, partition, missing):
            state.tally((member_id, unit)).rows[day] = row
    await _load_what_is_contradicted(connection, partition, scores, evaluations, state)


def _wanted(scores: Iterable[Score], evaluations: Sequence[Evaluate], state: TiersState) -> list[standings.Wanted]:
    """The standings that scores may change, with the scores that windows of the batch may look at."""
    entries: dict[MemberUnit, list[Entry]] = {}
    for member_id, unit, entry, _ in scores:
        entries.setdefault((member_id, unit), []).append(entry)
    looking_back = _looking_back(state)
    wanted = []
    for (member_id, unit), own in entries.items():
        day = min([entry.day for entry in own])
        until = max([entry.at for entry in own])
        # What lowers a score, or is looked at anew, comes after all that is known.
        all_known = bool(evaluations) or min([entry.amount for entry in own]) < 0
        only_raise = not all_known and unit not in looking_back
        for ladder in _ladders(unit, state):
            for command in evaluations:
                if command.ladder == ladder.code:
                    day = min(day, _day_judged(ladder, command))
            kept_level = ladder.levels[-1].code if only_raise else None
            first_day = ladder.window.first_day(day)
            wanted.append(standings.Wanted(member_id, ladder.code, unit, first_day, kept_level, until, all_known))
    return wanted


def _day_judged(ladder: Ladder, command: Evaluate) -> date:
    return ladder.day_judged_at(civil_day(command.at, ladder.zone))


def _take_over(found: Iterable[standings.Found], state: TiersState) -> None:
    for member_id, ladder, unit, standing, evaluated, last_day, last_row, scores, known_until, link in found:
        tally = state.tally((member_id, unit))
        tally.scores.update(scores)
        if known_until is not None and (tally.last_at is None or tally.last_at < known_until):
            tally.last_at = known_until
        if last_day is not None and last_row is not None:
            tally.rows[last_day] = last_row
        tally.last_day = last_day
        state.standings[member_id, ladder] = () if standing is None else (standing,)
        if evaluated is not None:
            state.evaluated[ladder] = evaluated
        if link is not None:
            state.links[member_id] = link


def _is_row_known(score: Score, state: TiersState) -> bool:
    """Whether the row of a score's day is known, or known not to be there: after the last day there is none."""
    tally = state.tallies.get((score.member_id, score.unit))
    if tally is None or not _ladders(score.unit, state):
        return False
    return tally.last_day is None or score.entry.day >= tally.last_day


async def _load_what_is_contradicted(
    connection: asyncpg.Connection,
    partition: int,
    scores: Iterable[Score],
    evaluations: Iterable[Evaluate],
    state: TiersState,
) -> None:
    """For members with a late entry: standings and entries from its time on."""
    late = _late(scores, {command.ladder: command.at for command in evaluations}, state)
    if not late:
        return
    ladders = [(key, ladder) for key in late for ladder in _ladders(key[1], state)]
    histories = [(key[0], ladder.code, late[key]) for key, ladder in ladders]
    renewed: set[tuple[UUID, str]] = set()
    for standing in await standings.load_histories(connection, partition, histories):
        of_member = (standing.member_id, standing.ladder)
        before = state.standings[of_member] if of_member in renewed else ()
        renewed.add(of_member)
        state.standings[of_member] = (*before, standing)
    first_days: dict[MemberUnit, date] = {}
    for key, ladder in ladders:
        first_day = ladder.window.first_day(civil_day(late[key], ladder.zone))
        first_days[key] = min(first_days.get(key, first_day), first_day)
        state.tally(key).entries = []
    wanted = [(*key, first_day) for key, first_day in first_days.items()]
    for member_id, unit, entries in await queries.load_entries(connection, partition, wanted):
        tally = state.tally((member_id, unit))
        assert tally.entries is not None
        tally.entries += entries
        tally.scores[entries[0].day] = sum(entry.amount for entry in entries)


def _late(scores: Iterable[Score], evaluated_now: dict[str, datetime], state: TiersState) -> dict[MemberUnit, datetime]:
    """The members and units with an entry that something known comes after, and the time of the earliest one."""
    looking_back = _looking_back(state)
    known: dict[MemberUnit, datetime] = {}
    late: dict[MemberUnit, datetime] = {}
    for member_id, unit, entry, _ in scores:
        if unit not in looking_back:
            continue
        key = (member_id, unit)
        if key not in known:
            known[key] = _known_until(key, evaluated_now, state) or entry.at
        if entry.at < known[key]:
            late[key] = min(late.get(key, entry.at), entry.at)
        else:
            known[key] = entry.at
    return late


def _looking_back(state: TiersState) -> set[str]:
    """The units for which what is learnt late may change the past."""
    return {
        unit
        for unit, ladders in state.config.by_unit.items()
        if not all(ladder.rises_when_recorded for ladder in ladders)
    }


def _known_until(key: MemberUnit, evaluated_now: dict[str, datetime], state: TiersState) -> datetime | None:
    """The last instant of which something is known, or will be when the evaluations of the batch are made."""
    tally = state.tallies.get(key)
    known = [] if tally is None or tally.last_at is None else [tally.last_at]
    for ladder in _ladders(key[1], state):
        known += [standing.effective_from for standing in state.standings.get((key[0], ladder.code), ())]
        if (evaluated := state.evaluated.get(ladder.code)) is not None:
            known.append(evaluated.through)
        if (at := evaluated_now.get(ladder.code)) is not None:
            known.append(at)
    return max(known, default=None)


def _ladders(unit: str, state: TiersState) -> Sequence[Ladder]:
    return state.config.by_unit.get(unit, ())
