"""Reads that wait are read together."""

import asyncio
from collections.abc import Sequence

import pytest

from services.chassis.gathering import MAX_KEYS, Gathered


class Shelf:
    """Answers keys with their squares, one query at a time, each when it is let go."""

    def __init__(self) -> None:
        self.queries: list[list[int]] = []
        self.is_asked = asyncio.Event()
        self.let_go = asyncio.Event()

    async def find(self, keys: Sequence[int]) -> list[int]:
        self.queries.append(list(keys))
        self.is_asked.set()
        await self.let_go.wait()
        if 13 in keys:
            raise LookupError("thirteen")
        return [key * key for key in keys]


async def waiting_for_one(shelf: Shelf) -> tuple[Gathered[int, int], "asyncio.Task[int]"]:
    gathered: Gathered[int, int] = Gathered(shelf.find)
    first = asyncio.create_task(gathered.get(1))
    await shelf.is_asked.wait()
    return gathered, first


async def test_what_waits_while_a_query_runs_goes_into_the_next_one() -> None:
    shelf = Shelf()
    gathered, first = await waiting_for_one(shelf)
    others = [asyncio.create_task(gathered.get(key)) for key in (2, 3, 2)]
    await asyncio.sleep(0)
    shelf.let_go.set()
    assert await first == 1
    assert await asyncio.gather(*others) == [4, 9, 4]
    assert shelf.queries == [[1], [2, 3, 2]]


async def test_a_query_has_a_bounded_number_of_keys() -> None:
    shelf = Shelf()
    gathered, first = await waiting_for_one(shelf)
    others = [asyncio.create_task(gathered.get(0)) for _ in range(MAX_KEYS + 1)]
    await asyncio.sleep(0)
    shelf.let_go.set()
    await asyncio.gather(first, *others)
    assert [len(keys) for keys in shelf.queries] == [1, MAX_KEYS, 1]


async def test_a_query_that_fails_fails_for_its_own_keys_alone() -> None:
    shelf = Shelf()
    gathered, first = await waiting_for_one(shelf)
    unlucky = [asyncio.create_task(gathered.get(key)) for key in (13, 2)]
    await asyncio.sleep(0)
    shelf.let_go.set()
    assert await first == 1
    for task in unlucky:
        with pytest.raises(LookupError):
            await task
    assert await gathered.get(3) == 9


async def test_who_gives_up_does_not_disturb_the_others() -> None:
    shelf = Shelf()
    gathered, first = await waiting_for_one(shelf)
    other = asyncio.create_task(gathered.get(2))
    await asyncio.sleep(0)
    first.cancel()
    shelf.let_go.set()
    assert await other == 4
