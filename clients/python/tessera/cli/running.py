"""Running a command's work in an event loop, so that a signal ends it cleanly."""

import asyncio
import signal
from collections.abc import Coroutine
from typing import Any, TypeVar

from tessera.cli.failures import Interrupted

Result = TypeVar("Result")


def run(work: Coroutine[Any, Any, Result]) -> Result:
    """The result of `work`. The first Ctrl-C or SIGTERM cancels it and lets it clean up; raises Interrupted then."""
    return asyncio.run(_until_signal(work))


async def _until_signal(work: Coroutine[Any, Any, Result]) -> Result:
    task = asyncio.ensure_future(work)
    signals: list[signal.Signals] = []

    def interrupt(number: signal.Signals) -> None:
        if not signals:  # later ones must not cut the cleaning up short
            task.cancel()
        signals.append(number)

    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, interrupt, number)
    try:
        return await task
    except asyncio.CancelledError:
        raise Interrupted from None
