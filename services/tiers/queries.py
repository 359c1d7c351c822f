"""Every SQL statement with which a batch of tiers loads its state. Each is set-based and stays in one partition."""

import json
from collections.abc import Iterable, Sequence
from datetime import date
from typing import Any
from uuid import UUID

import asyncpg

from services.chassis.clock import EPOCH, from_microseconds
from services.chassis.ids import from_bytes
from services.chassis.reading import Reading
from services.tiers.values import DayScore, Entry, Evaluated, Member

_MEMBERS = """
    SELECT member_id, status, enrolled_at
    FROM members
    WHERE partition = $1
      AND member_id = ANY($2)
"""
_DAYS = """
    SELECT k.member_id, k.unit, k.day, s.amount, s.last_at, s.entries
    FROM unnest($2::uuid[], $3::text[], $4::date[]) AS k (member_id, unit, day)
    CROSS JOIN LATERAL (
        SELECT amount, last_at, entries
        FROM scores
        WHERE partition = $1
          AND member_id = k.member_id
          AND unit = k.unit
          AND day = k.day
        LIMIT 1
    ) AS s
"""
_ENTRIES = """
    SELECT s.*
    FROM unnest($2::uuid[], $3::text[], $4::date[]) AS k (member_id, unit, first_day)
    CROSS JOIN LATERAL (
        SELECT member_id, unit, day, amount, entries
        FROM scores
        WHERE partition = $1
          AND member_id = k.member_id
          AND unit = k.unit
          AND day >= k.first_day
        OFFSET 0
    ) AS s
    ORDER BY s.day
"""
_EVALUATIONS = """
    SELECT ladder, through, fingerprint, since
    FROM evaluations
    WHERE partition = $1
"""


async def load_members(connection: asyncpg.Connection, partition: int, member_ids: Sequence[UUID]) -> list[Member]:
    """Members; one that was not heard of is missing."""
    rows = await connection.fetch(_MEMBERS, partition, member_ids)
    return [Member._make(row) for row in rows]


async def load_days(
    connection: asyncpg.Connection, partition: int, keys: Iterable[tuple[UUID, str, date]]
) -> list[tuple[UUID, str, date, DayScore]]:
    """What members scored on some days; a day without a score is missing."""
    columns = list(map(list, zip(*keys, strict=True)))
    return [
        (row["member_id"], row["unit"], row["day"], DayScore(row["amount"], row["last_at"], row["entries"]))
        for row in await connection.fetch(_DAYS, partition, *columns)
    ]


async def load_entries(
    connection: asyncpg.Connection, partition: int, keys: Sequence[tuple[UUID, str, date]]
) -> list[tuple[UUID, str, list[Entry]]]:
    """What members scored from a day on, entry by entry; one item for each day."""
    columns = list(map(list, zip(*keys, strict=True)))
    return [
        (row["member_id"], row["unit"], entries_of(row["day"], row["entries"]))
        for row in await connection.fetch(_ENTRIES, partition, *columns)
    ]


def read_evaluations(reading: Reading, evaluated: dict[str, Evaluated]) -> None:
    """How far each ladder is evaluated; one that never was is missing."""

    def take(rows: Sequence[Any]) -> None:
        evaluated.update((row[0], Evaluated._make(row[1:])) for row in rows)

    reading.add(_EVALUATIONS, take=take)


def entries_of(day: date, text: str) -> list[Entry]:
    """The entries of a row of scores."""
    return [
        Entry(from_microseconds(at_us) or EPOCH, day, amount, from_bytes(bytes.fromhex(source[0])) if source else None)
        for at_us, amount, *source in json.loads(text)
    ]
