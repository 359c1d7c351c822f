"""Every SQL statement with which standings are read. Each serves any number of members at once."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any, NamedTuple
from uuid import UUID

import asyncpg

from services.chassis.clock import to_microseconds
from services.chassis.partitions import partition_of
from services.tiers.standings.queries import STANDING_COLUMNS, standing_of
from services.tiers.values import Standing

LATEST = datetime(9999, 1, 1, tzinfo=UTC)
"""The instant by which everything is wanted that is known."""

_MEANT = """
    SELECT found.*
    FROM unnest($1::int[], $2::uuid[]) AS wanted (partition, member_id)
    CROSS JOIN LATERAL (
        SELECT m.member_id, m.enrolled_at, l.leads_to
        FROM members AS m
        LEFT JOIN LATERAL (
            SELECT leads_to
            FROM links
            WHERE partition = m.partition
              AND member_id = m.member_id
            OFFSET 0
        ) AS l ON true
        WHERE m.partition = wanted.partition
          AND m.member_id = wanted.member_id
        OFFSET 0
    ) AS found
"""
# What acts by an instant: of a day with parts that act later, only the parts that do not.
_SCORES_BY = """
        SELECT
            array_agg(c.day) AS days,
            array_agg(
                CASE
                    WHEN c.last_at <= k.at THEN c.amount
                    ELSE (
                        SELECT coalesce(sum((part ->> 1)::bigint), 0)::bigint
                        FROM jsonb_array_elements(c.entries) AS part
                        WHERE (part ->> 0)::bigint <= k.at_us
                    )
                END
            ) AS amounts,
            max(c.last_at) AS last_at
        FROM scores AS c
        WHERE c.partition = k.partition
          AND c.member_id = k.member_id
          AND c.unit = k.unit
          AND c.day >= least(k.first_day, s.scores_from)
          AND c.day <= k.day
"""
# Among standings that nothing took back, the last place in the journal that began by an instant holds at it.
_STANDINGS = f"""
    SELECT k.number, {STANDING_COLUMNS}, w.days, w.amounts, w.last_at
    FROM unnest($1::int[], $2::uuid[], $3::text[], $4::text[], $5::timestamptz[], $6::bigint[], $7::date[], $8::date[])
        WITH ORDINALITY AS k (partition, member_id, ladder, unit, at, at_us, first_day, day, number)
    LEFT JOIN LATERAL (
        SELECT {STANDING_COLUMNS}
        FROM standings AS s
        WHERE s.partition = k.partition
          AND s.member_id = k.member_id
          AND s.ladder = k.ladder
          AND s.superseded_at IS NULL
          AND s.effective_from <= k.at
        ORDER BY s.position DESC, s.ordinal DESC
        LIMIT 1
    ) AS s ON true
    LEFT JOIN LATERAL (
        {_SCORES_BY}
    ) AS w ON true
    ORDER BY k.number
"""
_PAGE = f"""
    SELECT {STANDING_COLUMNS}
    FROM standings AS s
    WHERE s.partition = $1
      AND s.member_id = $2
      AND s.ladder = $3
      AND s.superseded_at IS NULL
      AND (s.position, s.ordinal) < ($4, $5)
    ORDER BY s.position DESC, s.ordinal DESC
    LIMIT $6
"""
_MEMBERS = """
    SELECT
        (SELECT count(*) FROM members)
        - (SELECT count(*) FROM links JOIN members USING (partition, member_id) WHERE leads_to IS NOT NULL OR is_erased)
"""
_LEVELS = """
    SELECT s.ladder, s.level, s.rank, count(*) AS members
    FROM standings AS s
    JOIN members AS m USING (partition, member_id)
    WHERE s.ladder = ANY($1)
      AND s.effective_to IS NULL
      AND s.superseded_at IS NULL
    GROUP BY s.ladder, s.level, s.rank
"""
_MOVES = """
    SELECT
        ladder,
        count(*) FILTER (WHERE rank > previous_rank) AS rises,
        count(*) FILTER (WHERE rank < previous_rank) AS falls
    FROM standings
    WHERE ladder = ANY($1)
      AND superseded_at IS NULL
    GROUP BY ladder
"""
_DUE = f"""
    SELECT {STANDING_COLUMNS}, w.days, w.amounts, w.last_at
    FROM unnest($1::text[], $2::text[], $3::date[]) AS l (ladder, unit, day)
    JOIN standings AS s
      ON s.ladder = l.ladder
     AND s.valid_until <= $4
     AND s.effective_to IS NULL
     AND s.superseded_at IS NULL
    JOIN members AS m
      ON m.partition = s.partition
     AND m.member_id = s.member_id
    CROSS JOIN LATERAL (
        SELECT s.partition, s.member_id, l.unit, $4 AS at, $5::bigint AS at_us, s.scores_from AS first_day, l.day
    ) AS k
    LEFT JOIN LATERAL (
        {_SCORES_BY}
    ) AS w ON true
"""


class Meant(NamedTuple):
    """Whom an ID means: the member itself, or the one that it was merged into."""

    member_id: UUID
    enrolled_at: datetime


@dataclass(frozen=True, slots=True)
class Wanted:
    """A member's standing on a ladder at an instant, with the scores from a day on that act by then."""

    partition: int
    member_id: UUID
    ladder: str
    unit: str
    at: datetime
    first_day: date
    day: date


@dataclass(frozen=True, slots=True)
class Found:
    """A standing that was recorded, and scores by day."""

    standing: Standing | None
    scores: Mapping[date, int]
    last_at: datetime | None
    """From when on the last of the scores acts; at times past it, when only some of a day's scores were wanted."""


@dataclass(frozen=True, slots=True)
class Counts:
    """The population of ladders, as recorded."""

    members: int
    levels: Sequence[tuple[str, str, int, int]]
    """Ladder, level, rank, and how many members stand there."""
    moves: Mapping[str, tuple[int, int]]
    """Rises and falls by ladder."""
    due: Sequence[Found]
    """Standings with an evaluation that has not run yet."""


async def meant(pool: asyncpg.Pool, partitions: int, member_ids: Iterable[UUID]) -> dict[UUID, Meant]:
    """Whom IDs mean; one that was not heard of is missing."""
    found = await _find_members(pool, partitions, sorted(set(member_ids)))
    survivors = await _find_members(pool, partitions, sorted({row[2] for row in found.values() if row[2] is not None}))
    rows = {member_id: survivors.get(row[2]) if row[2] is not None else row for member_id, row in found.items()}
    return {member_id: Meant(row[0], row[1]) for member_id, row in rows.items() if row is not None}


async def _find_members(pool: asyncpg.Pool, partitions: int, member_ids: Sequence[UUID]) -> dict[UUID, Any]:
    if not member_ids:
        return {}
    rows = await pool.fetch(_MEANT, [partition_of(each, partitions) for each in member_ids], member_ids)
    return {row[0]: row for row in rows}


async def standings(pool: asyncpg.Pool, wanted: Sequence[Wanted]) -> list[Found]:
    """The standings and scores wanted, one for each, in order."""
    rows = await pool.fetch(
        _STANDINGS,
        [item.partition for item in wanted],
        [item.member_id for item in wanted],
        [item.ladder for item in wanted],
        [item.unit for item in wanted],
        [item.at for item in wanted],
        [to_microseconds(item.at) for item in wanted],
        [item.first_day for item in wanted],
        [item.day for item in wanted],
    )
    return [_found(row) for row in rows]


async def page(
    pool: asyncpg.Pool, partition: int, member_id: UUID, ladder: str, before: tuple[int, int], limit: int
) -> list[Standing]:
    """At most `limit` standings before a place in the journal, newest first."""
    return [standing_of(row) for row in await pool.fetch(_PAGE, partition, member_id, ladder, *before, limit)]


async def counts(pool: asyncpg.Pool, ladders: Sequence[tuple[str, str, date]], now: datetime) -> Counts:
    """The population of ladders (code, unit, today), in one snapshot."""
    codes = [code for code, _, _ in ladders]
    columns = list(map(list, zip(*ladders, strict=True))) or [[], [], []]
    async with (
        pool.acquire() as connection,
        connection.transaction(isolation="repeatable_read", readonly=True),
    ):
        levels = await connection.fetch(_LEVELS, codes)
        moves = await connection.fetch(_MOVES, codes)
        due = await connection.fetch(_DUE, *columns, now, to_microseconds(now))
        members = await connection.fetchval(_MEMBERS)
    return Counts(
        members=members,
        levels=[(row["ladder"], row["level"], row["rank"], row["members"]) for row in levels],
        moves={row["ladder"]: (row["rises"], row["falls"]) for row in moves},
        due=[_found(row) for row in due],
    )


def _found(row: Any) -> Found:
    return Found(
        standing=None if row["level"] is None else Standing(**{name: row[name] for name in Standing._fields}),
        scores=dict(zip(row["days"] or (), row["amounts"] or (), strict=True)),
        last_at=row["last_at"],
    )
