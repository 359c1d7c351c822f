"""What a batch reads before members are merged or unmerged: all that they ever scored, and where they stand."""

from collections.abc import Collection, Iterable, Sequence
from typing import Any
from uuid import UUID

import asyncpg

from services.chassis.feed_batch import FeedBatch
from services.chassis.member_records.commands import Preview
from services.chassis.reading import Reading
from services.tiers import queries as tiers_queries
from services.tiers.merges import queries
from services.tiers.merges.commands import LoadPersons
from services.tiers.merges.values import ErasureHeard, MergeHeard, UnmergeHeard
from services.tiers.state import TiersState
from services.tiers.tally import Tally


def persons_in(commands: Iterable[Any]) -> set[UUID]:
    """The members of whom commands concern all there is."""
    found: set[UUID] = set()
    for command in commands:
        if isinstance(command, FeedBatch):
            for record in command.records:
                for event in record.events:
                    found.update(members_of(event))
        elif isinstance(command, LoadPersons | Preview):
            found.update(command.member_ids)
    return found


def members_of(event: Any) -> Sequence[UUID]:
    """The members whom an event makes others, or one of whom it makes nobody."""
    match event:
        case MergeHeard():
            return (event.survivor_id, event.merged_id, *event.absorbed_ids)
        case UnmergeHeard():
            return (event.holder_id, event.member_id, *event.absorbed_ids)
        case ErasureHeard():
            return (event.member_id,)
        case _:
            return ()


async def load_persons(
    connection: asyncpg.Connection, partition: int, member_ids: Collection[UUID], state: TiersState
) -> None:
    """Read all there is of members, as far as they are in the partition."""
    wanted = sorted(member_ids)
    reading = Reading(connection, partition)
    tiers_queries.read_evaluations(reading, state.evaluated)
    await reading.run()
    for link in await queries.load_links(connection, partition, wanted):
        state.links[link.member_id] = link
    for standing in await queries.load_last_standings(connection, partition, wanted):
        key = (standing.member_id, standing.ladder)
        # A history that an entry which is late needs has the last one in it.
        state.standings[key] = state.standings.get(key) or (standing,)
    tallies: dict[tuple[UUID, str], Tally] = {}
    for member_id, unit, day, row in await queries.load_scores(connection, partition, wanted):
        tally = tallies.setdefault((member_id, unit), Tally(entries=[]))
        assert tally.entries is not None
        tally.entries += tiers_queries.entries_of(day, row.entries)
        tally.scores[day] = row.amount
        tally.rows[day] = row
        tally.last_day = day
        tally.last_at = row.last_at if tally.last_at is None else max(tally.last_at, row.last_at)
    state.tallies |= {key: Tally(entries=[]) for key in state.tallies if key[0] in member_ids} | tallies
    state.whole.update(wanted)
