"""Every SQL statement with which wallets are read. Each serves any number of members at once."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg

from services.chassis.database import Connection
from services.points.values import Balance, Clawback, Hold, Lot, LotUse, Wallet
from services.points.wallets.balances import Past
from services.points.wallets.lots import NEVER

Wallets = dict[UUID, dict[str, Wallet]]
"""Wallets by member and unit; a member nobody has heard of is missing, a member with nothing has none."""

_WANTED = "unnest($1::int[], $2::uuid[]) AS wanted (partition, member_id)"


def _of_members(columns: str, table: str, condition: str = "true") -> str:
    """Rows of the members wanted, looked up for each of them (`services/points/queries.py` says why `OFFSET 0`)."""
    return f"""
    SELECT found.*
    FROM {_WANTED}
    CROSS JOIN LATERAL (
        SELECT {columns}
        FROM {table}
        WHERE partition = wanted.partition
          AND member_id = wanted.member_id
          AND ({condition})
        OFFSET 0
    ) AS found
    """


_LOT_COLUMNS = """
    member_id, lot_id, unit, amount, remaining, held, expired, available_at, expires_at, funder, source_id, account_id,
    slides, origin_lot
"""
_MEMBERS = _of_members("member_id", "members")
_BALANCES = _of_members("member_id, unit, balance, debt, slides_to", "balances")
_OPEN_LOTS = _of_members(_LOT_COLUMNS, "lots", "remaining > 0 OR held > 0")
_OPEN_HOLDS = _of_members(
    """
        hold_id, member_id, account_id, domain, unit, amount, captured, state, reference, placed_at, expires_at,
        closed_at
    """,
    "holds",
    "closed_at IS NULL",
)
_OPEN_CLAWBACKS = _of_members(
    "clawback_id, member_id, account_id, unit, activity_id, funder, amount, owed, taken_at", "clawbacks", "owed > 0"
)
_USES_OF_OPEN_HOLDS = f"""
    SELECT u.user_id, u.lot_id, u.amount, u.refunded
    FROM ({_of_members("partition, hold_id", "holds", "closed_at IS NULL")}) AS h
    CROSS JOIN LATERAL (
        SELECT user_id, ordinal, lot_id, amount, refunded
        FROM lot_uses
        WHERE partition = h.partition
          AND user_id = h.hold_id
        OFFSET 0
    ) AS u
    ORDER BY u.user_id, u.ordinal
"""
_PAST = f"""
    WITH booked AS (
        SELECT member_id, unit, sum(amount) AS amount
        FROM ({_of_members("member_id, unit, amount", "entries", "effective_at <= $3")}) AS e
        GROUP BY member_id, unit
    ), pending AS (
        SELECT l.member_id, l.unit, sum(l.amount - coalesce(back.amount, 0)) AS amount
        FROM ({
    _of_members(
        "partition, member_id, lot_id, unit, amount, source_id", "lots", "available_at > $3 AND origin_lot IS NULL"
    )
}) AS l
        CROSS JOIN LATERAL (
            SELECT effective_at
            FROM activities
            WHERE partition = l.partition
              AND activity_id = l.source_id
            OFFSET 0
        ) AS a
        CROSS JOIN LATERAL (
            SELECT sum(u.amount) AS amount
            FROM clawbacks AS c
            JOIN lot_uses AS u ON u.partition = c.partition AND u.user_id = c.clawback_id
            WHERE c.partition = l.partition
              AND c.member_id = l.member_id
              AND c.activity_id = l.source_id
              AND c.taken_at <= $3
              AND u.lot_id = l.lot_id
            OFFSET 0
        ) AS back
        WHERE a.effective_at <= $3
        GROUP BY l.member_id, l.unit
    ), held AS (
        SELECT member_id, unit, sum(amount) AS amount
        FROM ({
    _of_members(
        "member_id, unit, amount",
        "holds",
        "placed_at <= $3 AND expires_at > $3 AND (closed_at IS NULL OR closed_at > $3)",
    )
}) AS h
        GROUP BY member_id, unit
    )
    SELECT booked.member_id, booked.unit, booked.amount::bigint AS booked,
           coalesce(pending.amount, 0)::bigint AS pending,
           coalesce(held.amount, 0)::bigint AS held
    FROM booked
    LEFT JOIN pending USING (member_id, unit)
    LEFT JOIN held USING (member_id, unit)
"""
_ENTRIES = """
    SELECT position, ordinal, unit, kind, amount, balance_after, counterparty, effective_at, recorded_at, account_id,
           source_id, level
    FROM entries
    WHERE partition = $1
      AND member_id = $2
      AND ($3 = '' OR unit = $3)
      AND (position, ordinal) < ($4, $5)
    ORDER BY position DESC, ordinal DESC
    LIMIT $6
"""
_LOTS = f"""
    SELECT {_LOT_COLUMNS}
    FROM (
        SELECT l.member_id, l.lot_id, l.unit, l.amount, l.remaining, l.held, l.expired, l.available_at, l.expires_at,
               l.funder, l.source_id, l.account_id, l.slides, l.origin_lot,
               coalesce(
                   CASE WHEN l.slides THEN greatest(l.expires_at, b.slides_to) ELSE l.expires_at END, $7
               ) AS gone_at
        FROM lots AS l
        JOIN balances AS b USING (partition, member_id, unit)
        WHERE l.partition = $1
          AND l.member_id = $2
          AND l.unit = $3
    ) AS of_unit
    WHERE (gone_at, available_at, lot_id) > ($4, $5, $6)
    ORDER BY gone_at, available_at, lot_id
    LIMIT $8
"""


async def known_members(
    connection: Connection | asyncpg.Pool, partitions: Sequence[int], member_ids: Sequence[UUID]
) -> set[UUID]:
    """Which members have been heard of."""
    return {row["member_id"] for row in await connection.fetch(_MEMBERS, partitions, member_ids)}


async def wallets(connection: Connection, partitions: Sequence[int], member_ids: Sequence[UUID]) -> Wallets:
    """Wallets as they are booked; within a transaction that sees one snapshot."""
    found: Wallets = {member_id: {} for member_id in await known_members(connection, partitions, member_ids)}
    in_debt = False
    for member_id, unit, balance, debt, slides_to in await connection.fetch(_BALANCES, partitions, member_ids):
        found[member_id][unit] = Wallet(member_id, unit, Balance(balance, debt, slides_to), {}, {})
        in_debt |= debt > 0
    holding = False
    for row in await connection.fetch(_OPEN_LOTS, partitions, member_ids):
        lot = Lot(*row)
        found[lot.member_id][lot.unit].lots[lot.lot_id] = lot
        holding |= lot.held > 0
    if holding:
        await _add_holds(connection, partitions, member_ids, found)
    if in_debt:
        for row in await connection.fetch(_OPEN_CLAWBACKS, partitions, member_ids):
            clawback = Clawback(*(*row, ()))
            found[clawback.member_id][clawback.unit].clawbacks[clawback.clawback_id] = clawback
    return found


async def _add_holds(
    connection: Connection, partitions: Sequence[int], member_ids: Sequence[UUID], found: Wallets
) -> None:
    uses: dict[UUID, list[LotUse]] = {}
    for user_id, *use in await connection.fetch(_USES_OF_OPEN_HOLDS, partitions, member_ids):
        uses.setdefault(user_id, []).append(LotUse(*use))
    for row in await connection.fetch(_OPEN_HOLDS, partitions, member_ids):
        hold = Hold(*(*row, tuple(uses[row["hold_id"]])))
        found[hold.member_id][hold.unit].holds[hold.hold_id] = hold


async def past(
    connection: Connection, partitions: Sequence[int], member_ids: Sequence[UUID], at: datetime
) -> dict[tuple[UUID, str], Past]:
    """What is booked of wallets for a past instant, by member and unit."""
    rows = await connection.fetch(_PAST, partitions, member_ids, at)
    return {(row["member_id"], row["unit"]): Past(row["booked"], row["pending"], row["held"]) for row in rows}


async def entries(
    pool: asyncpg.Pool, partition: int, member_id: UUID, unit: str, before: tuple[int, int], limit: int
) -> Sequence[Any]:
    """A page of entries, newest first, before a position and ordinal."""
    return await pool.fetch(_ENTRIES, partition, member_id, unit, *before, limit)


async def lots(
    connection: Connection,
    partition: int,
    member_id: UUID,
    unit: str,
    after: tuple[datetime, datetime, UUID],
    limit: int,
) -> list[Lot]:
    """A page of lots of a wallet, used up ones too, in the order in which they burn."""
    rows = await connection.fetch(_LOTS, partition, member_id, unit, *after, NEVER, limit)
    return [Lot(*row) for row in rows]
