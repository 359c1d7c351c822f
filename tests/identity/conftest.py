"""One running identity service for all tests of a file; they use accounts of their own, so they do not meet."""

from collections.abc import AsyncIterator

import pytest_asyncio

from tests.identity.builders import publish_domains
from tests.support.suite import Suite, start_suite


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def suite() -> AsyncIterator[Suite]:
    """Identity on a fresh database with its domains published."""
    async with start_suite("identity") as started:
        await publish_domains(started)
        yield started
