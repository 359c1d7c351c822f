"""Every SQL statement with which wallets are read. Each serves any number of members at once."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

import asyncpg

from services.chassis.database import Connection
from services.chassis.ids import HASHED_VERSION
from services.points.piles import NEVER
from services.points.values import UNTIL_COMPLETED, Balance, Clawback, EntryKind, Hold, Lot, LotUse
from services.points.wallet import Wallet
from services.points.wallets.balances import MAX_EXPIRIES, Past
from services.points.wallets.pooling import POOLED_LOTS, pooled_lots

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
    slides, origin_lot, merchant
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
# What forfeits had taken by an instant from lots that could not be spent yet.
WAITED = """
    EXISTS (
        SELECT
        FROM completions
        WHERE partition = l.partition
          AND activity_id = l.source_id
          AND recorded_at > $4
          AND position(uuid_send(l.lot_id) IN released) > 0
    )
"""
"""Whether a lot `l` still waited for its activity to be completed, as recorded by $4: since when it can be spent was
learnt later."""
_FORFEITED = f"""
    SELECT f.member_id, f.unit, sum(u.amount)::bigint AS amount
    FROM ({
    _of_members(
        "partition, member_id, movement_id, unit", "movements", f"kind = {EntryKind.FORFEIT:d} AND moved_at <= $3"
    )
}) AS f
    CROSS JOIN LATERAL (
        SELECT lot_id, amount
        FROM lot_uses
        WHERE partition = f.partition
          AND user_id = f.movement_id
        OFFSET 0
    ) AS u
    CROSS JOIN LATERAL (
        SELECT partition, lot_id, available_at, source_id
        FROM lots
        WHERE partition = f.partition
          AND member_id = f.member_id
          AND lot_id = u.lot_id
        OFFSET 0
    ) AS l
    CROSS JOIN LATERAL (
        SELECT effective_at
        FROM activities
        WHERE partition = f.partition
          AND activity_id = l.source_id
        OFFSET 0
    ) AS a
    WHERE (l.available_at > $3 OR {WAITED})
      AND a.effective_at <= $3
    GROUP BY f.member_id, f.unit
"""
# What opened lots that no activity did, and no gift.
_OPENERS = f"""
    SELECT found.*
    FROM unnest($3::uuid[]) AS wanted (source_id)
    CROSS JOIN LATERAL (
        SELECT movement_id, kind
        FROM movements
        WHERE partition = $1
          AND member_id = $2
          AND movement_id = wanted.source_id
        UNION ALL
        SELECT adjustment_id, {EntryKind.ADJUST:d}
        FROM adjustments
        WHERE partition = $1
          AND adjustment_id = wanted.source_id
        UNION ALL
        SELECT partner_conversion_id, {EntryKind.PARTNER_IN:d}
        FROM partner_conversions
        WHERE partition = $1
          AND partner_conversion_id = wanted.source_id
        OFFSET 0
    ) AS found
"""
# Read backwards along the key of entries, no further than a page needs; filters that are NULL let everything through.
# What a member gave to a pooled spend went through another member's account, which may be known elsewhere only.
_ENTRIES = """
    SELECT position, ordinal, unit, kind, amount, balance_after, counterparty, effective_at, recorded_at, account_id,
           source_id, level
    FROM entries AS e
    WHERE partition = $1
      AND member_id = $2
      AND ($3 = '' OR unit = $3)
      AND (position, ordinal) < ($4, $5)
      AND ($7::smallint[] IS NULL OR kind = ANY($7))
      AND ($8::timestamptz IS NULL OR effective_at >= $8)
      AND ($9::timestamptz IS NULL OR effective_at < $9)
      AND ($10::timestamptz IS NULL OR recorded_at >= $10)
      AND ($11::timestamptz IS NULL OR recorded_at < $11)
      AND ($12::uuid IS NULL OR account_id = $12)
      AND ($13::text IS NULL OR account_id IN (
          SELECT a.account_id
          FROM accounts AS a
          WHERE a.partition = $1
            AND a.account_id = e.account_id
            AND a.domain = $13
      ) OR source_id IN (
          SELECT s.spend_id
          FROM spends AS s
          WHERE s.partition = $1
            AND s.spend_id = e.source_id
            AND s.pooled_spend_id IS NOT NULL
            AND s.domain = $13
      ))
      AND ($14::uuid IS NULL OR source_id = $14)
    ORDER BY position DESC, ordinal DESC
    LIMIT $6
"""
_LOTS = f"""
    SELECT {_LOT_COLUMNS}
    FROM (
        SELECT l.member_id, l.lot_id, l.unit, l.amount, l.remaining, l.held, l.expired, l.available_at, l.expires_at,
               l.funder, l.source_id, l.account_id, l.slides, l.origin_lot, l.merchant,
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
_HAS_WALLET = """
    SELECT EXISTS (
        SELECT FROM balances AS b
        JOIN unnest($1::int[], $2::uuid[]) AS wanted (partition, member_id) USING (partition, member_id)
        WHERE b.unit = $3
    )
"""


async def known_members(
    connection: Connection | asyncpg.Pool, partitions: Sequence[int], member_ids: Sequence[UUID]
) -> set[UUID]:
    """Which members have been heard of."""
    return {row["member_id"] for row in await connection.fetch(_MEMBERS, partitions, member_ids)}


async def has_wallet(pool: asyncpg.Pool, partitions: Sequence[int], member_ids: Sequence[UUID], unit: str) -> bool:
    """Whether any of some members ever had some of a unit."""
    found: bool = await pool.fetchval(_HAS_WALLET, partitions, member_ids, unit)
    return found


async def wallets(connection: Connection, partitions: Sequence[int], member_ids: Sequence[UUID]) -> Wallets:
    """Wallets as they are booked, with all their open lots; within a transaction that sees one snapshot."""
    rows = await connection.fetch(_OPEN_LOTS, partitions, member_ids)
    return await _wallets_of([Lot(*row) for row in rows], connection, partitions, member_ids)


async def pooled_wallets(
    connection: Connection, partitions: Sequence[int], member_ids: Sequence[UUID], now: datetime, until: datetime
) -> Wallets:
    """Wallets as they are booked, with as few lots as tell their balances at instants from `now` to `until`.

    Lots that no hold holds and that expire together are one; beyond the expiries that a balance tells they do not
    expire. What time does to them comes to the same (`pooling.py`). Within a transaction that sees one snapshot.
    """
    rows = await connection.fetch(POOLED_LOTS, partitions, member_ids, now, until, MAX_EXPIRIES)
    return await _wallets_of(pooled_lots(rows), connection, partitions, member_ids)


async def _wallets_of(
    lots: Iterable[Lot], connection: Connection, partitions: Sequence[int], member_ids: Sequence[UUID]
) -> Wallets:
    found: Wallets = {member_id: {} for member_id in await known_members(connection, partitions, member_ids)}
    in_debt = False
    for member_id, unit, balance, debt, slides_to in await connection.fetch(_BALANCES, partitions, member_ids):
        found[member_id][unit] = Wallet(member_id, unit, Balance(balance, debt, slides_to), {}, {})
        in_debt |= debt > 0
    holding = False
    for lot in lots:
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


async def forfeited(
    connection: Connection,
    partitions: Sequence[int],
    member_ids: Sequence[UUID],
    at: datetime,
    recorded_by: datetime = UNTIL_COMPLETED,
) -> dict[tuple[UUID, str], int]:
    """What forfeits had taken by an instant from lots that could not be spent then, by member and unit."""
    rows = await connection.fetch(_FORFEITED, partitions, member_ids, at, recorded_by)
    return {(member_id, unit): amount for member_id, unit, amount in rows}


async def past(
    connection: Connection, partitions: Sequence[int], member_ids: Sequence[UUID], at: datetime
) -> dict[tuple[UUID, str], Past]:
    """What is booked of wallets for a past instant, by member and unit."""
    taken = await forfeited(connection, partitions, member_ids, at)
    return {
        (member_id, unit): Past(booked, pending - taken.get((member_id, unit), 0), held)
        for member_id, unit, booked, pending, held in await connection.fetch(_PAST, partitions, member_ids, at)
    }


async def openers(
    connection: Connection, partition: int, member_id: UUID, source_ids: Sequence[UUID]
) -> dict[UUID, EntryKind]:
    """By what kind of entry a member's lots were opened, by their sources. IDs of activities say so themselves."""
    others = [source_id for source_id in source_ids if source_id.version != HASHED_VERSION]
    kinds = dict.fromkeys(source_ids, EntryKind.EARN) | dict.fromkeys(others, EntryKind.GIFT_IN)
    rows = await connection.fetch(_OPENERS, partition, member_id, others) if others else []
    return kinds | {source_id: EntryKind(kind) for source_id, kind in rows}


class EntryFilter(NamedTuple):
    """Which entries are wanted: those that everything given lets through, intervals half-open."""

    kinds: Sequence[int] | None = None
    effective_from: datetime | None = None
    effective_until: datetime | None = None
    recorded_from: datetime | None = None
    recorded_until: datetime | None = None
    account_id: UUID | None = None
    domain: str | None = None
    source_id: UUID | None = None


async def entries(
    pool: asyncpg.Pool,
    partition: int,
    member_id: UUID,
    unit: str,
    before: tuple[int, int],
    limit: int,
    wanted: EntryFilter,
) -> Sequence[Any]:
    """A page of entries, newest first, before a position and ordinal."""
    return await pool.fetch(_ENTRIES, partition, member_id, unit, *before, limit, *wanted)


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
