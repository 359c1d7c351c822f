"""What a batch of tiers reads before it decides: where those concerned stand, and the scores that this may hang on."""

from collections.abc import Iterable, Sequence
from datetime import date, datetime
from uuid import UUID

import asyncpg

from services.chassis.civil import civil_day
from services.chassis.feed_batch import FeedBatch
from services.tiers import evaluation, events, queries, scoring
from services.tiers.commands import EVALUATED_AT_ONCE, Evaluate
from services.tiers.state import MemberUnit, Score, TiersState
from services.tiers.values import Config, Ladder

TiersCommand = FeedBatch | Evaluate


async def load(
    connection: asyncpg.Connection, partition: int, commands: Sequence[TiersCommand], state: TiersState
) -> None:
    """Read what the commands concern in one partition."""
    evaluations = [command for command in commands if isinstance(command, Evaluate)]
    batches = [command for command in commands if isinstance(command, FeedBatch)]
    await _load_members(connection, partition, [batch for batch in batches if batch.source == "identity"], state)
    scores = _hear([batch for batch in batches if batch.source == "points"], state)
    if evaluations:
        state.evaluated = await queries.load_evaluations(connection, partition)
    wanted = _wanted_by_scores(scores, evaluations, state.config)
    for command in evaluations:
        wanted = await _candidates(connection, partition, command, state) | wanted
    if wanted:
        for found in await queries.load_standings(connection, partition, list(wanted.values())):
            _take_over(found, state)
    if scores:
        await _load_days(connection, partition, scores, state)
        await _load_what_is_contradicted(connection, partition, scores, evaluations, state)


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


def _hear(batches: Iterable[FeedBatch], state: TiersState) -> list[Score]:
    """Read the scores out of the feed's records, once for loading and deciding."""
    for batch in batches:
        for record in batch.records:
            state.heard[record.position] = scoring.scores_in(record.events, state.config)
    return [score for scores in state.heard.values() for score in scores]


def _wanted_by_scores(
    scores: Iterable[Score], evaluations: Iterable[Evaluate], config: Config
) -> dict[tuple[UUID, str], queries.Wanted]:
    """The standings that scores may change, with the scores that windows of the batch may look at."""
    first_days: dict[MemberUnit, date] = {}
    for score in scores:
        key = (score.member_id, score.unit)
        first_days[key] = min(first_days.get(key, score.entry.day), score.entry.day)
    wanted = {}
    for (member_id, unit), day in first_days.items():
        for ladder in config.by_unit.get(unit, ()):
            days = [day, *(_day_judged(ladder, command) for command in evaluations if command.ladder == ladder.code)]
            first_day = ladder.window.first_day(min(days))
            wanted[member_id, ladder.code] = queries.Wanted(member_id, ladder.code, unit, first_day)
    return wanted


def _day_judged(ladder: Ladder, command: Evaluate) -> date:
    return ladder.day_judged_at(civil_day(command.at, ladder.zone))


async def _candidates(
    connection: asyncpg.Connection, partition: int, command: Evaluate, state: TiersState
) -> dict[tuple[UUID, str], queries.Wanted]:
    """Who might change at an evaluation."""
    ladder = state.config.ladders.get(command.ladder)
    if ladder is None:
        return {}
    day = _day_judged(ladder, command)
    if evaluation.is_anew(ladder, state.evaluated.get(ladder.code)):
        found = await queries.find_anew(connection, partition, ladder, day, command.after, EVALUATED_AT_ONCE)
    else:
        found = await queries.find_due(connection, partition, ladder.code, command.at, command.after, EVALUATED_AT_ONCE)
    state.candidates[ladder.code, command.at, command.after] = found
    first_day = ladder.window.first_day(day)
    return {
        (member_id, ladder.code): queries.Wanted(member_id, ladder.code, ladder.unit, first_day) for member_id in found
    }


def _take_over(found: queries.Found, state: TiersState) -> None:
    tally = state.tally((found.wanted_member, found.unit))
    tally.scores |= found.scores
    if found.last_at is not None:
        tally.last_at = found.last_at if tally.last_at is None else max(tally.last_at, found.last_at)
    state.standings[found.wanted_member, found.ladder] = () if found.standing is None else (found.standing,)
    if found.evaluated is not None:
        state.evaluated[found.ladder] = found.evaluated


async def _load_days(
    connection: asyncpg.Connection, partition: int, scores: Iterable[Score], state: TiersState
) -> None:
    """The rows of the days that are added to."""
    keys = {(score.member_id, score.unit, score.entry.day) for score in scores}
    for member_id, unit, day, row in await queries.load_days(connection, partition, keys):
        state.tally((member_id, unit)).rows[day] = row


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
    renewed: set[tuple[UUID, str]] = set()
    ladders = [(key, ladder) for key in late for ladder in state.config.by_unit[key[1]]]
    histories = [(key[0], ladder.code, late[key]) for key, ladder in ladders]
    for standing in await queries.load_histories(connection, partition, histories):
        of_member = (standing.member_id, standing.ladder)
        before = () if of_member not in renewed else state.standings[of_member]
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
    known: dict[MemberUnit, datetime] = {}
    late: dict[MemberUnit, datetime] = {}
    for score in scores:
        key = (score.member_id, score.unit)
        at = score.entry.at
        if key not in known:
            known[key] = _known_until(key, evaluated_now, state) or at
        if at < known[key]:
            late[key] = min(late.get(key, at), at)
        else:
            known[key] = at
    return {key: at for key, at in late.items() if _looks_back(key, state)}


def _known_until(key: MemberUnit, evaluated_now: dict[str, datetime], state: TiersState) -> datetime | None:
    tally = state.tallies.get(key)
    known = [] if tally is None or tally.last_at is None else [tally.last_at]
    for ladder in _ladders(key, state):
        known += [standing.effective_from for standing in state.standings.get((key[0], ladder.code), ())]
        if (evaluated := state.evaluated.get(ladder.code)) is not None:
            known.append(evaluated.through)
        if (at := evaluated_now.get(ladder.code)) is not None:
            known.append(at)
    return max(known, default=None)


def _looks_back(key: MemberUnit, state: TiersState) -> bool:
    """Whether a late entry may change what is recorded of the past."""
    return not all(ladder.rises_when_recorded for ladder in _ladders(key, state))


def _ladders(key: MemberUnit, state: TiersState) -> Sequence[Ladder]:
    return state.config.by_unit.get(key[1], ())
