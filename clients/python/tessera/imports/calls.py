"""Sending rows in bulk calls, several in flight: what a row says is in the file, what is to be done in the state."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeVar

from tessera.client import Client
from tessera.imports.hashes import of_identifier, of_row
from tessera.imports.rows import Identifier, Row, read_row
from tessera.imports.sources import Source
from tessera.imports.state import Fate, PlannedIdentifier, PlannedRow, State
from tessera.replay.bulk import ITEMS_A_CALL, settle

IN_FLIGHT = 4
"""Calls at the same time: enough to keep two cores busy, and what a service is never short of."""

Told = Callable[[int], None]
Sent = TypeVar("Sent")


class Item(NamedTuple):
    """A row that is sent."""

    planned: PlannedRow
    row: Row


class IdentifierItem(NamedTuple):
    """An identifier that is sent."""

    planned: PlannedIdentifier
    identifier: Identifier


@dataclass(frozen=True, slots=True)
class Calls:
    """Where rows come from and go to."""

    client: Client
    source: Source
    state: State

    async def send(
        self,
        fates: Collection[Fate],
        method: str,
        requests: Callable[[list[Item]], Any],
        note: "Note[Item]",
        tell: Told,
    ) -> None:
        """Sends all rows of these fates by a bulk method, and notes what became of each call in one transaction."""
        if self.state.count(fates):
            await self._send(self._batches(fates), method, requests, note, tell)

    async def send_identifiers(
        self, requests: Callable[[list[IdentifierItem]], Any], note: "Note[IdentifierItem]", tell: Told
    ) -> None:
        """Sends the identifiers that wait, of rows that arrived."""
        if self.state.count_waiting_identifiers():
            await self._send(self._identifier_batches(), "BulkAddIdentifiers", requests, note, tell)

    async def _send(
        self,
        batches: Iterator[list[Sent]],
        method: str,
        requests: Callable[[list[Sent]], Any],
        note: "Note[Sent]",
        tell: Told,
    ) -> None:
        bulk = self.client.method("identity", method)

        async def keep_sending() -> None:
            for items in batches:
                found = await settle(bulk, requests(items)) if items else []
                with self.state.changing():
                    note(self.state, items, found)
                tell(len(items))

        await _all(*(keep_sending() for _ in range(IN_FLIGHT)))

    def _batches(self, fates: Collection[Fate]) -> Iterator[list[Item]]:
        """The rows with what the file says of them; both come in the order of their numbers."""
        row_of, after = self._reader(), 0
        while planned := self.state.waiting(fates, after, ITEMS_A_CALL):
            after = planned[-1].number
            yield [self._item(wanted, row_of(wanted.number)) for wanted in planned]

    def _item(self, wanted: PlannedRow, row: Row) -> Item:
        if of_row(row, self.source.key).content != wanted.content:
            raise self.source.changed()
        return Item(wanted, row)

    def _identifier_batches(self) -> Iterator[list[IdentifierItem]]:
        row_of, after = self._reader(), (0, "")
        while planned := self.state.waiting_identifiers(after, ITEMS_A_CALL):
            after = (planned[-1].number, planned[-1].type)
            yield [self._identifier_item(wanted, row_of(wanted.number)) for wanted in planned]

    def _identifier_item(self, wanted: PlannedIdentifier, row: Row) -> IdentifierItem:
        identifier = next((one for one in row.identifiers if one.type == wanted.type), None)
        if identifier is None or of_identifier(row, identifier, self.source.key) != wanted.content:
            raise self.source.changed()
        return IdentifierItem(wanted, identifier)

    def _reader(self) -> Callable[[int], Row]:
        """What gives the row of a number, each time of the same or a later one."""
        rows = enumerate(self.source.rows(), 1)
        domains = self.state.domains()
        reached: tuple[int, Row | None] = (0, None)

        def row_of(wanted: int) -> Row:
            nonlocal reached
            number, row = reached
            if number != wanted or row is None:
                cells = next((cells for number, cells in rows if number == wanted), None)
                found = None if cells is None else read_row(cells, self.source.columns, domains)
                if not isinstance(found, Row):
                    raise self.source.changed()
                reached = (wanted, row := found)
            return row

        return row_of


Note = Callable[[State, list[Sent], list[Any]], None]
"""Notes what became of what was sent, in a transaction."""


async def _all(*workers: Awaitable[None]) -> None:
    """Waits for all; when one fails, the others are ended before that is told."""
    tasks = [asyncio.ensure_future(worker) for worker in workers]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
