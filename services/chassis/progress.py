"""Waiting for positions: what feeds' readers and `at_least` wait for.

Commits of this process are noticed at once. Those of other processes on the same database are noticed by looking, only
while somebody waits, and seldom while no other process is found to commit anything.
"""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Generic, TypeVar

from services.chassis.failures import DRIVER_ERRORS

LOOK_INTERVAL_S = 0.05
"""How often another process's commits are looked for while somebody waits."""
LONGEST_LOOK_INTERVAL_S = 0.2
"""The interval doubles up to this with each look that finds nothing new: a process alone always looks in vain."""

Place = TypeVar("Place")


class Progress(Generic[Place]):
    """The positions that some places have reached, and a way to wait until they are reached."""

    def __init__(self, look: Callable[[], Awaitable[Mapping[Place, int]]]) -> None:
        """`look` reads the positions from the database."""
        self._look = look
        self._reached: dict[Place, int] = {}
        self._waiting: set[asyncio.Future[None]] = set()
        self._looking: asyncio.Task[None] | None = None
        self._interval_s = LOOK_INTERVAL_S
        self._closed = False

    def close(self) -> None:
        """Let everybody who waits go with what there is: the service is shutting down."""
        self._closed = True
        self._wake()
        if self._looking is not None:
            self._looking.cancel()
            self._looking = None

    def reached(self, place: Place) -> int:
        """The position a place is known to have reached."""
        return self._reached.get(place, 0)

    def positions(self) -> dict[Place, int]:
        """The positions that all places are known to have reached."""
        return dict(self._reached)

    def advance(self, place: Place, position: int) -> None:
        """Note that a place has reached a position."""
        if position > self._reached.get(place, 0):
            self._reached[place] = position
            self._wake()

    def _wake(self) -> None:
        for news in self._waiting:
            if not news.done():
                news.set_result(None)

    async def wait_until(self, is_enough: Callable[[], bool], deadline: float) -> bool:
        """Wait until `is_enough`, at most until `deadline` (time.monotonic()); tells whether it is.

        Each waits for a future of its own, made before it yields, so that no news is lost between two looks at it.
        """
        loop = asyncio.get_running_loop()
        while not is_enough() and not self._closed:
            remaining_s = deadline - time.monotonic()
            if remaining_s <= 0:
                return False
            news: asyncio.Future[None] = loop.create_future()
            self._waiting.add(news)
            self._look_out()
            try:
                await asyncio.wait([news], timeout=remaining_s)
            finally:
                self._waiting.discard(news)
        return is_enough()

    def _look_out(self) -> None:
        if self._looking is None:
            self._looking = asyncio.create_task(self._keep_looking(), name="progress-look")

    async def _keep_looking(self) -> None:
        try:
            while self._waiting:
                self._interval_s = min(2 * self._interval_s, LONGEST_LOOK_INTERVAL_S)
                with contextlib.suppress(*DRIVER_ERRORS):
                    for place, position in (await self._look()).items():
                        if position > self.reached(place):
                            self._interval_s = LOOK_INTERVAL_S
                            self.advance(place, position)
                await asyncio.sleep(self._interval_s)
        finally:
            self._looking = None
