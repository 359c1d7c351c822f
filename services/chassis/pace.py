"""How long a batch waits for company: the longer, the less time its process has left.

A batch costs a few milliseconds whatever is in it. A process that is idle writes at once. One that is busy takes calls
in as slowly as it writes, and would write few at a time for ever: it does more, and sooner, when they gather first.
"""

import time

FREE = 0.75
"""The share of a core's time up to which nothing waits."""
MOST_S = 0.04
"""How long a batch waits in a process that has no time left."""
WINDOW_S = 0.05
"""Over how long it is measured how busy a process is."""


def wait_s(busy: float) -> float:
    """How long a batch waits in a process that used this share of a core's time."""
    return MOST_S * min(1.0, max(0.0, (busy - FREE) / (1 - FREE)))


class Pace:
    """How busy this process is."""

    def __init__(self) -> None:
        self._wall_s, self._cpu_s = time.monotonic(), time.process_time()
        self._busy = 0.0

    def wait_s(self) -> float:
        """How long a batch waits now."""
        wall_s, cpu_s = time.monotonic(), time.process_time()
        if wall_s - self._wall_s >= WINDOW_S:
            self._busy = (cpu_s - self._cpu_s) / (wall_s - self._wall_s)
            self._wall_s, self._cpu_s = wall_s, cpu_s
        return wait_s(self._busy)
