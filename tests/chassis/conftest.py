"""Fixtures of the chassis' tests."""

import pytest

from services.chassis.progress import Progress
from tests.chassis.patience import until


class Waits:
    """Who waits for positions in this process: readers of feeds, and calls with `at_least`."""

    def __init__(self) -> None:
        self.begun = 0

    async def until(self, begun: int) -> None:
        """Until so many waits have begun."""
        await until(lambda: self.begun >= begun)


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> Waits:
    """Counts waits as they begin."""
    counted = Waits()
    look_out = Progress._look_out

    def count(progress: Progress[object]) -> None:
        counted.begun += 1
        look_out(progress)

    monkeypatch.setattr(Progress, "_look_out", count)
    return counted
