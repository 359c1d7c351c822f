"""Members who live one after the other in one shop, by chance, and by the same chance again the same."""

import asyncio
import sys
from contextlib import AsyncExitStack
from zoneinfo import ZoneInfo

from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.errors import HypothesisException
from hypothesis.stateful import run_state_machine_as_test

from tests.points import builders
from tests.points.model.budgets import undrawn
from tests.points.model.converting import Converting
from tests.points.model.correcting import Correcting
from tests.points.model.life import Done
from tests.points.model.parking import Parking
from tests.points.model.pooling import Pooling
from tests.points.model.promises import SHANGHAI
from tests.points.model.racing import Racing
from tests.points.terms import DOCUMENTS, OF_THE_MODEL
from tests.support.exchange_partner import asked_by_nobody_else, open_partner

NEW_YORK = ZoneInfo("America/New_York")
OPENING = {SHANGHAI: "2026-01-20 12:00", NEW_YORK: "2026-02-20 12:00"}
"""In New York the clocks change soon after."""
PARTNER_MS = 500
"""What a partner has for an answer: longer than one takes on a busy machine."""
ONE = settings(
    max_examples=1,
    deadline=None,
    database=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)
"""Each life is a run of its own: what one does cannot follow from another's, since time passes in between."""


class WholeLife(Racing, Pooling, Parking, Correcting, Converting):
    """All that a member can do."""


def live(lives: int, steps: int, zone: ZoneInfo = SHANGHAI, chance: int = 0, look_every: int = 1) -> Done:
    """Let so many members live in a new shop, one after the other, and prove its ledger. Returns what that were."""

    class Lives(WholeLife):
        def teardown(self) -> None:
            """Note what a life ended with: lived again, as Hypothesis does, it would be another one."""
            error = sys.exc_info()[1]
            if isinstance(error, Exception) and not isinstance(error, HypothesisException):
                failures.append(error)

    failures: list[Exception] = []

    with asked_by_nobody_else(), asyncio.Runner() as runner:
        opened = AsyncExitStack()
        Lives.run = staticmethod(runner.get_loop().run_until_complete)
        try:
            Lives.partner, address = runner.run(opened.enter_async_context(open_partner()))
            documents = [*DOCUMENTS, *OF_THE_MODEL, builders.partner(address=address, timeout_ms=PARTNER_MS)]
            shop = builders.open_shop(*documents, at=OPENING[zone], zone=zone.key)
            Lives.shop = runner.run(opened.enter_async_context(shop))
            Lives.budgets, Lives.zone, Lives.done, Lives.look_every = undrawn(), zone, Done(), look_every
            for number in range(lives):
                one = seed(chance * lives + number)(Lives)
                try:
                    run_state_machine_as_test(one, settings=settings(ONE, stateful_step_count=steps))
                except Exception as error:
                    failed = failures[0] if failures else error
                    failed.add_note(f"in life {number} of seed {chance}")
                    raise failed from None
            assert runner.run(Lives.shop.findings()) == []
        finally:
            runner.run(opened.aclose())
        return Lives.done
