"""Every SQL statement with which a batch of tiers loads its state. Each is set-based and stays in one partition."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

import asyncpg

from services.chassis.clock import EPOCH, from_microseconds
from services.tiers.values import DayScore, Entry, Evaluated, Ladder, Member, Standing

STANDING_COLUMNS = """
    s.member_id, s.ladder, s.position, s.ordinal, s.effective_from, s.effective_to, s.level, s.rank, s.previous_level,
    s.previous_rank, s.score, s.config_version, s.recorded_at, s.valid_until, s.scores_from, s.superseded_at
"""
_MEMBERS = """
    SELECT member_id, status, enrolled_at
    FROM members
    WHERE partition = $1
      AND member_id = ANY($2)
"""
# Where members stand, how far that is evaluated, and what they scored as far back as it may matter.
_STANDINGS = f"""
    SELECT
        k.member_id AS of_member, k.ladder AS of_ladder, k.unit AS of_unit, {STANDING_COLUMNS},
        e.through, e.fingerprint, e.since, w.days, w.amounts, w.last_at
    FROM unnest($2::uuid[], $3::text[], $4::text[], $5::date[]) AS k (member_id, ladder, unit, first_day)
    LEFT JOIN evaluations AS e
      ON e.partition = $1
     AND e.ladder = k.ladder
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
        SELECT array_agg(day) AS days, array_agg(amount) AS amounts, max(last_at) AS last_at
        FROM scores
        WHERE partition = $1
          AND member_id = k.member_id
          AND unit = k.unit
          AND day >= least(k.first_day, s.scores_from)
    ) AS w ON true
"""
_DAYS = """
    SELECT member_id, unit, day, amount, last_at, entries
    FROM scores
    JOIN unnest($2::uuid[], $3::text[], $4::date[]) AS wanted (member_id, unit, day) USING (member_id, unit, day)
    WHERE partition = $1
"""
_HISTORIES = f"""
    SELECT {STANDING_COLUMNS}
    FROM unnest($2::uuid[], $3::text[], $4::timestamptz[]) AS k (member_id, ladder, at)
    JOIN standings AS s
      ON s.partition = $1
     AND s.member_id = k.member_id
     AND s.ladder = k.ladder
    WHERE s.superseded_at IS NULL
      AND (s.effective_to IS NULL OR s.effective_to >= k.at)
    ORDER BY s.position, s.ordinal
"""
_ENTRIES = """
    SELECT s.member_id, s.unit, s.day, s.amount, s.entries
    FROM unnest($2::uuid[], $3::text[], $4::date[]) AS k (member_id, unit, first_day)
    JOIN scores AS s
      ON s.partition = $1
     AND s.member_id = k.member_id
     AND s.unit = k.unit
    WHERE s.day >= k.first_day
    ORDER BY s.day
"""
_EVALUATIONS = """
    SELECT ladder, through, fingerprint, since
    FROM evaluations
    WHERE partition = $1
"""
_DUE = """
    SELECT member_id
    FROM standings
    WHERE partition = $1
      AND ladder = $2
      AND valid_until <= $3
      AND member_id > $4
      AND effective_to IS NULL
      AND superseded_at IS NULL
    ORDER BY member_id
    LIMIT $5
"""
# Everybody who stands above the lowest level, or should.
_ANEW = """
    SELECT member_id
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
"""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A member's standing on a ladder, with the scores from a day on."""

    member_id: UUID
    ladder: str
    unit: str
    first_day: date


@dataclass(frozen=True, slots=True)
class Found:
    """Where a member stands, and what it scored."""

    wanted_member: UUID
    ladder: str
    unit: str
    standing: Standing | None
    evaluated: Evaluated | None
    scores: Mapping[date, int]
    last_at: datetime | None


async def load_members(connection: asyncpg.Connection, partition: int, member_ids: Sequence[UUID]) -> list[Member]:
    """Members; one that was not heard of is missing."""
    rows = await connection.fetch(_MEMBERS, partition, member_ids)
    return [Member(row["member_id"], row["status"], row["enrolled_at"]) for row in rows]


async def load_standings(connection: asyncpg.Connection, partition: int, wanted: Sequence[Wanted]) -> list[Found]:
    """Where members stand, and their scores by day; one for each that is wanted."""
    columns = [
        [item.member_id for item in wanted],
        [item.ladder for item in wanted],
        [item.unit for item in wanted],
        [item.first_day for item in wanted],
    ]
    return [_found(row) for row in await connection.fetch(_STANDINGS, partition, *columns)]


async def load_days(
    connection: asyncpg.Connection, partition: int, keys: Iterable[tuple[UUID, str, date]]
) -> list[tuple[UUID, str, date, DayScore]]:
    """What members scored on some days; a day without a score is missing."""
    columns = list(map(list, zip(*keys, strict=True)))
    return [
        (row["member_id"], row["unit"], row["day"], DayScore(row["amount"], row["last_at"], row["entries"]))
        for row in await connection.fetch(_DAYS, partition, *columns)
    ]


async def load_histories(
    connection: asyncpg.Connection, partition: int, keys: Sequence[tuple[UUID, str, datetime]]
) -> list[Standing]:
    """The standings of members on ladders, from the one that holds at an instant on, in order."""
    columns = list(map(list, zip(*keys, strict=True)))
    return [standing_of(row) for row in await connection.fetch(_HISTORIES, partition, *columns)]


async def load_entries(
    connection: asyncpg.Connection, partition: int, keys: Sequence[tuple[UUID, str, date]]
) -> list[tuple[UUID, str, list[Entry]]]:
    """What members scored from a day on, entry by entry; one item for each day."""
    columns = list(map(list, zip(*keys, strict=True)))
    return [
        (row["member_id"], row["unit"], entries_of(row["day"], row["entries"]))
        for row in await connection.fetch(_ENTRIES, partition, *columns)
    ]


async def load_evaluations(connection: asyncpg.Connection, partition: int) -> dict[str, Evaluated]:
    """How far each ladder is evaluated; one that never was is missing."""
    rows = await connection.fetch(_EVALUATIONS, partition)
    return {row["ladder"]: Evaluated(row["through"], row["fingerprint"], row["since"]) for row in rows}


async def find_due(
    connection: asyncpg.Connection, partition: int, ladder: str, at: datetime, after: UUID, limit: int
) -> list[UUID]:
    """At most `limit` members after an ID who might fall at an evaluation, by ID."""
    return [row["member_id"] for row in await connection.fetch(_DUE, partition, ladder, at, after, limit)]


async def find_anew(
    connection: asyncpg.Connection, partition: int, ladder: Ladder, day: date, after: UUID, limit: int
) -> list[UUID]:
    """At most `limit` members after an ID whose level a new definition of a ladder might change, by ID.

    `day` is the last day of the window that is looked at.
    """
    first_day = ladder.window.first_day(day)
    reached = ladder.thresholds[1] if len(ladder.thresholds) > 1 else None
    rows = await connection.fetch(_ANEW, partition, ladder.code, day, after, limit, ladder.unit, first_day, reached)
    return [row["member_id"] for row in rows]


def entries_of(day: date, text: str) -> list[Entry]:
    """The entries of a row of scores."""
    return [Entry(from_microseconds(at_us) or EPOCH, day, amount) for at_us, amount in json.loads(text)]


def standing_of(row: Any) -> Standing:
    """A row of standings as a value."""
    return Standing(
        row["member_id"],
        row["ladder"],
        row["position"],
        row["ordinal"],
        row["effective_from"],
        row["effective_to"],
        row["level"],
        row["rank"],
        row["previous_level"],
        row["previous_rank"],
        row["score"],
        row["config_version"],
        row["recorded_at"],
        row["valid_until"],
        row["scores_from"],
        row["superseded_at"],
    )


def _found(row: Any) -> Found:
    return Found(
        wanted_member=row["of_member"],
        ladder=row["of_ladder"],
        unit=row["of_unit"],
        standing=None if row["level"] is None else standing_of(row),
        evaluated=None if row["through"] is None else Evaluated(row["through"], row["fingerprint"], row["since"]),
        scores=dict(zip(row["days"] or (), row["amounts"] or (), strict=True)),
        last_at=row["last_at"],
    )
