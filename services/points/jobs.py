"""What time does to points: holds release themselves, lots expire, refunds wait in vain.

Reads do not wait for it; jobs only book it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import asyncpg
import structlog
from prometheus_client import Gauge

from services.chassis.app import Platform
from services.chassis.civil import next_midnight
from services.chassis.errors import Refused, from_status
from services.chassis.jobs import Job
from services.chassis.operations import Command
from services.chassis.verdicts import OK, Verdict
from services.points.activities import reads
from services.points.activities.parking import PARK_LIMIT
from services.points.activities.wire import parked_refund_id
from services.points.commands import BuryParkedRefunds, SettleWallets
from services.points.documents import PointsConfig
from services.points.seals.sealing import seal_what_is_due
from services.points.settings import PointsSettings

MAX_MEMBERS = 500
MAX_PARTS = 2_000
"""What one command settles: so many members at most, with so many lots and holds due (one member's more than that go
together). A batch is bounded in rows, not only in commands."""
MAX_REFUNDS = 500
"""Parked refunds of a partition that one command buries."""
_LOG = structlog.stdlib.get_logger(__name__)

# Each part in the order of its index, and behind a fence: so a plan made while the tables are young gains nothing by
# another index, which has all that ever was in the partition.
_DUE = """
    SELECT asked.partition, due.member_id, due.parts
    FROM unnest($1::int[], $2::uuid[]) AS asked (partition, after)
    CROSS JOIN LATERAL (
        WITH parts AS MATERIALIZED (
            (
                SELECT member_id
                FROM lots
                WHERE partition = asked.partition
                  AND remaining > 0
                  AND expires_at <= $3
                  AND NOT slides
                ORDER BY expires_at
            )
            UNION ALL
            (
                SELECT member_id
                FROM holds
                WHERE partition = asked.partition
                  AND state = 'open'
                  AND expires_at <= $3
                ORDER BY expires_at
            )
            UNION ALL
            (
                SELECT l.member_id
                FROM (
                    SELECT partition, member_id, unit, slides_to
                    FROM balances
                    WHERE partition = asked.partition
                      AND slides_to <= $3
                    ORDER BY slides_to
                ) AS b
                JOIN lots AS l USING (partition, member_id, unit)
                WHERE l.slides
                  AND l.remaining > 0
                  AND greatest(l.expires_at, b.slides_to) <= $3
            )
        )
        SELECT member_id, count(*) AS parts
        FROM parts
        WHERE member_id > asked.after
        GROUP BY member_id
        ORDER BY member_id
        LIMIT $4
    ) AS due
    ORDER BY asked.partition, due.member_id
"""
_NOBODY = UUID(int=0)


@dataclass(frozen=True, slots=True)
class Due:
    """Members of a partition for whom something is due, as many as one command settles, and whether these are all."""

    members: Sequence[UUID]
    are_all: bool


async def due_members(pool: asyncpg.Pool, reached: Mapping[int, UUID], instant: datetime) -> dict[int, Due]:
    """Of each partition the next members, by ID after the one reached, for whom something is due and not booked."""
    found: dict[int, list[tuple[UUID, int]]] = {partition: [] for partition in reached}
    for partition, member_id, parts in await pool.fetch(
        _DUE, list(reached), list(reached.values()), instant, MAX_MEMBERS
    ):
        found[partition].append((member_id, parts))
    return {partition: _due(members) for partition, members in found.items()}


def _due(found: Sequence[tuple[UUID, int]]) -> Due:
    """As many of the members found, each with what is due, as one command settles."""
    members: list[UUID] = []
    all_parts = 0
    for member_id, parts in found:
        all_parts += parts
        if members and all_parts > MAX_PARTS:
            break
        members.append(member_id)
    return Due(members, len(members) == len(found) < MAX_MEMBERS)


def jobs(platform: Platform[PointsConfig]) -> list[Job[PointsConfig]]:
    """The jobs of points."""

    async def run(instant: datetime) -> None:
        await settle_everybody(platform, instant)

    dead = Gauge(
        "points_dead_refunds",
        "Refunds whose activity was not recorded in time, or that it refused: somebody has to look at them.",
        registry=platform.telemetry.registry,
    )

    async def bury(instant: datetime) -> None:
        await bury_refunds(platform, instant)
        dead.set(await reads.dead_refunds(platform.pool, range(platform.settings.partitions)))

    settings = platform.settings
    assert isinstance(settings, PointsSettings), "the definition says so"
    seal_after = settings.seal_after_positions

    async def seal(_: datetime) -> None:
        await seal_what_is_due(platform, seal_after)

    return [
        Job("settle-wallets", _next_settlement, run),
        Job("bury-parked-refunds", _next_settlement, bury),
        *([Job("seal-ledger", _next_settlement, seal)] if seal_after else []),
    ]


def _next_settlement(config: PointsConfig, after: datetime) -> datetime | None:
    """Every midnight of each zone in which a unit counts its days."""
    zones = {unit.zone for unit in config.units.values()}
    return min((next_midnight(after, zone) for zone in zones), default=None)


async def settle_everybody(platform: Platform[PointsConfig], instant: datetime) -> None:
    """Book everything due by an instant, in chunks of the members of a partition in the order of their IDs.

    What was booked is not due any more, so a run that follows one that broke off goes on where that one was.
    """
    reached = dict.fromkeys(range(platform.settings.partitions), _NOBODY)
    while reached:
        commands = []
        for partition, due in (await due_members(platform.pool, reached, instant)).items():
            if due.members:
                reached[partition] = due.members[-1]
                commands.append(SettleWallets(partition, due.members))
            if due.are_all:
                del reached[partition]
        await _submit(platform, commands)


async def bury_refunds(platform: Platform[PointsConfig], instant: datetime) -> None:
    """Book of every refund whose activity was not recorded within PARK_LIMIT that it is dead, in chunks."""
    partitions = range(platform.settings.partitions)
    while overdue := await reads.overdue_refunds(platform.pool, partitions, instant - PARK_LIMIT, MAX_REFUNDS):
        await _submit(platform, [BuryParkedRefunds(partition, refunds) for partition, refunds in overdue.items()])
        buried = [parked_refund_id(refund) for refunds in overdue.values() for refund in refunds]
        _LOG.warning("refunds are dead: their activities were not recorded in time", parked_refund_ids=buried)


async def _submit(platform: Platform[PointsConfig], commands: Sequence[Command]) -> None:
    for outcome in await platform.lanes.submit(commands):
        if not isinstance(outcome, Verdict):
            raise outcome
        if outcome.code != OK:
            raise Refused(from_status(outcome.status()))
