"""Every SQL statement with which the ledger is summed up and proved."""

from collections.abc import AsyncIterator, Sequence
from datetime import date
from typing import Any

import asyncpg

CHUNK = 500
"""Rows that are read at a time to prove them: some milliseconds of work between which others are served."""

Chunks = AsyncIterator[Sequence[Any]]

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
           coalesce(sum(moved.amount) FILTER (WHERE moved.kind = 20), 0)::bigint AS granted,
           coalesce(-sum(moved.amount) FILTER (WHERE moved.kind = 21), 0)::bigint AS forfeited,
           coalesce(sum(moved.amount) FILTER (WHERE moved.kind IN (22, 23, 36, 37)), 0)::bigint AS converted,
           coalesce(sum(moved.amount) FILTER (WHERE moved.kind IN (35, 38)), 0)::bigint AS adjusted,
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
      AND position > $2
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
           account_id, slides, origin_lot, merchant
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
           order_minor, reference
    FROM holds
    WHERE partition = $1
"""
_SPENDS = """
    SELECT spend_id, member_id, account_id, domain, unit, amount, refunded, spent_at, order_minor,
           order_returned, pooled_spend_id, reference
    FROM spends
    WHERE partition = $1
"""
_POOLED_SPENDS = """
    SELECT spend_id, group_id, member_id, account_id, domain, unit, amount, refunded, spent_at, order_minor,
           order_returned, reference
    FROM pooled_spends
    WHERE partition = $1
"""
_CONTRIBUTIONS = """
    SELECT pooled_spend_id, ordinal, member_id, spend_id, amount, refunded
    FROM contributions
    WHERE partition = $1
"""
# What pooled spends say of a wallet's spend, and what that says of itself, where they differ. One statement sees one
# state of all partitions, where they are in one database.
_CONTRIBUTIONS_OF_ALL = """
    SELECT coalesce(said.partition, kept.partition) AS partition, spend_id
    FROM (
        SELECT min(partition) AS partition, spend_id, pooled_spend_id, member_id, sum(amount) AS amount,
               sum(refunded) AS refunded
        FROM contributions
        GROUP BY spend_id, pooled_spend_id, member_id
    ) AS said
    FULL JOIN (
        SELECT partition, spend_id, pooled_spend_id, member_id, amount, refunded
        FROM spends
        WHERE pooled_spend_id IS NOT NULL
    ) AS kept USING (spend_id)
    WHERE (said.pooled_spend_id, said.member_id, said.amount, said.refunded)
          IS DISTINCT FROM (kept.pooled_spend_id, kept.member_id, kept.amount, kept.refunded)
    ORDER BY spend_id
"""
_CLAWBACKS = """
    SELECT clawback_id, member_id, account_id, unit, activity_id, funder, amount, owed, taken_at
    FROM clawbacks
    WHERE partition = $1
"""
_GIFTS = """
    SELECT gift_id, member_id, account_id, domain, to_member_id, to_account_id, to_domain, unit, amount, state,
           given_at, expires_at, closed_at, reference
    FROM gifts
    WHERE partition = $1
"""
_ADJUSTMENTS = """
    SELECT adjustment_id, member_id, account_id, domain, unit, amount, funder, state, requested_by, requested_at,
           resolved_by, resolved_at, effective_at, cause
    FROM adjustments
    WHERE partition = $1
"""
_PARTNER_CONVERSIONS = """
    SELECT partner_conversion_id, member_id, account_id, domain, conversion, partner, partner_account_id, incoming,
           unit, amount, partner_unit, partner_amount, state, funder, started_at, closed_at, settled_by, reference,
           booking, reason
    FROM partner_conversions
    WHERE partition = $1
"""
_MOVEMENTS = """
    SELECT movement_id, member_id, account_id, domain, kind, unit, amount, conversion, credited, moved_at, reason,
           reference
    FROM movements
    WHERE partition = $1
"""
_USES = """
    SELECT user_id, ordinal, lot_id, amount, refunded
    FROM lot_uses
    WHERE partition = $1
"""
_CAP_USES = """
    SELECT member_id, rule, period_start, used
    FROM cap_uses
    WHERE partition = $1
"""
_ACTIVITIES = """
    SELECT activity_id, natural_key, member_id, effective_at, fingerprint, body, answer, lines, reversed_at
    FROM activities
    WHERE partition = $1
"""


_REFUNDS = """
    SELECT activity_id, ordinal, member_id, refunded_at, fingerprint, reference, answer
    FROM refunds
    WHERE partition = $1
"""

_COMPLETIONS = """
    SELECT activity_id, member_id, completed_at, recorded_at, released
    FROM completions
    WHERE partition = $1
"""
_PARKED_REFUNDS = """
    SELECT parked_refund_id, natural_key, ordinal, member_id, domain, type, state, parked_at, closed_at,
           activity_reference, reference, body, answer, reason
    FROM parked_refunds
    WHERE partition = $1
"""
_BUDGET_PORTIONS = """
    SELECT budget, period_start, leased, drawn, amount, exhausted
    FROM budget_portions
    WHERE partition = $1
"""
_BUDGET_POOLS = """
    SELECT budget, period_start, leased, amount
    FROM budget_pools
    WHERE partition = $1
"""
# One statement sees one state of all partitions, where they are in one database.
_BUDGETS_OF_ALL = """
    SELECT budget, period_start, pools.partition, pools.leased, pools.amount, portions.leased, portions.drawn
    FROM (
        SELECT budget, period_start, sum(leased) AS leased, sum(drawn) AS drawn
        FROM budget_portions
        GROUP BY budget, period_start
    ) AS portions
    FULL JOIN budget_pools AS pools USING (budget, period_start)
    ORDER BY budget, period_start
"""
_KEPT_VERDICTS = """
    SELECT request_key, fingerprint, code, payload, created_on
    FROM requests
    WHERE partition = $1
"""
# A month is dropped whole, so what the first one that is left may hold is all there.
_KEPT_SINCE = """
    SELECT min(to_date(right(inhrelid::regclass::text, 7), 'YYYY_MM'))
    FROM pg_inherits
    WHERE inhparent = 'requests'::regclass
"""


async def unit_sums(pool: asyncpg.Pool) -> Sequence[Any]:
    """What moved and what is kept, by unit."""
    return await pool.fetch(_UNIT_SUMS)


async def activity_sums(pool: asyncpg.Pool) -> Any:
    """How many activities and lines are recorded."""
    return await pool.fetchrow(_ACTIVITY_SUMS)


async def head(connection: asyncpg.Connection, partition: int) -> Any:
    """Where a partition stands."""
    return await connection.fetchrow(_HEAD, partition)


async def read_raw(connection: asyncpg.Connection) -> None:
    """Let a connection read IDs as their bytes and times as microseconds since 2000: nothing is made of them."""
    await connection.set_builtin_type_codec("uuid", schema="pg_catalog", codec_name="bytea", format="binary")
    await connection.set_builtin_type_codec("timestamptz", schema="pg_catalog", codec_name="int8", format="binary")


def journal(connection: asyncpg.Connection, partition: int, after: int = 0) -> Any:
    """The journal after a position, in order; within a transaction."""
    return connection.cursor(_JOURNAL, partition, after, prefetch=64)


async def entries(connection: asyncpg.Connection, partition: int) -> Any:
    """A cursor over the entries in the order in which they were booked; within a transaction."""
    return await connection.cursor(_ENTRIES, partition)


def lots(connection: asyncpg.Connection, partition: int) -> Chunks:
    """All lots."""
    return _chunks(connection, _LOTS, partition)


def balances(connection: asyncpg.Connection, partition: int) -> Chunks:
    """All balances."""
    return _chunks(connection, _BALANCES, partition)


def holds(connection: asyncpg.Connection, partition: int) -> Chunks:
    """All holds."""
    return _chunks(connection, _HOLDS, partition)


def spends(connection: asyncpg.Connection, partition: int) -> Chunks:
    """All spends."""
    return _chunks(connection, _SPENDS, partition)


def pooled_spends(connection: asyncpg.Connection, partition: int) -> Chunks:
    """All pooled spends."""
    return _chunks(connection, _POOLED_SPENDS, partition)


def contributions(connection: asyncpg.Connection, partition: int) -> Chunks:
    """Whose points pooled spends took."""
    return _chunks(connection, _CONTRIBUTIONS, partition)


async def contributions_of_all(connection: asyncpg.Connection) -> Sequence[Any]:
    """The spends of wallets that are not what a pooled spend says of them, each with the partition that says it."""
    return await connection.fetch(_CONTRIBUTIONS_OF_ALL)


def clawbacks(connection: asyncpg.Connection, partition: int) -> Chunks:
    """All clawbacks."""
    return _chunks(connection, _CLAWBACKS, partition)


def gifts(connection: asyncpg.Connection, partition: int) -> Chunks:
    """All gifts."""
    return _chunks(connection, _GIFTS, partition)


def adjustments(connection: asyncpg.Connection, partition: int) -> Chunks:
    """All adjustments."""
    return _chunks(connection, _ADJUSTMENTS, partition)


def partner_conversions(connection: asyncpg.Connection, partition: int) -> Chunks:
    """All conversions with partners."""
    return _chunks(connection, _PARTNER_CONVERSIONS, partition)


def kept_verdicts(connection: asyncpg.Connection, partition: int) -> Chunks:
    """All verdicts that are kept for requests that are repeated."""
    return _chunks(connection, _KEPT_VERDICTS, partition)


async def kept_since(connection: asyncpg.Connection) -> date:
    """The day from which on no verdict has been dropped."""
    day: date = await connection.fetchval(_KEPT_SINCE)
    return day


def movements(connection: asyncpg.Connection, partition: int) -> Chunks:
    """All movements."""
    return _chunks(connection, _MOVEMENTS, partition)


def uses(connection: asyncpg.Connection, partition: int) -> Chunks:
    """All uses of lots."""
    return _chunks(connection, _USES, partition)


def budget_portions(connection: asyncpg.Connection, partition: int) -> Chunks:
    """All that a partition has of budgets."""
    return _chunks(connection, _BUDGET_PORTIONS, partition)


def budget_pools(connection: asyncpg.Connection, partition: int) -> Chunks:
    """The pools of budgets that live in a partition."""
    return _chunks(connection, _BUDGET_POOLS, partition)


async def budgets_of_all(pool: asyncpg.Pool) -> Sequence[Any]:
    """Each budget in each period: its pool's partition, what that gave of how much, what partitions got and drew."""
    return await pool.fetch(_BUDGETS_OF_ALL)


def cap_uses(connection: asyncpg.Connection, partition: int) -> Chunks:
    """How much of caps is used."""
    return _chunks(connection, _CAP_USES, partition)


def activities(connection: asyncpg.Connection, partition: int) -> Chunks:
    """All activities."""
    return _chunks(connection, _ACTIVITIES, partition)


def refunds(connection: asyncpg.Connection, partition: int) -> Chunks:
    """All refunds of activities."""
    return _chunks(connection, _REFUNDS, partition)


def parked_refunds(connection: asyncpg.Connection, partition: int) -> Chunks:
    """All refunds that arrived before their activity."""
    return _chunks(connection, _PARKED_REFUNDS, partition)


def completions(connection: asyncpg.Connection, partition: int) -> Chunks:
    """All activities that were completed."""
    return _chunks(connection, _COMPLETIONS, partition)


async def _chunks(connection: asyncpg.Connection, query: str, partition: int) -> Chunks:
    """The rows of a partition, some at a time; within a transaction."""
    cursor = await connection.cursor(query, partition)
    while rows := await cursor.fetch(CHUNK):
        yield rows
