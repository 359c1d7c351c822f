"""The proof of the entries: their table, read beside the journal."""

from collections.abc import Sequence
from typing import Any

from services.points.ledger.event_rows import Row
from services.points.ledger.proof import Proof
from services.points.ledger.queries import CHUNK
from services.points.ledger.replay import Replayed, Wallet
from services.points.seals.line import EntriesDigest

_PLACE, _KEY = 2, 3
"""An entry's first columns: position and ordinal, and the member that makes them the key of the table."""


class EntriesTable:
    """The table of entries, read beside the journal in the same order."""

    def __init__(self, proof: Proof, rows: Any) -> None:
        """`rows` is a cursor."""
        self._proof = proof
        self._rows = rows
        self._read: list[Any] = []
        """What is read of the table and lies behind what was checked."""

    async def check_sealed(self) -> None:
        """Entries up to the newest seal are as they were sealed: their digests say so, seal by seal."""
        for seal in self._proof.line.seals:
            digest = EntriesDigest()
            while rows := self._read or await self._rows.fetch(CHUNK):
                sealed = [row for row in rows if row[0] <= seal.position]
                digest.add(sealed)
                self._read = rows[len(sealed) :]
                if self._read:
                    break
            self._proof.line.check_entries(seal, digest)

    async def check(self, entries: Sequence[Row], replayed: Replayed) -> None:
        """The table says of entries what the journal says, and each balance follows from the one before."""
        if not entries:
            return
        self._proof.entries += len(entries)
        self._proof.line.add(entries)
        self._add_up(entries, replayed.sums)
        if len(entries) > len(self._read):
            self._read += await self._rows.fetch(len(entries) - len(self._read))
        if self._read[: len(entries)] == entries:
            del self._read[: len(entries)]
        else:
            await self._find_differences(entries)

    async def check_rest(self) -> None:
        """Nothing is left in the table that the journal does not know."""
        while rows := self._read or await self._rows.fetch(CHUNK):
            for row in rows:
                self._unknown(row)
            self._read = []

    def _add_up(self, entries: Sequence[Row], sums: dict[Wallet, int]) -> None:
        for position, ordinal, member_id, _, unit, _, amount, balance_after, *_ in entries:
            key = (member_id, unit)
            sums[key] = total = sums.get(key, 0) + amount
            if total != balance_after:
                self._proof.find(f"entry {position}.{ordinal}: the balance after it does not follow")

    async def _find_differences(self, entries: Sequence[Row]) -> None:
        end = entries[-1][:_PLACE]
        while self._read and self._read[-1][:_PLACE] <= end and (more := await self._rows.fetch(CHUNK)):
            self._read += more
        rows = {row[:_KEY]: row for row in self._read if row[:_PLACE] <= end}
        self._read = [row for row in self._read if row[:_PLACE] > end]
        for entry in entries:
            if rows.pop(entry[:_KEY], None) != entry:
                self._proof.find(f"entry {entry[0]}.{entry[1]}: the table does not say what the journal says")
        for row in rows.values():
            self._unknown(row)

    def _unknown(self, row: Any) -> None:
        self._proof.find(f"entry {row[0]}.{row[1]}: the journal does not know it")
