"""What was known of wallets at a past instant: the statement that leaves out what was recorded later."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from services.chassis.database import Connection
from services.points.wallets.balances import Past
from services.points.wallets.reads import WAITED, forfeited

# $3 is the instant of effect, $4 by when it was recorded. What only time does (expire, 4) counts for lots that were
# known then, whenever it was booked. A lot is known by what opened it: an entry that put points into the wallet. `IN`
# is a look-up in a hash table, whatever is thought of the sizes of tables.
AS_RECORDED = f"""
    WITH own_entries AS MATERIALIZED (
        SELECT e.*
        FROM unnest($1::int[], $2::uuid[]) AS wanted (partition, member_id)
        CROSS JOIN LATERAL (
            SELECT member_id, unit, kind, amount, effective_at, recorded_at, source_id
            FROM entries
            WHERE partition = wanted.partition
              AND member_id = wanted.member_id
              AND effective_at <= $3
            OFFSET 0
        ) AS e
    ), own_lots AS MATERIALIZED (
        SELECT l.*,
               (l.member_id, l.source_id) IN (
                   SELECT member_id, source_id
                   FROM own_entries
                   WHERE amount > 0
                     AND recorded_at <= $4
               ) AS is_known,
               l.available_at > $3 OR {WAITED} AS is_pending
        FROM unnest($1::int[], $2::uuid[]) AS wanted (partition, member_id)
        CROSS JOIN LATERAL (
            SELECT partition, member_id, lot_id, unit, amount, remaining, available_at, expires_at, slides, source_id,
                   origin_lot
            FROM lots
            WHERE partition = wanted.partition
              AND member_id = wanted.member_id
            OFFSET 0
        ) AS l
    ), booked AS (
        SELECT member_id, unit, sum(amount) AS amount
        FROM own_entries
        WHERE recorded_at <= $4
           OR (kind = 4 AND source_id IN (SELECT lot_id FROM own_lots WHERE is_known AND NOT is_pending))
        GROUP BY member_id, unit
    ), pending AS (
        SELECT l.member_id, l.unit, sum(l.amount - coalesce(back.amount, 0)) AS amount
        FROM own_lots AS l
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
        WHERE l.is_known
          AND l.is_pending
          AND l.origin_lot IS NULL
          AND a.effective_at <= $3
        GROUP BY l.member_id, l.unit
    ), unknown AS (
        SELECT l.member_id, l.unit, sum(l.remaining) AS amount
        FROM own_lots AS l
        CROSS JOIN LATERAL (
            SELECT slides_to
            FROM balances
            WHERE partition = l.partition
              AND member_id = l.member_id
              AND unit = l.unit
            OFFSET 0
        ) AS b
        WHERE NOT l.is_known
          AND l.remaining > 0
          AND CASE WHEN l.slides THEN greatest(l.expires_at, b.slides_to) ELSE l.expires_at END <= $3
        GROUP BY l.member_id, l.unit
    ), held AS (
        SELECT h.member_id, h.unit, sum(h.amount) AS amount
        FROM unnest($1::int[], $2::uuid[]) AS wanted (partition, member_id)
        CROSS JOIN LATERAL (
            SELECT member_id, unit, amount
            FROM holds
            WHERE partition = wanted.partition
              AND member_id = wanted.member_id
              AND placed_at <= $3
              AND expires_at > $3
              AND (closed_at IS NULL OR closed_at > $3)
            OFFSET 0
        ) AS h
        GROUP BY h.member_id, h.unit
    )
    SELECT member_id, unit,
           (coalesce(booked.amount, 0) + coalesce(unknown.amount, 0))::bigint AS booked,
           coalesce(pending.amount, 0)::bigint AS pending,
           coalesce(held.amount, 0)::bigint AS held
    FROM booked
    FULL JOIN unknown USING (member_id, unit)
    LEFT JOIN pending USING (member_id, unit)
    LEFT JOIN held USING (member_id, unit)
"""


async def past_as_recorded(
    connection: Connection, partitions: Sequence[int], member_ids: Sequence[UUID], at: datetime, recorded_by: datetime
) -> dict[tuple[UUID, str], Past]:
    """What was known at `recorded_by` of wallets at an instant not after it, by member and unit.

    Lots that were not known then and are past their expiry are added to what is booked: time takes them off again.
    """
    taken = await forfeited(connection, partitions, member_ids, at, recorded_by)
    rows = await connection.fetch(AS_RECORDED, partitions, member_ids, at, recorded_by)
    return {
        (member_id, unit): Past(booked, pending - taken.get((member_id, unit), 0), held)
        for member_id, unit, booked, pending, held in rows
    }
