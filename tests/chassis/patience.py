"""Waiting in tests for what tells nobody when it happens: processes, databases, logs."""

import asyncio
import inspect
from collections.abc import Awaitable, Callable

PATIENCE_S = 60
LOOK_INTERVAL_S = 0.002


async def until(holds: Callable[[], bool | Awaitable[bool]]) -> None:
    """Until something holds; fails when it does not come true within PATIENCE_S."""
    async with asyncio.timeout(PATIENCE_S):
        while not await _told(holds()):  # noqa: ASYNC110  # there is no event: that is what this is for
            await asyncio.sleep(LOOK_INTERVAL_S)


async def _told(answer: bool | Awaitable[bool]) -> bool:
    return await answer if inspect.isawaitable(answer) else bool(answer)
