"""What time does to what is remembered of erased members: it is over. Reads do not wait for it; the job drops it."""

from collections.abc import Sequence
from datetime import datetime

from services.chassis.app import Platform
from services.chassis.civil import next_midnight
from services.chassis.errors import Refused, from_status
from services.chassis.jobs import Job
from services.chassis.verdicts import OK, Verdict
from services.identity.privacy import queries
from services.identity.privacy.commands import ForgetPersons
from services.identity.values import Config

MAX_PERSON_KEYS = 1_000
"""Of a partition, that are dropped together."""


def jobs(platform: Platform[Config]) -> list[Job[Config]]:
    """The jobs of consents and erasures."""

    async def run(instant: datetime) -> None:
        await forget_persons(platform, instant)

    return [Job("forget-persons", next_forgetting, run)]


def next_forgetting(config: Config, after: datetime) -> datetime | None:
    """Every midnight of each programme, also of one that remembers nobody any more."""
    return min((next_midnight(after, zone) for zone in config.zones), default=None)


async def forget_persons(platform: Platform[Config], instant: datetime) -> None:
    """Drop everything that is over by an instant, in chunks; a run that follows one that broke off goes on there."""
    partitions = range(platform.settings.partitions)
    while over := await queries.person_keys_over(platform.pool, partitions, instant, MAX_PERSON_KEYS):
        by_partition: dict[int, list[bytes]] = {}
        for partition, person_key in over:
            by_partition.setdefault(partition, []).append(person_key)
        await _submit(platform, [ForgetPersons(partition, keys) for partition, keys in by_partition.items()])


async def _submit(platform: Platform[Config], commands: Sequence[ForgetPersons]) -> None:
    for outcome in await platform.lanes.submit(commands):
        if not isinstance(outcome, Verdict):
            raise outcome
        if outcome.code != OK:
            raise Refused(from_status(outcome.status()))
