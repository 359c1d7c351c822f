"""The year itself: for each day the clock step, then what happened, in order."""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from itertools import zip_longest
from typing import Any

from tessera.benefits.v1 import benefits_service_pb2
from tessera.client import Client
from tessera.complaints import Complaint
from tessera.errors import Error
from tessera.grocer import Day, Year, days
from tessera.points.v1 import points_service_pb2
from tessera.replay.bulk import settle, settle_all
from tessera.replay.enrolment import enrol
from tessera.replay.messages import Messages, captures
from tessera.replay.notes import Notes
from tessera.step import Step

OnDay = Callable[[Day], None]


class UnfitClock(Complaint):
    """The suite's clock is not one by which the year can be lived."""


async def replay(client: Client, year: Year, notes: Notes, on_day: OnDay) -> None:
    """Sends everything that has not been sent yet; `on_day` hears of each day when it is done.

    A day is: the clock steps to its last second, and on the way, at 00:00, points expire, levels fall and what is due
    each month is issued; then its activities in order, beside them the campaigns that start and the coupons handed in;
    then the points held and captured for fuel. The last day is followed by one more 00:00.
    """
    step = Step(client)
    await _check_clock(step, year, notes)
    ids = await enrol(client, year.accounts)
    await step.drain()
    sender = _Sender(client, Messages(year, ids))
    started = time.monotonic()
    left = [day for day in days(year) if not notes.is_done(day.day)]
    for day, following in zip_longest(left, left[1:]):
        await step.to(_instant(day.last_second_s))
        refusals = await sender.send(day, following)
        now = time.monotonic()
        notes.finish(day.day, refusals, now - started)
        started = now
        on_day(day)
    await step.to(_instant(year.day_starts_s[-1]))


class _Sender:
    """Sends days, and prepares the next one while it waits."""

    def __init__(self, client: Client, messages: Messages) -> None:
        self._messages = messages
        self._record = client.method("points", "BulkRecordActivities")
        self._hold = client.method("points", "BulkHold")
        self._capture = client.method("points", "BulkCaptureHolds")
        self._issue = client.method("benefits", "BulkIssueEntitlements")
        self._redeem = client.method("benefits", "BulkRedeem")
        self._prepared: dict[Any, list[points_service_pb2.BulkRecordActivitiesRequest]] = {}

    async def send(self, day: Day, following: Day | None) -> Counter[str]:
        """Everything that happened on a day; returns what was refused, and why."""
        refusals: Counter[str] = Counter()
        bulks = self._prepared.pop(day.day, None) or self._messages.activities(day)
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._purchases(day, bulks, refusals))
                group.create_task(self._coupons(day, refusals))
                await asyncio.sleep(0)
                if following is not None:
                    self._prepared[following.day] = self._messages.activities(following)
        except* Error as errors:
            raise errors.exceptions[0] from None
        return refusals

    async def _purchases(self, day: Day, bulks: Sequence[Any], refusals: Counter[str]) -> None:
        """The activities, and when all of them are booked the points for fuel."""
        for bulk in bulks:
            _count(refusals, "activity", await settle(self._record, bulk))
        held = await settle_all(self._hold, points_service_pb2.BulkHoldRequest, self._messages.holds(day))
        _count(refusals, "fuel discount", held)
        filled = [
            (filling, hold.hold_id) for filling, hold in zip(day.fuel, held, strict=True) if not isinstance(hold, Error)
        ]
        taken = await settle_all(self._capture, points_service_pb2.BulkCaptureHoldsRequest, captures(filled))
        _count(refusals, "capture", taken)

    async def _coupons(self, day: Day, refusals: Counter[str]) -> None:
        """What campaigns send out, and the coupons handed in."""
        issues = self._messages.issues(day.starting)
        issued = await settle_all(self._issue, benefits_service_pb2.BulkIssueEntitlementsRequest, issues)
        _count(refusals, "coupon sent", issued)
        redeems = self._messages.redeems(day.redemptions)
        redeemed = await settle_all(self._redeem, benefits_service_pb2.BulkRedeemRequest, redeems)
        _count(refusals, "coupon handed in", redeemed)


async def _check_clock(step: Step, year: Year, notes: Notes) -> None:
    """A year is lived by a virtual clock, and one that was not begun only from its beginning."""
    now, is_virtual = await step.now()
    if not is_virtual:
        raise UnfitClock("the suite lives by the real clock; a replay needs `tessera up --clock virtual`")
    if notes.done_through is None and now > _instant(year.day_starts_s[1] - 1):
        raise UnfitClock(f"the suite's clock stands at {now:%Y-%m-%d %H:%M} UTC, past the first day of the replay")


def _count(refusals: Counter[str], what: str, outcomes: Sequence[Any]) -> None:
    for outcome in outcomes:
        if isinstance(outcome, Error):
            refusals[f"{what}: {outcome.reason}"] += 1


def _instant(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
