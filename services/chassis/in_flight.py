"""The calls that a server is serving, which it lets end before it goes."""

import asyncio
import contextlib

_LOOK_EVERY_S = 0.005


class CallsInFlight:
    """How many there are. Every call counts itself, so counting is all it does: who waits for the last looks again."""

    __slots__ = ("count", "is_refusing")

    def __init__(self) -> None:
        self.count = 0
        self.is_refusing = False
        """Whether calls that come now are refused, because the server drains."""

    async def ended(self, timeout_s: float) -> None:
        """Until no call is in flight, or so much time has passed."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                while self.count:  # noqa: ASYNC110  # an event would have to be kept up to date by every call
                    await asyncio.sleep(_LOOK_EVERY_S)
