"""Sending rows in bulk calls, several in flight: what a row says is in the file, what is to be done in the state."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

from tessera.client import Client
from tessera.imports.refusals import Refusal
from tessera.imports.rows import Row, read_row
from tessera.imports.sources import Cells, Source
from tessera.imports.state import Fate, PlannedRow, State
from tessera.replay.bulk import ITEMS_A_CALL, settle

IN_FLIGHT = 4
"""Calls at the same time: enough to keep two cores busy, and what a service is never short of."""

Told = Callable[[int], None]


class Item(NamedTuple):
    """A row that is sent."""

    planned: PlannedRow
    row: Row


@dataclass(frozen=True, slots=True)
class Calls:
    """Where rows come from and go to."""

    client: Client
    source: Source
    state: State

    async def send(
        self, fates: Collection[Fate], method: str, requests: Callable[[list[Item]], Any], note: "Note", tell: Told
    ) -> None:
        """Sends all rows of these fates by a bulk method, and notes what became of each call in one transaction."""
        if not self.state.count(fates):
            return
        bulk = self.client.method("identity", method)
        batches = self._batches(fates)

        async def keep_sending() -> None:
            for items in batches:
                found = await settle(bulk, requests(items)) if items else []
                with self.state.changing():
                    note(self.state, items, found)
                tell(len(items))

        await _all(*(keep_sending() for _ in range(IN_FLIGHT)))

    def _batches(self, fates: Collection[Fate]) -> Iterator[list[Item]]:
        """The rows with what the file says of them; both come in the order of their numbers."""
        rows = enumerate(self.source.rows(), 1)
        domains, after = self.state.domains(), 0
        while planned := self.state.waiting(fates, after, ITEMS_A_CALL):
            after = planned[-1].number
            yield [self._item(wanted, rows, domains) for wanted in planned]

    def _item(self, planned: PlannedRow, rows: "Iterator[tuple[int, Cells]]", domains: Collection[str]) -> Item:
        cells = next(cells for number, cells in rows if number == planned.number)
        row = read_row(cells, self.source.columns, domains)
        assert not isinstance(row, Refusal), "what was staged is accepted again"
        return Item(planned, row)


Note = Callable[[State, list[Item], list[Any]], None]


async def _all(*workers: Awaitable[None]) -> None:
    """Waits for all; when one fails, the others are ended before that is told."""
    tasks = [asyncio.ensure_future(worker) for worker in workers]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
