"""Every SQL statement with which the ledger is summed up and proved."""

from collections.abc import Sequence
from typing import Any

import asyncpg

from services.chassis.database import Connection

_UNIT_SUMS = """
    WITH moved AS (
        SELECT unit, kind, sum(amount) AS amount
        FROM entries
        GROUP BY unit, kind
    ), kept AS (
        SELECT unit, sum(balance) AS balance, sum(debt) AS debt
        FROM balances
        GROUP BY unit
    ), open_lots AS (
        SELECT unit, sum(remaining + held) AS amount
        FROM lots
        WHERE remaining > 0 OR held > 0
        GROUP BY unit
    )
    SELECT kept.unit,
           coalesce(sum(moved.amount) FILTER (WHERE moved.kind = 1), 0)::bigint AS earned,
           coalesce(-sum(moved.amount) FILTER (WHERE moved.kind IN (2, 3)), 0)::bigint AS spent,
           coalesce(-sum(moved.amount) FILTER (WHERE moved.kind IN (4, 5)), 0)::bigint AS expired,
           coalesce(-sum(moved.amount) FILTER (WHERE moved.kind IN (6, 7, 8)), 0)::bigint AS clawed_back,
           kept.balance::bigint AS outstanding,
           coalesce(open_lots.amount, 0)::bigint AS in_lots,
           kept.debt::bigint AS receivable
    FROM kept
    LEFT JOIN moved USING (unit)
    LEFT JOIN open_lots USING (unit)
    GROUP BY kept.unit, kept.balance, kept.debt, open_lots.amount
    ORDER BY kept.unit
"""
_ACTIVITY_SUMS = """
    SELECT count(*) AS activities, coalesce(sum(lines), 0)::bigint AS lines
    FROM activities
"""
_HEAD = """
    SELECT position, chain_hash
    FROM head
    WHERE partition = $1
"""
_JOURNAL = """
    SELECT position, recorded_at, payload, chain_hash
    FROM journal
    WHERE partition = $1
    ORDER BY position
"""
_ENTRIES = """
    SELECT position, ordinal, member_id, account_id, unit, kind, amount, balance_after, counterparty, effective_at,
           source_id, level, recorded_at
    FROM entries
    WHERE partition = $1
    ORDER BY position, ordinal
"""
_LOTS = """
    SELECT lot_id, member_id, unit, amount, remaining, held, expired, available_at, expires_at, funder, source_id,
           account_id, slides, origin_lot
    FROM lots
    WHERE partition = $1
"""
_BALANCES = """
    SELECT member_id, unit, balance, debt, slides_to
    FROM balances
    WHERE partition = $1
"""
_HOLDS = """
    SELECT hold_id, member_id, account_id, domain, unit, amount, captured, state, placed_at, expires_at, closed_at,
           reference
    FROM holds
    WHERE partition = $1
"""
_SPENDS = """
    SELECT spend_id, member_id, account_id, domain, unit, amount, refunded, spent_at, reference
    FROM spends
    WHERE partition = $1
"""
_CLAWBACKS = """
    SELECT clawback_id, member_id, account_id, unit, activity_id, funder, amount, owed, taken_at
    FROM clawbacks
    WHERE partition = $1
"""
_USES = """
    SELECT user_id, ordinal, lot_id, amount, refunded
    FROM lot_uses
    WHERE partition = $1
"""
_ACTIVITIES = """
    SELECT activity_id, natural_key, member_id, effective_at, fingerprint, body, answer, lines, reversed_at
    FROM activities
    WHERE partition = $1
"""


async def unit_sums(pool: asyncpg.Pool) -> Sequence[Any]:
    """What moved and what is kept, by unit."""
    return await pool.fetch(_UNIT_SUMS)


async def activity_sums(pool: asyncpg.Pool) -> Any:
    """How many activities and lines are recorded."""
    return await pool.fetchrow(_ACTIVITY_SUMS)


async def head(connection: Connection, partition: int) -> Any:
    """Where a partition stands."""
    return await connection.fetchrow(_HEAD, partition)


def journal(connection: Connection, partition: int) -> Any:
    """A cursor over the journal, in order; within a transaction."""
    return connection.cursor(_JOURNAL, partition, prefetch=64)


def entries(connection: Connection, partition: int) -> Any:
    """A cursor over the entries in the order in which they were booked; within a transaction."""
    return connection.cursor(_ENTRIES, partition, prefetch=2000)


async def lots(connection: Connection, partition: int) -> Sequence[Any]:
    """All lots."""
    return await connection.fetch(_LOTS, partition)


async def balances(connection: Connection, partition: int) -> Sequence[Any]:
    """All balances."""
    return await connection.fetch(_BALANCES, partition)


async def holds(connection: Connection, partition: int) -> Sequence[Any]:
    """All holds."""
    return await connection.fetch(_HOLDS, partition)


async def spends(connection: Connection, partition: int) -> Sequence[Any]:
    """All spends."""
    return await connection.fetch(_SPENDS, partition)


async def clawbacks(connection: Connection, partition: int) -> Sequence[Any]:
    """All clawbacks."""
    return await connection.fetch(_CLAWBACKS, partition)


async def uses(connection: Connection, partition: int) -> Sequence[Any]:
    """All uses of lots."""
    return await connection.fetch(_USES, partition)


def activities(connection: Connection, partition: int) -> Any:
    """A cursor over the activities; within a transaction."""
    return connection.cursor(_ACTIVITIES, partition, prefetch=500)
