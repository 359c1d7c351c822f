"""Any operations in any order, over month ends, expiries and changes of the clocks, with and without jobs and restarts.

The service and the model say the same of everything: now, later and of the past. Bulk calls are split, too; that any
split of commands into batches gives the same tables is proved in `test_batches.py`, with time fixed.
"""

import asyncio
import random
import sys
from zoneinfo import ZoneInfo

import pytest

from tests.points.model.lives import NEW_YORK, live
from tests.points.model.promises import SHANGHAI

OPERATIONS = 100_000
PROCESSES = 2
APART = 1 << 16
"""How far apart the seeds of two processes begin."""


@pytest.mark.parametrize("zone", [SHANGHAI, NEW_YORK], ids=lambda zone: zone.key)
def test_the_service_and_the_model_say_the_same(zone: ZoneInfo) -> None:
    live(8, 40, zone)


@pytest.mark.reliability
async def test_they_say_the_same_of_a_hundred_thousand_operations() -> None:
    """What fails tells its seed: `python -m tests.points.model SEED` lives those lives again."""
    first = random.randrange(1 << 31)
    told = await asyncio.gather(*(lives(first + APART * number) for number in range(PROCESSES)))
    assert [code for code, _ in told] == [0] * PROCESSES, "\n".join(text for code, text in told if code)


async def lives(seed: int) -> tuple[int, str]:
    """A process that lives its share; returns its exit code, and the end of what it said."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.points.model", str(seed), str(OPERATIONS // PROCESSES)),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        output, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
    lines = [line for line in output.decode().splitlines() if "[warning" not in line]
    seeds = [line for line in lines if line.startswith("seed ")]
    return process.returncode or 0, "\n".join([*seeds[-1:], *lines[-400:]])
