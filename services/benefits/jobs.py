"""What falls due by itself: what each month brings, and booking what time has ended."""

import asyncio
from collections.abc import Iterable, Sequence
from datetime import datetime
from uuid import UUID

from services.benefits.commands import Command, ExpireEntitlements, IssueMonthly
from services.benefits.config import Benefit, BenefitsConfig
from services.benefits.entitlements import queries
from services.benefits.entitlements.rules import grants_of_month
from services.chassis import civil
from services.chassis.app import Platform
from services.chassis.errors import Refused, from_status
from services.chassis.jobs import Job
from services.chassis.verdicts import OK

CHUNK = 500
"""Members or entitlements that one command concerns: a batch of some tens of milliseconds."""

_BEFORE_ALL = UUID(int=0)


def jobs(platform: Platform[BenefitsConfig]) -> Sequence[Job[BenefitsConfig]]:
    """The jobs of the service. What a member gets in a month follows from the month, so all is safe to run twice."""
    work = _Work(platform)
    return [
        Job("expire-entitlements", _next_midnight, work.expire),
        Job("issue-monthly", _next_month, work.issue_monthly),
    ]


def _next_midnight(config: BenefitsConfig, after: datetime) -> datetime | None:
    return min((civil.next_midnight(after, zone) for zone in config.zones), default=None)


def _next_month(config: BenefitsConfig, after: datetime) -> datetime | None:
    return min((_month_after(benefit, after) for benefit in config.monthly), default=None)


def _month_after(benefit: Benefit, after: datetime) -> datetime:
    first = civil.start_of_month(civil.civil_day(after, benefit.zone))
    return civil.start_of_day(civil.add_months(first, 1), benefit.zone)


class _Work:
    """The jobs' work, partition by partition side by side, chunk after chunk in each."""

    def __init__(self, platform: Platform[BenefitsConfig]) -> None:
        self._platform = platform
        self._partitions = range(platform.settings.partitions)

    async def issue_monthly(self, instant: datetime) -> None:
        """Issue what the month that begins at an instant brings."""
        _, config = await self._platform.configurations.current(self._platform.pool)
        benefits = [grant.benefit for grant in grants_of_month(config.monthly, instant)]
        if not benefits:
            return
        known = await queries.standings_of_active(self._platform.pool)
        eligible = [standing for standing in known if any(_may_hold(benefit, standing) for benefit in benefits)]
        await asyncio.gather(*(self._issue_in(partition, eligible, instant) for partition in self._partitions))

    async def _issue_in(self, partition: int, standings: Sequence[str], instant: datetime) -> None:
        after = _BEFORE_ALL
        while members := await queries.monthly_candidates(
            self._platform.pool, partition, after, standings, instant, CHUNK
        ):
            await self._run(IssueMonthly(partition, instant, members))
            after = members[-1]

    async def expire(self, instant: datetime) -> None:
        """Book the entitlements whose time is over at an instant."""
        partitions: Iterable[int] = self._partitions
        while partitions:
            due = await queries.due_entitlements(self._platform.pool, partitions, instant, CHUNK)
            await asyncio.gather(*(self._run(ExpireEntitlements(*of_partition)) for of_partition in due.items()))
            partitions = [partition for partition, found in due.items() if len(found) == CHUNK]

    async def _run(self, command: Command) -> None:
        verdict = await self._platform.lanes.one(command)
        if verdict.code != OK:
            raise Refused(from_status(verdict.status()))


def _may_hold(benefit: Benefit, standing: str) -> bool:
    """Whether members of a standing may be eligible; where the condition asks for more than that, they may."""
    eligibility = benefit.eligibility
    return eligibility is None or eligibility.asks_for_enrolment or eligibility.holds(standing, None)
