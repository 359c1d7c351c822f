"""The line of a partition's seals, as a proof follows it beside the journal."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from hashlib import sha256

import asyncpg
from google.protobuf.message import DecodeError

from services.points.ledger.event_rows import Row
from services.points.ledger.replay import Replayed
from services.points.seals import queries, state
from services.points.seals.chain import Seal, hash_of


class EntriesDigest:
    """How many entries there are between two seals, and a digest over them in order."""

    def __init__(self) -> None:
        self.count = 0
        self._digest = sha256()

    def add(self, entries: Sequence[Row]) -> None:
        """Entries as ledger/queries.py reads them."""
        self.count += len(entries)
        self._digest.update("".join([f"{tuple(entry)!a}\n" for entry in entries]).encode())

    def value(self) -> bytes:
        """The digest so far."""
        return self._digest.digest()


class SealLine:
    """The seals of a partition, and how a proof meets them."""

    def __init__(self, seals: Sequence[Seal], parts: Sequence[bytes], find: Callable[[str], None]) -> None:
        """`parts` are the state of the newest seal; `find` notes what does not hold."""
        self.seals = seals
        self._parts = parts
        self._find = find
        self._met = 0
        """How many seals lie behind."""
        self._entries = EntriesDigest()
        self.digest_last = True
        """Whether entries after the newest seal are digested too, because they will be sealed."""

    @property
    def newest(self) -> Seal | None:
        """The newest seal."""
        return self.seals[-1] if self.seals else None

    @property
    def archived_to(self) -> int:
        """The position up to which seals say that the journal is archived."""
        return max((seal.position for seal in self.seals if seal.archived), default=0)

    def restored(self) -> Replayed | None:
        """The state of the newest seal, behind which the proof now is; None when it cannot be read."""
        try:
            replayed = state.restored(self._parts)
        except (AttributeError, DecodeError, KeyError, TypeError):
            return None
        self._met = len(self.seals)
        return replayed

    def is_sealed(self, position: int) -> bool:
        """Whether the next seal is at this position."""
        return self._met < len(self.seals) and self.seals[self._met].position == position

    def add(self, entries: Sequence[Row]) -> None:
        """Entries that the journal tells, in order and none of them behind a seal that was not met yet."""
        if self.digest_last or self._met < len(self.seals):
            self._entries.add(entries)

    def meet(self, chain_hash: bytes, replayed: Replayed, kept_since: int) -> None:
        """The proof has reached the next seal: the journal up to here tells what the seal says."""
        seal = self.seals[self._met]
        self._met += 1
        self.check_entries(seal, self._entries)
        self._entries = EntriesDigest()
        if seal.chain_hash != chain_hash:
            self._find(f"the seal at {seal.position} has another chain hash than the journal")
        if self._met == len(self.seals):
            self._check_state(replayed, kept_since)

    def check_all_met(self) -> None:
        """The journal has ended."""
        for seal in self.seals[self._met :]:
            self._find(f"the seal at {seal.position} is of no position of the journal")

    def check_entries(self, seal: Seal, entries: EntriesDigest) -> None:
        """These are the entries that a seal was put on."""
        if (seal.entries, seal.entries_digest) != (entries.count, entries.value()):
            self._find(f"entries {seal.previous_position + 1} to {seal.position}: are not as they were sealed")

    def _check_state(self, replayed: Replayed, kept_since: int) -> None:
        try:
            sealed = state.restored(self._parts)
        except (AttributeError, DecodeError, KeyError, TypeError):
            return  # what is kept of it is known not to be what was sealed
        sealed.kept = {digest: day for digest, day in sealed.kept.items() if day >= kept_since}
        for table in state.differences(sealed, replayed):
            self._find(f"the newest seal keeps other {table} than the journal tells")

    def next_seal(self, position: int, chain_hash: bytes, sealed_at: int, parts: Sequence[bytes]) -> Seal:
        """The seal of what is proved now."""
        before = self.newest
        seal = Seal(
            position,
            before.position if before is not None else 0,
            chain_hash,
            self._entries.count,
            self._entries.value(),
            state.digest_of_parts(parts),
            sealed_at,
        )
        return replace(seal, seal_hash=hash_of(seal, before.seal_hash if before is not None else b""))


async def read_line(connection: asyncpg.Connection, partition: int, find: Callable[[str], None]) -> SealLine:
    """The seals of a partition, proved as far as they speak of themselves; on a connection that reads raw."""
    seals = [Seal(*row) for row in await queries.seals(connection, partition)]
    parts = await queries.parts(connection, partition)
    line = SealLine(seals, [part["payload"] for part in parts], find)
    _check_chain(seals, find)
    places = [(part["position"], part["ordinal"]) for part in parts]
    newest = line.newest
    if newest is None:
        if parts:
            find("a state is kept of a seal that is not there")
    elif places != [(newest.position, number) for number in range(len(parts))] or newest.state_digest != (
        state.digest_of_parts(part["payload"] for part in parts)
    ):
        find(f"the state kept of the seal at {newest.position} is not the one that was sealed")
    return line


def _check_chain(seals: Sequence[Seal], find: Callable[[str], None]) -> None:
    previous_position, previous_hash, was_archived = 0, b"", True
    for seal in seals:
        if seal.previous_position != previous_position or hash_of(seal, previous_hash) != seal.seal_hash:
            find(f"the seal at {seal.position} does not fit to the one before it")
        if seal.archived and not was_archived:
            find(f"the seal at {seal.position} says that the journal is archived, the one before it does not")
        previous_position, previous_hash, was_archived = seal.position, seal.seal_hash, seal.archived
