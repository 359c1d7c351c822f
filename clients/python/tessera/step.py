"""The clock step of a whole suite, and draining its feeds."""

import asyncio
import time
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime

from google.protobuf.timestamp_pb2 import Timestamp

from tessera.client import Client
from tessera.clock.v1 import clock_service_pb2
from tessera.complaints import Complaint
from tessera.errors import Error
from tessera.events.v1 import event_feed_pb2
from tessera.positions import SYSTEM_PARTITION
from tessera.type.v1 import position_pb2

DRAIN_TIMEOUT_S = 50.0
"""Services cut deadlines to a minute; a follower that needs longer is not behind but stuck."""


class NotDrained(Complaint):
    """Some follower did not catch up in time; the text says which, and how far it is behind."""


class Step:
    """Moves all services of a suite through domain time together."""

    def __init__(self, client: Client) -> None:
        self._feeds = {service: client.feed(service) for service in client.services}
        self._clocks = {service: client.clock(service) for service in client.services}

    async def drain(self, timeout_s: float = DRAIN_TIMEOUT_S) -> None:
        """Returns when every service has read everything that the others wrote; raises NotDrained.

        Each service is asked once, and again only when another turns out to have written more than it had read; it
        answers then when it has read that. When nobody is behind what the others last said, nothing is left to read,
        though they were asked at different times: an answer's heads include what was done with what its cursors say was
        read, so the first record that an answer does not know of could only come from one that it does not know of.
        """
        deadline = time.monotonic() + timeout_s
        asked: dict[str, list[position_pb2.Position]] = {service: [] for service in self._feeds}
        known: dict[str, event_feed_pb2.GetPositionsResponse] = {}
        while asked:
            try:
                answers = await asyncio.gather(
                    *(self._positions(service, positions, deadline) for service, positions in asked.items())
                )
            except Error as error:
                if behind := _in_words(_behind(known)):
                    raise NotDrained(f"{behind}: {error}") from None
                raise
            known |= zip(asked, answers, strict=True)
            asked = _behind(known)

    async def _positions(
        self, service: str, at_least: list[position_pb2.Position], deadline: float
    ) -> event_feed_pb2.GetPositionsResponse:
        request = event_feed_pb2.GetPositionsRequest(at_least=at_least)
        return await self._feeds[service].GetPositions(request, timeout=max(0.0, deadline - time.monotonic()))

    async def to(self, instant: datetime, timeout_s: float = DRAIN_TIMEOUT_S) -> None:
        """Drains, advances every service to `instant` (each runs what falls due on the way), and drains again.

        An instant already reached is passed over, so an interrupted step is simply done again.
        """
        await self.drain(timeout_s)
        await asyncio.gather(*(self._advance(service, instant) for service in self._clocks))
        await self.drain(timeout_s)

    async def now(self) -> tuple[datetime, bool]:
        """The time up to which every service has come, and whether all their clocks are virtual."""
        answers = await asyncio.gather(
            *(clock.GetClock(clock_service_pb2.GetClockRequest()) for clock in self._clocks.values())
        )
        return min(answer.now.ToDatetime(UTC) for answer in answers), all(answer.virtual for answer in answers)

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


def _behind(known: Mapping[str, event_feed_pb2.GetPositionsResponse]) -> dict[str, list[position_pb2.Position]]:
    """For each service that is behind, what it has not read yet."""
    heads = {service: _places(answer.heads) for service, answer in known.items()}
    behind: dict[str, list[position_pb2.Position]] = {}
    for service, answer in known.items():
        for followed in answer.followed:
            reached = _places(followed.cursors)
            unread = [
                position_pb2.Position(service=followed.service, partition=partition, position=head)
                for partition, head in heads.get(followed.service, {}).items()
                if head > reached.get(partition, 0)
            ]
            if unread:
                behind.setdefault(service, []).extend(unread)
    return behind


def _places(cursors: Iterable[event_feed_pb2.Cursor]) -> dict[int, int]:
    return {cursor.partition: cursor.position for cursor in cursors if cursor.partition != SYSTEM_PARTITION}


def _in_words(behind: Mapping[str, list[position_pb2.Position]]) -> str:
    return "; ".join(
        f"{service} has not read all of {', '.join(sorted({position.service for position in positions}))}"
        for service, positions in behind.items()
    )
