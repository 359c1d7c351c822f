"""Every SQL statement with which a batch loads groups and pooled spends, and with which seats are read.

Each is set-based and stays in one partition; `services/points/queries.py` says why `OFFSET 0`.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any
from uuid import UUID

from services.chassis.database import Connection
from services.chassis.reading import Reading
from services.points.groups.values import Contribution, GroupSeat, PooledSpend
from services.points.heard import ACTIVE
from services.points.state import PointsState

Rows = Sequence[tuple[Any, ...]]

_SEATS = """
    SELECT found.*
    FROM unnest($2::uuid[]) AS wanted (owner_id)
    CROSS JOIN LATERAL (
        SELECT owner_id, seat_id, group_id, member_id, role, joined_at, left_at, shares_points
        FROM group_seats
        WHERE partition = $1
          AND owner_id = wanted.owner_id
          AND left_at IS NULL
        OFFSET 0
    ) AS found
"""
# Of members also those that were left since an instant: what happened before counts with the group of then.
_SEATS_SINCE = """
    SELECT found.*
    FROM unnest($2::uuid[], $3::timestamptz[]) AS wanted (owner_id, since)
    CROSS JOIN LATERAL (
        SELECT owner_id, seat_id, group_id, member_id, role, joined_at, left_at, shares_points
        FROM group_seats
        WHERE partition = $1
          AND owner_id = wanted.owner_id
          AND (left_at IS NULL OR left_at > wanted.since)
        OFFSET 0
    ) AS found
"""
_POOLED_SPENDS = """
    SELECT found.*
    FROM unnest($2::uuid[]) AS wanted (spend_id)
    CROSS JOIN LATERAL (
        SELECT spend_id, group_id, member_id, account_id, domain, unit, amount, refunded, reference, spent_at,
               order_minor, order_returned,
               ARRAY (
                   SELECT (c.member_id, c.spend_id, c.amount, c.refunded)
                   FROM contributions AS c
                   WHERE c.partition = owner.partition
                     AND c.pooled_spend_id = owner.spend_id
                   ORDER BY c.ordinal
               )
        FROM pooled_spends AS owner
        WHERE partition = $1
          AND spend_id = wanted.spend_id
        OFFSET 0
    ) AS found
"""

_SERVED = """
    SELECT found.*
    FROM unnest($1::int[], $2::uuid[]) AS wanted (partition, member_id)
    CROSS JOIN LATERAL (
        SELECT member_id
        FROM members
        WHERE partition = wanted.partition
          AND member_id = wanted.member_id
          AND status = $3
        OFFSET 0
    ) AS found
"""


def read_seats(reading: Reading, owner_ids: Iterable[UUID], state: PointsState) -> None:
    """The seats of groups that are taken."""
    reading.add(_SEATS, list(owner_ids), take=partial(_take_seats, state))


def read_seats_since(reading: Reading, since: Mapping[UUID, datetime], state: PointsState) -> None:
    """The seats that members had at an instant or later."""
    reading.add(_SEATS_SINCE, list(since), list(since.values()), take=partial(_take_seats, state))


def _take_seats(state: PointsState, rows: Rows) -> None:
    for row in rows:
        state.add_seat(GroupSeat(*row))


def read_pooled_spends(reading: Reading, spend_ids: Iterable[UUID], state: PointsState) -> None:
    """Pooled spends by ID, with whose points they took."""

    def take(rows: Rows) -> None:
        for pooled in map(_pooled_spend, rows):
            state.pooled_spends[pooled.spend_id] = pooled

    reading.add(_POOLED_SPENDS, list(spend_ids), take=take)


async def seats(connection: Connection, partition: int, group_id: UUID) -> list[GroupSeat]:
    """The seats of a group that are taken, in the order in which they were."""
    found = [GroupSeat(*row) for row in await connection.fetch(_SEATS, partition, [group_id])]
    return sorted(found, key=lambda seat: (seat.joined_at, seat.seat_id))


async def served(connection: Connection, partitions: Sequence[int], member_ids: Sequence[UUID]) -> set[UUID]:
    """Those of some members who are active."""
    return {row[0] for row in await connection.fetch(_SERVED, partitions, member_ids, ACTIVE)}


async def pooled_spend(connection: Connection, partition: int, spend_id: UUID) -> PooledSpend | None:
    """A pooled spend, with whose points it took."""
    row = await connection.fetchrow(_POOLED_SPENDS, partition, [spend_id])
    return None if row is None else _pooled_spend(row)


def _pooled_spend(row: Any) -> PooledSpend:
    *values, order_minor, order_returned, contributions = row
    made = tuple(Contribution(*one) for one in contributions)
    return PooledSpend(*(*values, made, order_minor, order_returned))
