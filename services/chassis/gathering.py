"""Reads that wait are read together: the reading side of what lanes are for writes.

A read of one key that arrives while nothing is being read starts at once; those that arrive meanwhile go together in
the next query. So a busy process asks for many keys at a time, an idle one loses nothing, and there are no timers.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

MAX_KEYS = 1000
"""Keys of one query: as many as a bulk call has."""

Key = TypeVar("Key")
Found = TypeVar("Found")


class Gathered(Generic[Key, Found]):
    """Looks keys up, many at a time."""

    def __init__(self, find: Callable[[Sequence[Key]], Awaitable[Sequence[Found]]]) -> None:
        """`find` answers keys in their order, each with what it found."""
        self._find = find
        self._waiting: list[tuple[Key, asyncio.Future[Found]]] = []
        self._task: asyncio.Task[None] | None = None

    async def get(self, key: Key) -> Found:
        """What is found by a query that began after this call, so that it sees everything committed before."""
        future: asyncio.Future[Found] = asyncio.get_running_loop().create_future()
        self._waiting.append((key, future))
        if self._task is None:
            self._task = asyncio.create_task(self._read(), name="gathered-read")
        return await future

    async def _read(self) -> None:
        """Ask query after query until nobody waits."""
        try:
            while self._waiting:
                batch, self._waiting = self._waiting[:MAX_KEYS], self._waiting[MAX_KEYS:]
                await self._answer(batch)
        finally:
            self._task = None

    async def _answer(self, batch: Sequence[tuple[Key, asyncio.Future[Found]]]) -> None:
        try:
            found = await self._find([key for key, _ in batch])
        except Exception as error:
            for _, future in batch:
                if not future.done():
                    future.set_exception(error)
            return
        for (_, future), answer in zip(batch, found, strict=True):
            if not future.done():
                future.set_result(answer)
