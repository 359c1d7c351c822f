"""One suite for all tests that only look at it or write what nobody else reads."""

from collections.abc import Iterator

import pytest

from tests.cli.command import SERVING, Up, started


@pytest.fixture(scope="session")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    """A suite with a virtual clock that begins with 2017."""
    clock = ("--clock", "virtual", "--virtual-clock-start", "2017-01-01T00:00:00Z")
    with started(tmp_path_factory.mktemp("suite"), *clock) as suite:
        suite.read_until(SERVING)
        yield suite
