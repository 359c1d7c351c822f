"""The clock step of a whole suite, and draining its feeds."""

import asyncio
import time
from datetime import UTC, datetime
from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp

from tessera.client import Client
from tessera.clock.v1 import clock_service_pb2
from tessera.errors import Error
from tessera.events.v1 import event_feed_pb2
from tessera.positions import SYSTEM_PARTITION

DRAIN_TIMEOUT_S = 60.0
FIRST_PAUSE_S = 0.001
LONGEST_PAUSE_S = 0.02
"""A follower needs a few milliseconds for a batch; looking more often would take the time away from it."""

Heads = dict[str, dict[int, int]]
"""The last position of each partition of each service."""


class NotDrained(Exception):
    """Some follower did not catch up in time; the text says which, and how far it is behind."""


class Step:
    """Moves all services of a suite through domain time together.

    Remembers where the feeds stood when they were last drained, so that draining again costs one look when nothing was
    written since.
    """

    def __init__(self, client: Client) -> None:
        self._client = client
        self._feeds = {service: client.feed(service) for service in client.services}
        self._clocks = {service: client.clock(service) for service in client.services}
        self._quiet: Heads | None = None

    async def drain(self, timeout_s: float = DRAIN_TIMEOUT_S) -> None:
        """Returns when every service has read everything that the others wrote; raises NotDrained.

        Looks are not taken at one instant. But when everybody has caught up and the next look (or an earlier one known
        to be quiet) shows the same heads, there was an instant between them at which nothing was left to read.
        """
        deadline = time.monotonic() + timeout_s
        pause_s = FIRST_PAUSE_S
        while True:
            answers = await self._look()
            heads = {answer.service: _positions(answer.heads) for answer in answers}
            behind = _behind(answers, heads)
            if not behind:
                if heads == self._quiet:
                    return
                self._quiet = heads
                continue
            if time.monotonic() > deadline:
                raise NotDrained("; ".join(behind))
            await asyncio.sleep(pause_s)
            pause_s = min(pause_s * 2, LONGEST_PAUSE_S)

    async def to(self, instant: datetime, timeout_s: float = DRAIN_TIMEOUT_S) -> None:
        """Drains, advances every service to `instant` (each runs what falls due on the way), and drains again.

        An instant already reached is passed over, so an interrupted step is simply done again.
        """
        await self.drain(timeout_s)
        await asyncio.gather(*(self._advance(service, instant) for service in self._clocks))
        await self.drain(timeout_s)

    async def now(self) -> datetime:
        """The time up to which every service has come."""
        answers = await asyncio.gather(
            *(clock.GetClock(clock_service_pb2.GetClockRequest()) for clock in self._clocks.values())
        )
        return min(answer.now.ToDatetime(UTC) for answer in answers)

    async def _look(self) -> list[event_feed_pb2.GetPositionsResponse]:
        request = event_feed_pb2.GetPositionsRequest()
        return list(await asyncio.gather(*(feed.GetPositions(request) for feed in self._feeds.values())))

    async def _advance(self, service: str, instant: datetime) -> None:
        to = Timestamp()
        to.FromDatetime(instant)
        request = clock_service_pb2.AdvanceClockRequest(request_id=f"step-{to.seconds}.{to.nanos}", to=to)
        try:
            await self._clocks[service].AdvanceClock(request)
        except Error as error:
            if error.reason != "CLOCK_BACKWARDS":
                raise


async def drain(client: Client, timeout_s: float = DRAIN_TIMEOUT_S) -> None:
    """Waits until every service has read everything that the others wrote; raises NotDrained."""
    await Step(client).drain(timeout_s)


def _positions(cursors: Any) -> dict[int, int]:
    return {cursor.partition: cursor.position for cursor in cursors if cursor.partition != SYSTEM_PARTITION}


def _behind(answers: list[event_feed_pb2.GetPositionsResponse], heads: Heads) -> list[str]:
    """Who has not yet read everything."""
    behind = []
    for answer in answers:
        cursors = {followed.service: _positions(followed.cursors) for followed in answer.followed}
        for source, reached in cursors.items():
            missing = sum(max(0, head - reached.get(partition, 0)) for partition, head in heads.get(source, {}).items())
            if missing:
                behind.append(f"{answer.service} is {missing} record(s) behind {source}")
    return behind
