"""Any operations in any order, over month ends, expiries and changes of the clocks, with and without jobs and restarts.

The service and the model say the same of everything: now, later and of the past. Operations go one by one, in bulk
calls that are split anywhere, and several at once; that any split of commands into batches gives the same tables is
proved in `test_batches.py`, with time fixed.
"""

import ast
import asyncio
import random
import sys
from collections import Counter
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from tests.points.good_requests import mutations
from tests.points.model.lives import NEW_YORK, WholeLife, live
from tests.points.model.promises import SHANGHAI

OPERATIONS = 100_000
PROCESSES = 2
APART = 1 << 16
"""How far apart the seeds of two processes begin."""
SEEDS = {SHANGHAI: 0, NEW_YORK: 1}
MODEL = Path(__file__).with_name("model")


@pytest.mark.parametrize(
    "zone", [pytest.param(SHANGHAI, marks=pytest.mark.reliability), NEW_YORK], ids=lambda zone: zone.key
)
def test_the_service_and_the_model_say_the_same(zone: ZoneInfo) -> None:
    print(f"seed {SEEDS[zone]}")
    assert live(8, 40, zone, SEEDS[zone]).operations > 500


def test_every_method_that_changes_something_has_a_rule_and_its_bulk_form() -> None:
    """One that is new needs a rule in `tests/points/model`."""
    told = [call for path in MODEL.glob("*.py") for call in ast.walk(ast.parse(path.read_text()))]
    names = {part.value for part in told if isinstance(part, ast.Constant)}
    in_bulk = {call.args[0].value for call in told if isinstance(call, ast.Call) and is_in_bulk(call)}
    assert [one.name for one in mutations() if one.name not in names] == []
    assert [one.name for one in mutations() if one.bulk and one.name not in in_bulk] == []


def is_in_bulk(call: ast.Call) -> bool:
    """Whether requests are told as chance has it: one by one, or in bulk calls."""
    told_by = call.func.attr if isinstance(call.func, ast.Attribute) else ""
    return told_by in ("each", "in_wallets") and isinstance(call.args[0], ast.Constant)


def test_no_noun_of_the_model_hides_what_another_has() -> None:
    nouns = [noun for noun in WholeLife.__mro__ if noun.__module__.startswith("tests.points.model")]
    names = Counter(name for noun in nouns for name in vars(noun) if not name.startswith("__"))
    assert {name for name, times in names.items() if times > 1} == {"get_ready"}


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
