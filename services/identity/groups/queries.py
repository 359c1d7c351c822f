"""Every statement on groups.

A seat and an invitation are rows twice, once by its group and once by its member: `owner_id` is whose row it is, and
their partition that of the owner. Each look-up stands behind a fence, where only one index answers it whole.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg

from services.chassis.reading import Reading
from services.identity.groups.state import GroupState
from services.identity.groups.values import Group, GroupStatus, Invitation, InvitationStatus, Left, Seat

_SEAT = "seat_id, group_id, member_id, kind, role, label, cost_centre, joined_at, role_since, left_at"
_INVITATION = """invitation_id, group_id, member_id, kind, role, label, cost_centre, invited_by, status, created_at,
        expires_at, closed_at"""
LOAD_GROUPS = """
    SELECT group_id, kind, owner_id, status, shares, same_attribute, same_identifier, common_index,
        created_at, dissolved_at
    FROM groups
    WHERE partition = $1
      AND group_id = ANY($2::uuid[])
"""
LOAD_SEATS = f"""
    SELECT asked.owner_id, found.*
    FROM unnest($2::uuid[]) AS asked (owner_id)
    CROSS JOIN LATERAL (
        SELECT {_SEAT}
        FROM seats
        WHERE partition = $1
          AND owner_id = asked.owner_id
          AND left_at IS NULL
        OFFSET 0
    ) AS found
    ORDER BY asked.owner_id, found.seat_id
"""
LOAD_LEFT = """
    SELECT asked.member_id, found.kind, found.group_id, found.left_at
    FROM unnest($2::uuid[]) AS asked (member_id)
    CROSS JOIN LATERAL (
        SELECT kind, group_id, max(left_at) AS left_at
        FROM seats
        WHERE partition = $1
          AND owner_id = asked.member_id
          AND left_at IS NOT NULL
        GROUP BY kind, group_id
    ) AS found
"""
LOAD_INVITATIONS = f"""
    SELECT {_INVITATION}
    FROM invitations
    WHERE partition = $1
      AND invitation_id = ANY($2::uuid[])
      AND owner_id = group_id
"""
LOAD_OPEN_INVITATIONS = f"""
    SELECT found.*
    FROM unnest($2::uuid[]) AS asked (group_id)
    CROSS JOIN LATERAL (
        SELECT {_INVITATION}
        FROM invitations
        WHERE partition = $1
          AND owner_id = asked.group_id
          AND status = 1
        OFFSET 0
    ) AS found
    ORDER BY found.invitation_id
"""
PAGE_OF_SEATS = f"""
    SELECT {_SEAT}
    FROM seats
    WHERE partition = $1
      AND owner_id = $2
      AND seat_id > $3
      AND ($5 OR left_at IS NULL)
    ORDER BY seat_id
    LIMIT $4
"""
PAGE_OF_INVITATIONS = f"""
    SELECT {_INVITATION}
    FROM invitations
    WHERE partition = $1
      AND owner_id = $2
      AND invitation_id > $3
      AND ($5 = 0 OR $5 = CASE WHEN status = 1 AND expires_at <= $6 THEN 5 ELSE status END)
    ORDER BY invitation_id
    LIMIT $4
"""
DUE_INVITATIONS = """
    SELECT due.invitation_id, due.group_id, due.member_id
    FROM unnest($1::int[]) AS asked (partition)
    CROSS JOIN LATERAL (
        SELECT invitation_id, group_id, member_id
        FROM invitations
        WHERE partition = asked.partition
          AND expires_at <= $2
          AND status = 1
          AND owner_id = group_id
        ORDER BY expires_at
        LIMIT $3
    ) AS due
"""


def read(
    reading: Reading,
    state: GroupState,
    group_ids: Sequence[UUID],
    member_ids: Sequence[UUID],
    invitation_ids: Sequence[UUID],
    asked_ids: Sequence[UUID] = (),
) -> None:
    """Read groups with their seats and open invitations, the seats that members have and had, and invitations.

    `asked_ids` are members whose open invitations are to be read, too.
    """

    def take_groups(rows: Sequence[Any]) -> None:
        state.fill_groups([_group(row) for row in rows])

    def take_seats(rows: Sequence[Any]) -> None:
        state.fill_seats([(row[0], Seat(*tuple(row)[1:])) for row in rows])

    def take_left(rows: Sequence[Any]) -> None:
        state.fill_left([Left(*row) for row in rows])

    def take_invitations(rows: Sequence[Any]) -> None:
        state.fill_invitations([_invitation(row) for row in rows])

    reading.add(LOAD_GROUPS, group_ids, take=take_groups)
    reading.add(LOAD_SEATS, [*group_ids, *member_ids], take=take_seats)
    reading.add(LOAD_LEFT, member_ids, take=take_left)
    reading.add(LOAD_INVITATIONS, invitation_ids, take=take_invitations)
    reading.add(LOAD_OPEN_INVITATIONS, [*group_ids, *asked_ids], take=take_invitations)


async def find_group(pool: asyncpg.Pool, partition: int, group_id: UUID) -> Group | None:
    """A group; None when there is none of this ID."""
    row = await pool.fetchrow(LOAD_GROUPS, partition, [group_id])
    return None if row is None else _group(row)


async def find_invitation(pool: asyncpg.Pool, partition: int, invitation_id: UUID) -> Invitation | None:
    """An invitation, as its group has it; None when there is none of this ID."""
    row = await pool.fetchrow(LOAD_INVITATIONS, partition, [invitation_id])
    return None if row is None else _invitation(row)


async def seats_taken(pool: asyncpg.Pool, partition: int, owner_id: UUID) -> list[Seat]:
    """The seats of a group that are taken, or those that a member has, by ID."""
    return [Seat(*tuple(row)[1:]) for row in await pool.fetch(LOAD_SEATS, partition, [owner_id])]


async def open_invitations(pool: asyncpg.Pool, partition: int, group_id: UUID) -> list[Invitation]:
    """The invitations of a group of which no end is booked."""
    return [_invitation(row) for row in await pool.fetch(LOAD_OPEN_INVITATIONS, partition, [group_id])]


async def page_of_seats(
    pool: asyncpg.Pool, partition: int, group_id: UUID, after: UUID, limit: int, *, include_former: bool
) -> list[Seat]:
    """At most `limit` seats of a group after an ID, by ID."""
    return [Seat(*row) for row in await pool.fetch(PAGE_OF_SEATS, partition, group_id, after, limit, include_former)]


async def page_of_invitations(
    pool: asyncpg.Pool, partition: int, owner_id: UUID, after: UUID, limit: int, status: int, at: datetime
) -> list[Invitation]:
    """At most `limit` invitations of a group or a member after an ID, by ID; of one status at a time only, if not 0."""
    rows = await pool.fetch(PAGE_OF_INVITATIONS, partition, owner_id, after, limit, status, at)
    return [_invitation(row) for row in rows]


async def due_invitations(
    pool: asyncpg.Pool, partitions: Sequence[int], instant: datetime, limit: int
) -> list[tuple[UUID, UUID, UUID]]:
    """Invitations whose end at an instant is not booked: ID, group and member; at most `limit` of a partition."""
    return [tuple(row) for row in await pool.fetch(DUE_INVITATIONS, partitions, instant, limit)]


def _group(row: Any) -> Group:
    group = Group(*row)
    return group._replace(status=GroupStatus(group.status))


def _invitation(row: Any) -> Invitation:
    invitation = Invitation(*row)
    return invitation._replace(status=InvitationStatus(invitation.status))
