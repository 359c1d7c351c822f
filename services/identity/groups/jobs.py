"""What time does to invitations: those that nobody accepted are over. Reads do not wait for it; the job books it."""

from collections.abc import Sequence
from datetime import datetime

from services.chassis.app import Platform
from services.chassis.civil import next_midnight
from services.chassis.errors import Refused, from_status
from services.chassis.jobs import Job
from services.chassis.verdicts import OK, Verdict
from services.identity.groups import queries
from services.identity.groups.commands import ExpireInvitation
from services.identity.values import Config

MAX_INVITATIONS = 200
"""Of a partition, that are booked together: each is two rows and two events."""


def jobs(platform: Platform[Config]) -> list[Job[Config]]:
    """The jobs of identity."""

    async def run(instant: datetime) -> None:
        await expire_invitations(platform, instant)

    return [Job("expire-invitations", next_expiry, run)]


def next_expiry(config: Config, after: datetime) -> datetime | None:
    """Every midnight of each zone in which a kind of group counts its days."""
    zones = {kind.zone for kind in config.group_kinds.values()}
    return min((next_midnight(after, zone) for zone in zones), default=None)


async def expire_invitations(platform: Platform[Config], instant: datetime) -> None:
    """Book every invitation whose time is over by an instant, in chunks.

    What was booked is not due any more, so a run that follows one that broke off goes on where that one was.
    """
    partitions = range(platform.settings.partitions)
    while due := await queries.due_invitations(platform.pool, partitions, instant, MAX_INVITATIONS):
        await _submit(
            platform,
            [
                ExpireInvitation(None, group_id, False, invitation_id, member_id)
                for invitation_id, group_id, member_id in due
            ],
        )


async def _submit(platform: Platform[Config], commands: Sequence[ExpireInvitation]) -> None:
    for outcome in await platform.lanes.submit(commands):
        if not isinstance(outcome, Verdict):
            raise outcome
        if outcome.code != OK:
            raise Refused(from_status(outcome.status()))
