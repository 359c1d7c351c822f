"""Members who live one after the other in one shop, by chance, and by the same chance again the same."""

import asyncio
from zoneinfo import ZoneInfo

from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.points import builders
from tests.points.model.activities import Activities
from tests.points.model.giving import Giving
from tests.points.model.life import Done
from tests.points.model.pooling import Pooling
from tests.points.model.promises import SHANGHAI
from tests.points.model.spending import Spending
from tests.points.terms import DOCUMENTS, OF_THE_MODEL

NEW_YORK = ZoneInfo("America/New_York")
OPENING = {SHANGHAI: "2026-01-20 12:00", NEW_YORK: "2026-02-20 12:00"}
"""In New York the clocks change soon after."""
ONE = settings(
    max_examples=1,
    deadline=None,
    database=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)
"""Each life is a run of its own: what one does cannot follow from another's, since time passes in between."""


class WholeLife(Spending, Pooling, Activities, Giving):
    """All that a member can do."""


def live(lives: int, steps: int, zone: ZoneInfo = SHANGHAI, chance: int = 0, look_every: int = 1) -> int:
    """Let so many members live in a new shop, one after the other, and prove its ledger. Returns how many operations
    that were."""

    class Lives(WholeLife):
        pass

    with asyncio.Runner() as runner:
        opened = builders.open_shop(*DOCUMENTS, *OF_THE_MODEL, at=OPENING[zone], zone=zone.key)
        Lives.shop, Lives.run = runner.run(opened.__aenter__()), staticmethod(runner.get_loop().run_until_complete)
        Lives.zone, Lives.done, Lives.look_every = zone, Done(), look_every
        try:
            for number in range(lives):
                one = seed(chance * lives + number)(Lives)
                run_state_machine_as_test(one, settings=settings(ONE, stateful_step_count=steps))
            assert runner.run(Lives.shop.findings()) == []
        finally:
            runner.run(opened.__aexit__(None, None, None))
        return Lives.done.operations
