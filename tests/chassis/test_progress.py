"""Waiting for positions: nobody sleeps through news, whoever else waits and wherever it comes from."""

import asyncio
import time

import pytest

from services.chassis import progress as progress_module
from services.chassis.progress import Progress
from tests.chassis.patience import until

SOON_S = 5.0


def soon() -> float:
    return time.monotonic() + SOON_S


class Place:
    """A database in which positions appear."""

    def __init__(self) -> None:
        self.positions: dict[str, int] = {}
        self.looks = 0
        self.failing = False

    async def look(self) -> dict[str, int]:
        self.looks += 1
        if self.failing:
            raise ConnectionRefusedError
        return self.positions


@pytest.fixture
def place() -> Place:
    return Place()


@pytest.fixture
def progress(place: Place) -> Progress[str]:
    return Progress(place.look)


async def test_what_is_reached_needs_no_waiting(progress: Progress[str], place: Place) -> None:
    progress.advance("a", 3)
    assert await progress.wait_until(lambda: progress.reached("a") >= 3, deadline=0.0)
    assert place.looks == 0


async def test_positions_never_go_back(progress: Progress[str]) -> None:
    progress.advance("a", 3)
    progress.advance("a", 2)
    assert (progress.reached("a"), progress.reached("b")) == (3, 0)


async def test_news_between_two_who_begin_to_wait_reaches_the_first(progress: Progress[str]) -> None:
    async def tell() -> None:
        progress.advance("a", 1)

    first = asyncio.create_task(progress.wait_until(lambda: progress.reached("a") >= 1, soon()))
    asyncio.create_task(tell())  # noqa: RUF006  # it ends at once, between the two
    second = asyncio.create_task(progress.wait_until(lambda: progress.reached("a") >= 2, soon()))
    assert await asyncio.wait_for(first, 1)
    progress.advance("a", 2)
    assert await asyncio.wait_for(second, 1)


async def test_each_of_many_is_woken_by_its_own_position(progress: Progress[str]) -> None:
    waiting = [
        asyncio.create_task(progress.wait_until(lambda wanted=wanted: progress.reached("a") >= wanted, soon()))
        for wanted in range(1, 101)
    ]
    for position in range(1, 101):
        await asyncio.sleep(0)
        progress.advance("a", position)
    assert all(await asyncio.gather(*waiting))


async def test_the_commits_of_others_are_found_by_looking(progress: Progress[str], place: Place) -> None:
    waiting = asyncio.create_task(progress.wait_until(lambda: progress.reached("a") >= 7, soon()))
    await asyncio.sleep(0.01)
    place.positions = {"a": 7}
    assert await waiting
    looks = place.looks
    await asyncio.sleep(3 * progress_module.LOOK_INTERVAL_S)
    assert place.looks == looks, "it looks although nobody waits"


async def test_it_looks_less_often_while_others_commit_nothing(progress: Progress[str], place: Place) -> None:
    waiting = asyncio.create_task(progress.wait_until(lambda: progress.reached("a") >= 9, soon()))
    for interval_s in (0.1, 0.2, 0.2):
        looks = place.looks
        await until(lambda looks=looks: place.looks > looks)
        assert progress._interval_s == pytest.approx(interval_s)
    progress.advance("a", 5)
    place.positions = {"a": 5}
    looks = place.looks
    await until(lambda: place.looks > looks)
    assert progress._interval_s == progress_module.LONGEST_LOOK_INTERVAL_S, "what it did itself is no news"
    place.positions = {"a": 9}
    assert await waiting
    assert progress._interval_s == progress_module.LOOK_INTERVAL_S


async def test_looking_goes_on_after_the_database_was_away(progress: Progress[str], place: Place) -> None:
    place.failing = True
    waiting = asyncio.create_task(progress.wait_until(lambda: progress.reached("a") >= 7, soon()))
    await asyncio.sleep(0.01)
    place.failing, place.positions = False, {"a": 7}
    assert await waiting


async def test_the_deadline_ends_a_wait(progress: Progress[str]) -> None:
    began = time.monotonic()
    assert not await progress.wait_until(lambda: progress.reached("a") >= 1, began + 0.1)
    assert 0.1 <= time.monotonic() - began < SOON_S


async def test_who_is_cancelled_leaves_nothing_behind(progress: Progress[str]) -> None:
    waiting = asyncio.create_task(progress.wait_until(lambda: False, soon()))
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    assert progress._waiting == set()


async def test_closing_lets_everybody_go_and_stops_looking(progress: Progress[str], place: Place) -> None:
    waiting = asyncio.create_task(progress.wait_until(lambda: progress.reached("a") >= 1, soon()))
    await asyncio.sleep(0)
    progress.close()
    assert not await asyncio.wait_for(waiting, 1)
    assert not await progress.wait_until(lambda: False, soon())
    await asyncio.sleep(0)
    assert progress._looking is None
