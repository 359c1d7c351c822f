"""Lots of a wallet that time treats alike, read as one: a balance costs as little for a thousand lots as for ten.

Purchases of a year expire on a few days, so what a balance is made of is few sums, which the database adds up. A pool
stands for its lots in the very rules that let time pass (lots.py), and comes to the same:

- lots expire together when they have the same expiry, and slide or do not; those of a merchant are told apart;
- it no longer matters when a lot became available, except where debt waits to be paid by it;
- a lot of which something is held stays by itself: its hold names it;
- past the expiries that a balance tells, and past every instant that was asked for, none of them needs to expire.
"""

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from services.points.piles import EARLIEST
from services.points.values import Lot

# $3 is now, $4 the last instant asked for, $5 how many expiries are told. Whose wallet owes keeps the instants at which
# its lots become available; such a wallet has no others than those that cannot be spent yet.
POOLED_LOTS = """
    SELECT wanted.member_id, pooled.*
    FROM unnest($1::int[], $2::uuid[]) AS wanted (partition, member_id)
    CROSS JOIN LATERAL (
        SELECT ARRAY (
            SELECT unit
            FROM balances
            WHERE partition = wanted.partition
              AND member_id = wanted.member_id
              AND debt > 0
        ) AS units
        OFFSET 0
    ) AS owing
    CROSS JOIN LATERAL (
        WITH alike AS (
            SELECT expires_at,
                   CASE WHEN available_at > $3 OR unit = ANY(owing.units) THEN available_at END AS available_at,
                   CASE WHEN held > 0 THEN lot_id END AS lot_id,
                   slides,
                   unit,
                   merchant,
                   sum(remaining)::bigint AS remaining,
                   sum(held)::bigint AS held
            FROM lots
            WHERE partition = wanted.partition
              AND member_id = wanted.member_id
              AND (remaining > 0 OR held > 0)
            GROUP BY 1, 2, 3, 4, 5, 6
        ), dated AS (
            SELECT alike.*,
                   CASE WHEN slides THEN greatest(expires_at, coalesce(of_unit.slides_to, 'infinity'))
                        ELSE coalesce(expires_at, 'infinity')
                   END AS gone_at
            FROM alike
            CROSS JOIN LATERAL (
                SELECT slides_to
                FROM balances
                WHERE partition = wanted.partition
                  AND member_id = wanted.member_id
                  AND unit = alike.unit
                OFFSET 0
            ) AS of_unit
        ), ranked AS (
            SELECT dated.*,
                   later AND dense_rank() OVER (PARTITION BY unit, merchant, later ORDER BY gone_at) > $5::int AS is_far
            FROM dated
            CROSS JOIN LATERAL (
                SELECT lot_id IS NULL AND available_at IS NULL AND gone_at > $4 AS later
            ) AS asked
        )
        SELECT unit, slides AND NOT is_far AS slides, CASE WHEN NOT is_far THEN expires_at END AS expires_at, lot_id,
               available_at, merchant, sum(remaining)::bigint AS remaining, sum(held)::bigint AS held
        FROM ranked
        GROUP BY 1, 2, 3, 4, 5, 6
    ) AS pooled
"""


def pooled_lots(rows: Iterable[Any]) -> list[Lot]:
    """Pools as lots, numbered where they are not one lot; whose funder and source they have is not said."""
    return [_pool(number, *row) for number, row in enumerate(rows)]


def _pool(
    number: int,
    member_id: UUID,
    unit: str,
    slides: Any,
    expires_at: Any,
    lot_id: Any,
    available_at: Any,
    merchant: Any,
    remaining: int,
    held: int,
) -> Lot:
    name = lot_id or UUID(int=number)
    return Lot(
        member_id=member_id,
        lot_id=name,
        unit=unit,
        amount=remaining + held,
        remaining=remaining,
        held=held,
        expired=0,
        available_at=available_at or EARLIEST,
        expires_at=expires_at,
        funder="",
        source_id=name,
        account_id=None,
        slides=slides,
        merchant=merchant,
    )
