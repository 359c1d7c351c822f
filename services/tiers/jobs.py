"""What time does to standings: at 00:00 of a civil day, a ladder is evaluated. Reads do not wait for it."""

import asyncio
from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from services.chassis.app import Platform
from services.chassis.errors import Refused, from_status
from services.chassis.ids import from_bytes
from services.chassis.jobs import Job
from services.chassis.verdicts import OK
from services.tiers.commands import Evaluate
from services.tiers.values import Config

_FIRST = UUID(int=0)


def jobs(platform: Platform[Config]) -> Sequence[Job[Config]]:
    """The jobs of tiers."""

    async def run(instant: datetime) -> None:
        await evaluate_everybody(platform, instant)

    return [Job("evaluate-standings", next_evaluation, run)]


def next_evaluation(config: Config, after: datetime) -> datetime | None:
    """The first evaluation of any ladder after an instant."""
    return min(
        (ladder.evaluated_at(ladder.evaluation_after(after)) for ladder in config.ladders.values()), default=None
    )


async def evaluate_everybody(platform: Platform[Config], instant: datetime) -> None:
    """Evaluate the ladders whose evaluation is at an instant, all partitions at once."""
    _, config = await platform.configurations.current(platform.pool)
    due = [ladder.code for ladder in config.ladders.values() if ladder.is_evaluated_at(instant)]
    partitions = range(platform.settings.partitions)
    await asyncio.gather(
        *(_evaluate_partition(platform, partition, ladder, instant) for ladder in due for partition in partitions)
    )


async def _evaluate_partition(platform: Platform[Config], partition: int, ladder: str, instant: datetime) -> None:
    """Evaluate one partition, as many commands as that takes; begun again, it finds what is left."""
    after = _FIRST
    while True:
        verdict = await platform.lanes.one(Evaluate(partition, ladder, instant, after))
        if verdict.code != OK:
            raise Refused(from_status(verdict.status()))
        if not verdict.payload:
            return
        after = from_bytes(verdict.payload)
