"""Any operations in any order, over month ends, expiries and changes of the clocks, with and without jobs and restarts.

The service and the model say the same of everything: now, later and of the past. Bulk calls are split, too; that any
split of commands into batches gives the same tables is proved in `test_batches.py`, with time fixed.
"""

import asyncio
import os
import random
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.points import builders
from tests.points.model.activities import Activities
from tests.points.model.giving import Giving
from tests.points.model.life import Done
from tests.points.model.spending import Spending
from tests.points.model.wallet import SHANGHAI
from tests.points.terms import DOCUMENTS, OF_THE_MODEL

NEW_YORK = ZoneInfo("America/New_York")
SEED = "TESSERA_TEST_SEED"
"""Tells the long test which lives to live again."""
OPERATIONS = 100_000


class WholeLife(Spending, Activities, Giving):
    """All that a member can do."""


def live(how: settings, zone: ZoneInfo = SHANGHAI, chance: int = 0, look_every: int = 1) -> int:
    """Let members live in a shop, one after the other; returns how many operations that were."""
    begin = "2026-01-20 12:00" if zone == SHANGHAI else "2026-02-20 12:00"

    class Lives(WholeLife):
        pass

    with asyncio.Runner() as runner:
        opened = builders.open_shop(*DOCUMENTS, *OF_THE_MODEL, at=begin, zone=zone.key)
        Lives.shop, Lives.run = runner.run(opened.__aenter__()), staticmethod(runner.get_loop().run_until_complete)
        Lives.zone, Lives.done, Lives.look_every = zone, Done(), look_every
        try:
            run_state_machine_as_test(seed(chance)(Lives), settings=how)
        finally:
            runner.run(opened.__aexit__(None, None, None))
        return Lives.done.operations


SOME = settings(
    max_examples=8,
    stateful_step_count=45,
    deadline=None,
    database=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)


@pytest.mark.parametrize("zone", [SHANGHAI, NEW_YORK], ids=lambda zone: zone.key)
def test_the_service_and_the_model_say_the_same(zone: ZoneInfo) -> None:
    live(SOME, zone)


@pytest.mark.reliability
def test_they_say_the_same_of_a_hundred_thousand_operations() -> None:
    chance = int(os.environ.get(SEED) or random.randrange(1 << 32))
    print(f"{SEED}={chance} lives these lives again")
    done = 0
    while done < OPERATIONS:
        done += live(settings(SOME, max_examples=60, stateful_step_count=60), look_every=5, chance=chance + done)
    print(f"{done} operations")
