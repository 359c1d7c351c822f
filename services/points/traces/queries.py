"""Every SQL statement with which points are traced. Each looks at one member's rows; none is on the way of a write.

What used a lot is found through its member's entries, clawbacks and holds: an index by lot would cost every spend.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from services.chassis.database import Connection
from services.points.traces.values import UsedLot, User

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
           'spent' AS state, 0 AS captured, pooled_spend_id
    FROM spends
    WHERE partition = $1
      AND spend_id = $2
"""
_HOLD = """
    SELECT hold_id AS user_id, member_id, account_id, domain, unit, amount, 0 AS refunded, reference,
           placed_at AS used_at, state, captured, NULL::uuid AS pooled_spend_id
    FROM holds
    WHERE partition = $1
      AND hold_id = $2
"""
_USED_LOTS = """
    SELECT wanted.user_id, u.lot_id, u.amount, u.refunded, l.funder, l.source_id, l.origin_lot
    FROM unnest($1::int[], $2::uuid[], $3::uuid[]) AS wanted (partition, user_id, member_id)
    CROSS JOIN LATERAL (
        SELECT ordinal, lot_id, amount, refunded
        FROM lot_uses
        WHERE partition = wanted.partition
          AND user_id = wanted.user_id
        OFFSET 0
    ) AS u
    CROSS JOIN LATERAL (
        SELECT funder, source_id, origin_lot
        FROM lots
        WHERE partition = wanted.partition
          AND member_id = wanted.member_id
          AND lot_id = u.lot_id
        OFFSET 0
    ) AS l
    ORDER BY wanted.user_id, u.ordinal
"""
# What of a refund expired at once is the entry that follows it.
_REFUNDS = """
    SELECT wanted.partition, position, effective_at, amount,
           CASE WHEN next_kind = 5 THEN -next_amount ELSE 0 END AS expired
    FROM unnest($1::int[], $2::uuid[], $3::uuid[]) AS wanted (partition, user_id, member_id)
    CROSS JOIN LATERAL (
        SELECT position, ordinal, effective_at, kind, amount,
               lead(kind) OVER in_order AS next_kind,
               lead(amount) OVER in_order AS next_amount
        FROM entries
        WHERE partition = wanted.partition
          AND member_id = wanted.member_id
          AND source_id = wanted.user_id
          AND kind IN (3, 5)
        WINDOW in_order AS (ORDER BY position, ordinal)
        OFFSET 0
    ) AS booked
    WHERE kind = 3
    ORDER BY effective_at, wanted.partition, position, ordinal
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


async def used_lots(connection: Connection, users: Sequence[User]) -> dict[UUID, list[UsedLot]]:
    """The lots of spends and holds, of each in the order in which they burnt."""
    used: dict[UUID, list[UsedLot]] = {user.user_id: [] for user in users}
    for user_id, *lot in await connection.fetch(_USED_LOTS, *zip(*users, strict=True)):
        used[user_id].append(UsedLot(*lot))
    return used


async def refunds(connection: Connection, users: Sequence[User]) -> Sequence[Any]:
    """What was refunded of spends, in order of time."""
    return await connection.fetch(_REFUNDS, *zip(*users, strict=True))
