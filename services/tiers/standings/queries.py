"""Every SQL statement with which a batch loads where members stand. Each is set-based and stays in one partition."""

from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime
from functools import lru_cache
from typing import Any, NamedTuple
from uuid import UUID

import asyncpg

from services.chassis.reading import Reading
from services.tiers.merges.values import Link
from services.tiers.values import DayScore, Evaluated, Ladder, Standing

STANDING_COLUMNS = """
    s.member_id, s.ladder, s.position, s.ordinal, s.effective_from, s.effective_to, s.level, s.rank, s.previous_level,
    s.previous_rank, s.score, s.config_version, s.recorded_at, s.valid_until, s.scores_from, s.superseded_at
"""

_day = lru_cache(maxsize=4096)(date.fromordinal)
"""A day by its ordinal. The same few come again and again, and to make them anew costs more than all else."""


def _standings_of(keys: str, *, no_scores_if: str = "false") -> str:
    """Where members stand, how far that is evaluated, their last day with a score, and as many day sums as may matter.

    `keys` selects member_id, ladder, unit, first_day, and all_known: whether known_until looks at all that was ever
    scored, and not only at the days that are loaded. There are no day sums where `no_scores_if` holds; their days are
    ordinals.
    """
    return f"""
    SELECT
        k.member_id, k.ladder, k.unit,
        {STANDING_COLUMNS},
        e.through, e.fingerprint, e.since,
        d.day, d.amount, d.last_at, d.entries,
        w.days, w.amounts, greatest(w.last_at, a.last_at) AS known_until,
        l.member_id, l.leads_to, l.merged, l.since, l.is_erased, l.elsewhere
    FROM (
        {keys}
    ) AS k
    LEFT JOIN evaluations AS e
      ON e.partition = $1
     AND e.ladder = k.ladder
    LEFT JOIN LATERAL (
        SELECT member_id, leads_to, merged, since, is_erased, elsewhere
        FROM links
        WHERE partition = $1
          AND member_id = k.member_id
        OFFSET 0
    ) AS l ON true
    LEFT JOIN LATERAL (
        SELECT {STANDING_COLUMNS}
        FROM standings AS s
        WHERE s.partition = $1
          AND s.member_id = k.member_id
          AND s.ladder = k.ladder
          AND s.superseded_at IS NULL
        ORDER BY s.position DESC, s.ordinal DESC
        LIMIT 1
    ) AS s ON true
    LEFT JOIN LATERAL (
        SELECT day, amount, last_at, entries
        FROM scores
        WHERE partition = $1
          AND member_id = k.member_id
          AND unit = k.unit
        ORDER BY day DESC
        LIMIT 1
    ) AS d ON true
    LEFT JOIN LATERAL (
        SELECT array_agg(day - date '0001-01-01' + 1) AS days, array_agg(amount) AS amounts, max(last_at) AS last_at
        FROM scores
        WHERE partition = $1
          AND member_id = k.member_id
          AND unit = k.unit
          AND day >= least(k.first_day, s.scores_from)
          AND ({no_scores_if}) IS NOT TRUE
    ) AS w ON true
    LEFT JOIN LATERAL (
        SELECT max(last_at) AS last_at
        FROM scores
        WHERE partition = $1
          AND member_id = k.member_id
          AND unit = k.unit
          AND k.all_known
    ) AS a ON true
    """


# The time is the batch's or, on the real clock, a little later.
_STANDINGS = _standings_of(
    """
        SELECT *
        FROM unnest($2::uuid[], $3::text[], $4::text[], $5::date[], $6::text[], $7::timestamptz[], $8::boolean[])
            AS u (member_id, ladder, unit, first_day, kept_level, until, all_known)
    """,
    no_scores_if="""
        s.level = k.kept_level
        AND s.valid_until > greatest(
            k.until,
            e.through,
            d.last_at,
            (SELECT last_at FROM head WHERE partition = $1),
            coalesce((SELECT now FROM clock), $9::timestamptz)
        )
    """,
)
_STANDINGS_DUE = _standings_of("""
        SELECT member_id, ladder, $5::text AS unit, scores_from AS first_day, false AS all_known
        FROM standings
        WHERE partition = $1
          AND ladder = $2
          AND valid_until <= $3
          AND effective_to IS NULL
          AND superseded_at IS NULL
        ORDER BY valid_until
        LIMIT $4
""")
# Everybody who stands somewhere, or should stand above the lowest level.
_STANDINGS_ANEW = _standings_of("""
        SELECT member_id, $2::text AS ladder, $6::text AS unit, $7::date AS first_day, true AS all_known
        FROM (
            SELECT member_id
            FROM standings
            WHERE partition = $1
              AND ladder = $2
              AND member_id > $4
              AND effective_to IS NULL
              AND superseded_at IS NULL
            UNION
            SELECT member_id
            FROM scores
            WHERE partition = $1
              AND unit = $6
              AND member_id > $4
              AND day BETWEEN $7 AND $3
            GROUP BY member_id
            HAVING sum(amount) >= $8::bigint
        ) AS found
        ORDER BY member_id
        LIMIT $5
""")
_HISTORIES = f"""
    SELECT s.*
    FROM unnest($2::uuid[], $3::text[], $4::timestamptz[]) AS k (member_id, ladder, at)
    CROSS JOIN LATERAL (
        SELECT {STANDING_COLUMNS}
        FROM standings AS s
        WHERE s.partition = $1
          AND s.member_id = k.member_id
          AND s.ladder = k.ladder
          AND s.superseded_at IS NULL
          AND (s.effective_to IS NULL OR s.effective_to >= k.at)
        OFFSET 0
    ) AS s
    ORDER BY s.position, s.ordinal
"""


class Wanted(NamedTuple):
    """A member's standing on a ladder, with the scores from a day on."""

    member_id: UUID
    ladder: str
    unit: str
    first_day: date
    kept_level: str | None
    """Who stands on this level stays there until its evaluation, so that until then no scores are needed."""
    until: datetime
    """When the last of the entries acts that the scores are wanted for."""
    all_known: bool
    """Whether it is wanted from when on the last of all scores acts, however long ago it counts."""


class Found(NamedTuple):
    """Where a member stands, and what it scored."""

    member_id: UUID
    ladder: str
    unit: str
    standing: Standing | None
    evaluated: Evaluated | None
    last_day: date | None
    last_row: DayScore | None
    """The last day with a score."""
    scores: dict[date, int]
    known_until: datetime | None
    """From when on the last of the scores acts."""
    link: Link | None


async def load_standings(connection: asyncpg.Connection, partition: int, wanted: Iterable[Wanted]) -> list[Found]:
    """Where members stand, and their scores by day; one for each that is wanted."""
    columns = map(list, zip(*wanted, strict=True))
    rows = await connection.fetch(_STANDINGS, partition, *columns, datetime.now(UTC))
    return [_found(row) for row in rows]


def read_due(reading: Reading, ladder: Ladder, at: datetime, limit: int, found: list[Found]) -> None:
    """At most `limit` members who might fall at an evaluation, by ID. Once evaluated, they are not found again."""

    def take(rows: Sequence[Any]) -> None:
        found.extend(sorted(map(_found, rows), key=lambda due: due.member_id))

    reading.add_many(_STANDINGS_DUE, ladder.code, at, limit, ladder.unit, take=take)


async def find_anew(
    connection: asyncpg.Connection, partition: int, ladder: Ladder, day: date, after: UUID, limit: int
) -> list[Found]:
    """At most `limit` members after an ID whose level a new definition of a ladder might change, by ID.

    `day` is the last day of the window that is looked at.
    """
    first_day = ladder.window.first_day(day)
    reached = ladder.thresholds[1] if len(ladder.thresholds) > 1 else None
    rows = await connection.fetch(
        _STANDINGS_ANEW, partition, ladder.code, day, after, limit, ladder.unit, first_day, reached
    )
    return sorted([_found(row) for row in rows], key=lambda found: found.member_id)


async def load_histories(
    connection: asyncpg.Connection, partition: int, keys: Sequence[tuple[UUID, str, datetime]]
) -> list[Standing]:
    """The standings of members on ladders, from the one that holds at an instant on, in order."""
    columns = list(map(list, zip(*keys, strict=True)))
    return [standing_of(row) for row in await connection.fetch(_HISTORIES, partition, *columns)]


def standing_of(row: Any) -> Standing:
    """A row of standings as a value."""
    return Standing._make(row)


def _found(row: Any) -> Found:
    """A row of standings found: each part has its place, which names would only slow down."""
    member_id, ladder, unit = row[:3]
    return Found(
        member_id,
        ladder,
        unit,
        Standing._make(row[3:19]) if row[3] is not None else None,
        Evaluated._make(row[19:22]) if row[19] is not None else None,
        row[22],
        DayScore._make(row[23:26]) if row[22] is not None else None,
        dict(zip(map(_day, row[26]), row[27], strict=True)) if row[26] is not None else {},
        row[28],
        Link._make(row[29:35]) if row[29] is not None else None,
    )
