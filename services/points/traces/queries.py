"""Every SQL statement with which points are traced. Each looks at one member's rows; none is on the way of a write.

What used a lot is found through its member's entries, clawbacks and holds: an index by lot would cost every spend.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from services.chassis.database import Connection

_LOT = """
    SELECT l.member_id, l.lot_id, l.unit, l.amount, l.remaining, l.held, l.expired, l.available_at, l.expires_at,
           l.funder, l.source_id, l.account_id, l.slides, l.origin_lot, l.merchant, b.balance, b.debt, b.slides_to
    FROM lots AS l
    CROSS JOIN LATERAL (
        SELECT balance, debt, slides_to
        FROM balances
        WHERE partition = l.partition
          AND member_id = l.member_id
          AND unit = l.unit
        OFFSET 0
    ) AS b
    WHERE l.partition = $1
      AND l.member_id = $2
      AND l.lot_id = $3
"""
# What took points out of a wallet, by the ID under which it keeps its uses; entries that are not the first of what
# caused them, and what other tables say better, are left out (expire 4, refund-expired 5, clawback 6). What is
# forfeited (21) counts as expired in its lot.
_USED = """
    WITH users AS (
        SELECT CASE kind WHEN 21 THEN 'forfeit' ELSE 'entry' END AS what, kind, source_id AS user_id, source_id,
               effective_at AS used_at, false AS is_open
        FROM entries
        WHERE partition = $1
          AND member_id = $2
          AND amount < 0
          AND kind NOT IN (4, 5, 6)
        UNION ALL
        SELECT 'clawback', 6, clawback_id, activity_id, taken_at, false
        FROM clawbacks
        WHERE partition = $1
          AND member_id = $2
        UNION ALL
        SELECT 'hold', 0, hold_id, hold_id, placed_at, closed_at IS NULL
        FROM holds
        WHERE partition = $1
          AND member_id = $2
    ), used AS (
        SELECT users.what, users.kind, users.source_id, found.amount, found.refunded, users.used_at, users.is_open
        FROM users
        CROSS JOIN LATERAL (
            SELECT sum(amount)::bigint AS amount, sum(refunded)::bigint AS refunded
            FROM lot_uses
            WHERE partition = $1
              AND user_id = users.user_id
              AND lot_id = $3
            OFFSET 0
        ) AS found
        WHERE found.amount IS NOT NULL
        UNION ALL
        SELECT 'lot', 0, lot_id, amount, 0, available_at, false
        FROM lots
        WHERE partition = $1
          AND member_id = $2
          AND origin_lot = $3
    )
"""
_USES = f"""
    {_USED}
    SELECT what, kind, source_id, amount, refunded, used_at, is_open
    FROM used
    WHERE (used_at, source_id) > ($4, $5)
    ORDER BY used_at, source_id
    LIMIT $6
"""
_SUMS = f"""
    {_USED}
    SELECT what, sum(amount - refunded)::bigint AS amount
    FROM used
    GROUP BY what
"""
_SPEND = """
    SELECT spend_id AS user_id, member_id, account_id, domain, unit, amount, refunded, reference, spent_at AS used_at,
           'spent' AS state, 0 AS captured
    FROM spends
    WHERE partition = $1
      AND spend_id = $2
"""
_HOLD = """
    SELECT hold_id AS user_id, member_id, account_id, domain, unit, amount, 0 AS refunded, reference,
           placed_at AS used_at, state, captured
    FROM holds
    WHERE partition = $1
      AND hold_id = $2
"""
_USED_LOTS = """
    SELECT u.lot_id, u.amount, u.refunded, l.funder, l.source_id, l.origin_lot
    FROM lot_uses AS u
    CROSS JOIN LATERAL (
        SELECT funder, source_id, origin_lot
        FROM lots
        WHERE partition = u.partition
          AND member_id = $3
          AND lot_id = u.lot_id
        OFFSET 0
    ) AS l
    WHERE u.partition = $1
      AND u.user_id = $2
    ORDER BY u.ordinal
"""
# What of a refund expired at once is the entry that follows it.
_REFUNDS = """
    SELECT position, effective_at, amount, CASE WHEN next_kind = 5 THEN -next_amount ELSE 0 END AS expired
    FROM (
        SELECT position, ordinal, effective_at, kind, amount,
               lead(kind) OVER in_order AS next_kind,
               lead(amount) OVER in_order AS next_amount
        FROM entries
        WHERE partition = $1
          AND member_id = $2
          AND source_id = $3
          AND kind IN (3, 5)
        WINDOW in_order AS (ORDER BY position, ordinal)
    ) AS booked
    WHERE kind = 3
    ORDER BY position, ordinal
"""


async def lot(connection: Connection, partition: int, member_id: UUID, lot_id: UUID) -> Any:
    """A lot as it is booked, with the balance of its wallet; None when the member has no such lot."""
    return await connection.fetchrow(_LOT, partition, member_id, lot_id)


async def uses(
    connection: Connection, partition: int, member_id: UUID, lot_id: UUID, after: tuple[datetime, UUID], limit: int
) -> Sequence[Any]:
    """What used a lot, in order of time, after an instant and the ID of what used it then."""
    return await connection.fetch(_USES, partition, member_id, lot_id, *after, limit)


async def sums(connection: Connection, partition: int, member_id: UUID, lot_id: UUID) -> dict[str, int]:
    """How much of a lot was used and did not come back: by what table says so; `lot` is what was restored."""
    rows = await connection.fetch(_SUMS, partition, member_id, lot_id)
    return {row["what"]: row["amount"] for row in rows}


async def spend(connection: Connection, partition: int, spend_id: UUID) -> Any:
    """A spend; None when there is no such one."""
    return await connection.fetchrow(_SPEND, partition, spend_id)


async def hold(connection: Connection, partition: int, hold_id: UUID) -> Any:
    """A hold, in the columns of a spend; None when there is no such one."""
    return await connection.fetchrow(_HOLD, partition, hold_id)


async def used_lots(connection: Connection, partition: int, user_id: UUID, member_id: UUID) -> Sequence[Any]:
    """The lots of a spend or a hold, in the order in which they burnt."""
    return await connection.fetch(_USED_LOTS, partition, user_id, member_id)


async def refunds(connection: Connection, partition: int, member_id: UUID, spend_id: UUID) -> Sequence[Any]:
    """What was refunded of a spend, in order."""
    return await connection.fetch(_REFUNDS, partition, member_id, spend_id)
