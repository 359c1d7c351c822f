"""Every SQL statement with which it is read whom IDs lead to, and all that members scored and were."""

from collections.abc import Collection, Sequence
from typing import Any
from uuid import UUID

import asyncpg

from services.chassis import ids
from services.chassis.reading import Reading
from services.tiers.merges.values import Link
from services.tiers.queries import STANDING_COLUMNS, entries_of, read_evaluations, standing_of
from services.tiers.state import Tally, TiersState
from services.tiers.values import DayScore

_LINKS = """
    SELECT member_id, leads_to, merged
    FROM links
    WHERE partition = $1
      AND member_id = ANY($2::uuid[])
"""
_SCORES = """
    SELECT member_id, unit, day, amount, last_at, entries
    FROM scores
    WHERE partition = $1
      AND member_id = ANY($2::uuid[])
    ORDER BY day
"""
_STANDINGS = f"""
    SELECT {STANDING_COLUMNS}
    FROM standings AS s
    WHERE s.partition = $1
      AND s.member_id = ANY($2::uuid[])
      AND s.superseded_at IS NULL
    ORDER BY s.position, s.ordinal
"""


async def load_links(
    connection: asyncpg.Connection, partition: int, member_ids: Collection[UUID], state: TiersState
) -> None:
    """Whom IDs lead to; members that were never merged are missing."""
    for member_id, leads_to, merged in await connection.fetch(_LINKS, partition, list(member_ids)):
        state.links[member_id] = Link(member_id, leads_to, tuple(ids.split(merged)))


async def load_all_of(
    connection: asyncpg.Connection, partition: int, member_ids: Collection[UUID], state: TiersState
) -> None:
    """All that members scored, entry by entry, and all standings of theirs that nothing took back."""
    wanted = list(member_ids)
    await load_links(connection, partition, wanted, state)
    tallies: dict[tuple[UUID, str], Tally] = {}

    def take_scores(rows: Sequence[Any]) -> None:
        for member_id, unit, day, amount, last_at, text in rows:
            tally = tallies.setdefault((member_id, unit), Tally(entries=[]))
            tally.rows[day] = DayScore(amount, last_at, text)
            tally.scores[day] = amount
            tally.last_day = day
            tally.last_at = last_at if tally.last_at is None else max(tally.last_at, last_at)
            assert tally.entries is not None, "it was made with a list"
            tally.entries += entries_of(day, text)

    def take_standings(rows: Sequence[Any]) -> None:
        for row in rows:
            standing = standing_of(row)
            key = (standing.member_id, standing.ladder)
            state.standings[key] = (*state.standings.get(key, ()), standing)

    for key in [key for key in state.standings if key[0] in member_ids]:
        del state.standings[key]
    reading = Reading(connection, partition)
    read_evaluations(reading, state.evaluated)
    reading.add_many(_SCORES, wanted, take=take_scores)
    reading.add_many(_STANDINGS, wanted, take=take_standings)
    await reading.run()
    for member_id in wanted:
        for unit in state.config.by_unit:
            tallies.setdefault((member_id, unit), Tally(entries=[]))
    state.tallies |= tallies
    state.loaded.update(wanted)
