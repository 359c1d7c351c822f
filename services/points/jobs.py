"""What time does to points: holds release themselves, lots expire. Reads do not wait for it; jobs only book it."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import asyncpg

from services.chassis.app import Platform
from services.chassis.civil import next_midnight
from services.chassis.jobs import Job
from services.chassis.verdicts import OK, Verdict
from services.points.commands import SettleWallets
from services.points.documents import PointsConfig

CHUNK = 500
"""Members settled by one command: a batch is bounded in rows, not only in commands."""

_DUE = """
    SELECT DISTINCT member_id
    FROM (
        SELECT member_id
        FROM lots
        WHERE partition = $1
          AND remaining > 0
          AND expires_at <= $2
        UNION ALL
        SELECT member_id
        FROM holds
        WHERE partition = $1
          AND state = 'open'
          AND expires_at <= $2
        UNION ALL
        SELECT b.member_id
        FROM balances AS b
        WHERE b.partition = $1
          AND b.slides_to <= $2
          AND b.balance > 0
    ) AS due
    ORDER BY member_id
    LIMIT $3
"""


async def due_members(pool: asyncpg.Pool, partition: int, instant: datetime, limit: int) -> Sequence[UUID]:
    """Members for whom something is due by an instant, and not booked."""
    return [row["member_id"] for row in await pool.fetch(_DUE, partition, instant, limit)]


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
    """Book everything due by an instant, partition by partition, in chunks; what was booked is not due any more."""
    waiting = set(range(platform.settings.partitions))
    while waiting:
        commands = []
        for partition in sorted(waiting):
            members = await due_members(platform.pool, partition, instant, CHUNK)
            if len(members) < CHUNK:
                waiting.discard(partition)
            if members:
                commands.append(SettleWallets(partition, members))
        for outcome in await platform.lanes.submit(commands):
            if not isinstance(outcome, Verdict):
                raise outcome
            if outcome.code != OK:
                raise RuntimeError(f"wallets were not settled: {outcome.status().message}")
