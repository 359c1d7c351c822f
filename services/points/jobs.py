"""What time does to points: holds release themselves, lots expire. Reads do not wait for it; jobs only book it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import asyncpg

from services.chassis.app import Platform
from services.chassis.civil import next_midnight
from services.chassis.errors import Refused, from_status
from services.chassis.jobs import Job
from services.chassis.verdicts import OK, Verdict
from services.points.commands import SettleWallets
from services.points.documents import PointsConfig

MAX_MEMBERS = 500
MAX_PARTS = 2_000
"""What one command settles: so many members at most, with so many lots and holds due (one member's more than that go
together). A batch is bounded in rows, not only in commands."""

_DUE = """
    SELECT member_id, count(*) AS parts
    FROM (
        SELECT member_id
        FROM lots
        WHERE partition = $1
          AND remaining > 0
          AND expires_at <= $2
          AND NOT slides
        UNION ALL
        SELECT member_id
        FROM holds
        WHERE partition = $1
          AND state = 'open'
          AND expires_at <= $2
        UNION ALL
        SELECT l.member_id
        FROM balances AS b
        JOIN lots AS l USING (partition, member_id, unit)
        WHERE b.partition = $1
          AND b.slides_to <= $2
          AND l.slides
          AND l.remaining > 0
          AND greatest(l.expires_at, b.slides_to) <= $2
    ) AS due
    WHERE member_id > $3
    GROUP BY member_id
    ORDER BY member_id
    LIMIT $4
"""
_NOBODY = UUID(int=0)


@dataclass(frozen=True, slots=True)
class Due:
    """Members of a partition for whom something is due, as many as one command settles, and whether these are all."""

    members: Sequence[UUID]
    are_all: bool


async def due_members(pool: asyncpg.Pool, partition: int, instant: datetime, after: UUID) -> Due:
    """The next members, by ID, for whom something is due by an instant and not booked."""
    rows = await pool.fetch(_DUE, partition, instant, after, MAX_MEMBERS)
    members: list[UUID] = []
    parts = 0
    for row in rows:
        parts += row["parts"]
        if members and parts > MAX_PARTS:
            break
        members.append(row["member_id"])
    return Due(members, len(members) == len(rows) < MAX_MEMBERS)


def jobs(platform: Platform[PointsConfig]) -> list[Job[PointsConfig]]:
    """The jobs of points."""

    async def run(instant: datetime) -> None:
        await settle_everybody(platform, instant)

    return [Job("settle-wallets", _next_settlement, run)]


def _next_settlement(config: PointsConfig, after: datetime) -> datetime | None:
    """Every midnight of each zone in which a unit counts its days."""
    zones = {unit.zone for unit in config.units.values()}
    return min((next_midnight(after, zone) for zone in zones), default=None)


async def settle_everybody(platform: Platform[PointsConfig], instant: datetime) -> None:
    """Book everything due by an instant, partition by partition, in chunks of members in the order of their IDs.

    What was booked is not due any more, so a run that follows one that broke off goes on where that one was.
    """
    reached = dict.fromkeys(range(platform.settings.partitions), _NOBODY)
    while reached:
        commands = []
        for partition, after in list(reached.items()):
            due = await due_members(platform.pool, partition, instant, after)
            if due.members:
                reached[partition] = due.members[-1]
                commands.append(SettleWallets(partition, due.members))
            if due.are_all:
                del reached[partition]
        for outcome in await platform.lanes.submit(commands):
            if not isinstance(outcome, Verdict):
                raise outcome
            if outcome.code != OK:
                raise Refused(from_status(outcome.status()))
