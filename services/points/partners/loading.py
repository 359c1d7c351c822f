"""Every SQL statement with which a batch loads conversions with partners, and with which they are read."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg

from services.chassis.reading import Reading
from services.points.partners.values import OPEN, PartnerConversion, State
from services.points.state import PointsState
from services.points.values import LotUse

_COLUMNS = """
    partner_conversion_id, member_id, account_id, domain, conversion, partner, partner_account_id, incoming, unit,
    amount, partner_unit, partner_amount, state, funder, started_at, closed_at, settled_by, reference, booking, reason
"""
_CONVERSIONS = f"""
    SELECT {_COLUMNS},
           ARRAY (
               SELECT (u.lot_id, u.amount, u.refunded)
               FROM lot_uses AS u
               WHERE u.partition = owner.partition
                 AND u.user_id = owner.partner_conversion_id
               ORDER BY u.ordinal
           )
    FROM partner_conversions AS owner
    WHERE partition = $1
      AND partner_conversion_id = ANY($2)
"""
_ONE = f"""
    SELECT {_COLUMNS}
    FROM partner_conversions
    WHERE partition = $1
      AND partner_conversion_id = $2
"""
# Of each partition as many as are wanted, in the order of its index.
_IN_STATE = f"""
    SELECT found.*
    FROM unnest($1::int[]) AS asked (partition)
    CROSS JOIN LATERAL (
        SELECT {_COLUMNS}
        FROM partner_conversions
        WHERE partition = asked.partition
          AND state = $2
          AND partner_conversion_id > $3
        ORDER BY partner_conversion_id
        LIMIT $4
    ) AS found
    ORDER BY found.partner_conversion_id
    LIMIT $4
"""
_WAITING = """
    SELECT found.*
    FROM unnest($1::int[]) AS asked (partition)
    CROSS JOIN unnest($2::int[]) AS wanted (state)
    CROSS JOIN LATERAL (
        SELECT partner_conversion_id
        FROM partner_conversions
        WHERE partition = asked.partition
          AND state = wanted.state
        ORDER BY partner_conversion_id
        LIMIT $3
    ) AS found
"""
_OPEN = """
    SELECT state, count(*) AS conversions, min(started_at) AS oldest
    FROM partner_conversions
    WHERE partition = ANY($1)
      AND state = ANY($2)
    GROUP BY state
"""


def read_partner_conversions(reading: Reading, conversion_ids: Iterable[UUID], state: PointsState) -> None:
    """Conversions by ID, with the lots that they took from."""

    def take(rows: Sequence[Any]) -> None:
        for row in rows:
            conversion = _of(row[:-1], tuple(LotUse(*use) for use in row[-1]))
            state.partner_conversions[conversion.partner_conversion_id] = conversion

    reading.add(_CONVERSIONS, list(conversion_ids), take=take)


async def partner_conversion(pool: asyncpg.Pool, partition: int, conversion_id: UUID) -> PartnerConversion | None:
    """A conversion, without the lots that it took from."""
    row = await pool.fetchrow(_ONE, partition, conversion_id)
    return None if row is None else _of(row)


async def in_state(
    pool: asyncpg.Pool, partitions: Sequence[int], state: State, after: UUID, limit: int
) -> list[PartnerConversion]:
    """A page of conversions that are so far, of all partitions, by ID."""
    return [_of(row) for row in await pool.fetch(_IN_STATE, partitions, state, after, limit)]


async def waiting(pool: asyncpg.Pool, partitions: Sequence[int], limit: int) -> set[UUID]:
    """Conversions that wait for their partner, of each partition and state at most so many, the oldest first."""
    return {row[0] for row in await pool.fetch(_WAITING, partitions, OPEN, limit)}


async def how_many_open(pool: asyncpg.Pool, partitions: Sequence[int]) -> dict[State, tuple[int, datetime]]:
    """How many conversions wait for their partner, and since when the oldest does."""
    rows = await pool.fetch(_OPEN, partitions, OPEN)
    return {State(row["state"]): (row["conversions"], row["oldest"]) for row in rows}


def _of(row: Any, uses: tuple[LotUse, ...] = ()) -> PartnerConversion:
    conversion = PartnerConversion(*(*row, uses))
    return replace(conversion, state=State(conversion.state))
