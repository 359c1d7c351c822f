"""A tiers service of its own for every test that asks for one."""

from collections.abc import AsyncIterator
from datetime import date

import pytest

from tests.support.suite import Suite, start_suite
from tests.tiers.builders import Feeds, at, ladder_document, programme


@pytest.fixture
async def suite() -> AsyncIterator[Suite]:
    """Tiers with one ladder, on the first of January 2026."""
    async with start_suite("tiers", clock_start=at(date(2026, 1, 1), 0)) as started:
        await started.publish("tiers", programme(), ladder_document())
        yield started


@pytest.fixture
def feeds(suite: Suite) -> Feeds:
    """The feeds that the suite's tiers follows."""
    return Feeds(suite)
