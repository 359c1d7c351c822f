"""Archiving the journal of points: each part that lies between two seals becomes a file, and then leaves the database.

A file is a row of length-delimited protobuf messages (a varint with the length before each): the seal before, which is
empty for the first; the seal at its end; then every `tessera.events.v1.Record` after the one up to the other. So it
proves itself: the chain begins with the hash of the first seal and ends with that of the second.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from typing import BinaryIO, TypeVar, cast

from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import DecodeError, Message
from google.protobuf.proto import parse_length_prefixed, serialize_length_prefixed

from tessera.client import Client
from tessera.complaints import Complaint
from tessera.events.v1 import event_feed_pb2, journal_pb2
from tessera.points.v1 import seal_pb2

SERVICE = "points"
RECORDS_A_READ = 1000
SEALS_A_READ = 1000
SETTLE_S = 2.0
"""A follower may say that it has passed over records before its database knows; this is long enough for it to know."""
TRIM_TIMEOUT_S = 50.0
"""A hundred thousand rows are removed in a second or two; services cut deadlines to a minute."""
POSITION_BYTES = 8
NANOS_A_MICROSECOND = 1000
_SINCE_2000_US = 946_684_800_000_000
SUFFIX = ".journal"

Told = Callable[[str], None]
Some = TypeVar("Some", bound=Message)


class ArchiveDamaged(Complaint):
    """A file of the archive is not what was sealed; the text says which and why."""


@dataclass(frozen=True, slots=True)
class Archived:
    """A part of the journal that is in a file and no longer in the database."""

    partition: int
    first: int
    last: int
    path: Path


async def archive_journal(client: Client, folder: Path, tell: Told = lambda text: None) -> list[Archived]:
    """Archive what is sealed and what every follower has read, and remove it from the database.

    Nothing is removed before its file is on the disk, read again and found whole. It can break off anywhere and be
    called again: a whole file is kept, a half one is written anew. Raises ArchiveDamaged.
    """
    readable = await _read_by_all(client)
    await asyncio.sleep(SETTLE_S)
    archived = []
    for partition, position in sorted(readable.items()):
        before = seal_pb2.Seal()
        async for seal in _seals(client, partition):
            if not seal.archived:
                if seal.position > position:
                    tell(f"partition {partition}: {seal.position} is sealed, followers have read up to {position}")
                    break
                path = path_of(folder, seal)
                await _save(client, path, before, seal)
                request = seal_pb2.TrimLedgerRequest(
                    partition=partition, position=seal.position, chain_hash=seal.chain_hash
                )
                await client.points.TrimLedger(request, timeout=TRIM_TIMEOUT_S)
                archived.append(Archived(partition, seal.previous_position + 1, seal.position, path))
                tell(f"partition {partition}: {seal.previous_position + 1} to {seal.position}")
            before = seal
    return archived


async def _read_by_all(client: Client) -> dict[int, int]:
    """Of each partition, how far everybody who follows points has read it."""
    answers = [
        await client.feed(service).GetPositions(event_feed_pb2.GetPositionsRequest()) for service in client.services
    ]
    reached = {
        head.partition: head.position for answer in answers if answer.service == SERVICE for head in answer.heads
    }
    for answer in answers:
        for followed in answer.followed:
            if followed.service == SERVICE:
                read = {cursor.partition: cursor.position for cursor in followed.cursors}
                reached = {partition: min(position, read.get(partition, 0)) for partition, position in reached.items()}
    return {partition: position for partition, position in reached.items() if partition >= 0}


async def _seals(client: Client, partition: int) -> AsyncIterator[seal_pb2.Seal]:
    after = 0
    while True:
        request = seal_pb2.ListSealsRequest(partition=partition, after_position=after, max_seals=SEALS_A_READ)
        seals = (await client.points.ListSeals(request)).seals
        for seal in seals:
            yield seal
        if len(seals) < SEALS_A_READ:
            return
        after = seals[-1].position


def path_of(folder: Path, seal: seal_pb2.Seal) -> Path:
    """Where the part of the journal before a seal is, so that names sort as positions do."""
    return folder / SERVICE / f"{seal.partition:05}" / f"{seal.previous_position + 1:015}-{seal.position:015}{SUFFIX}"


async def _save(client: Client, path: Path, before: seal_pb2.Seal, seal: seal_pb2.Seal) -> None:
    """Write a part of the journal to its file, unless it is there: first beside it, and in place when it is whole."""
    if await asyncio.to_thread(path.exists):
        await asyncio.to_thread(_check_seal, path, seal)
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    half = path.with_suffix(".part")
    with half.open("wb") as file:
        _write(before, file)
        _write(seal, file)
        async for record in _records(client, seal):
            _write(record, file)
        file.flush()
        await asyncio.to_thread(os.fsync, file.fileno())
    await asyncio.to_thread(_check_seal, half, seal)
    half.replace(path)
    directory = os.open(path.parent, os.O_RDONLY)
    try:
        await asyncio.to_thread(os.fsync, directory)
    finally:
        os.close(directory)


async def _records(client: Client, seal: seal_pb2.Seal) -> AsyncIterator[event_feed_pb2.Record]:
    feed, reached = client.feed(SERVICE), seal.previous_position
    while reached < seal.position:
        cursor = event_feed_pb2.Cursor(partition=seal.partition, position=reached)
        limit = min(RECORDS_A_READ, seal.position - reached)
        answer = await feed.Read(event_feed_pb2.ReadRequest(cursors=[cursor], max_records=limit, wait=Duration()))
        if not answer.records:
            raise ArchiveDamaged(f"partition {seal.partition}: the journal ends at {reached}, before its seal")
        for record in answer.records:
            yield record
        reached = answer.records[-1].position


def _check_seal(path: Path, seal: seal_pb2.Seal) -> None:
    """A file is whole, and the one that ends with this seal."""
    found = check_file(path)
    if (found.position, found.chain_hash) != (seal.position, seal.chain_hash):
        raise ArchiveDamaged(f"{path}: ends with another seal than that of position {seal.position}")


def check_file(path: Path) -> seal_pb2.Seal:
    """Prove a file of the archive by itself; returns the seal at its end. Raises ArchiveDamaged."""
    with path.open("rb") as file:
        before, seal = _seal_in(path, file), _seal_in(path, file)
        if seal.previous_position != before.position or seal_hash_of(seal, before.seal_hash) != seal.seal_hash:
            raise ArchiveDamaged(f"{path}: its two seals do not follow each other")
        position, chain_hash = before.position, before.chain_hash
        for record in _records_in(path, file):
            position += 1
            number = position.to_bytes(POSITION_BYTES, "big")
            chain_hash = sha256(chain_hash + number + record.payload).digest()
            is_next = (record.partition, record.position, record.chain_hash) == (seal.partition, position, chain_hash)
            if not is_next or not _recorded_when_it_says(record):
                raise ArchiveDamaged(f"{path}: the record of position {position} does not fit to the one before")
    if (position, chain_hash) != (seal.position, seal.chain_hash):
        raise ArchiveDamaged(f"{path}: ends at {position}, before its seal")
    return seal


def seal_hash_of(seal: seal_pb2.Seal, previous_hash: bytes) -> bytes:
    """The hash that a seal must have, as its contract says; none where its time is no whole number of microseconds."""
    sealed_at_us, rest = divmod(seal.sealed_at.ToNanoseconds(), NANOS_A_MICROSECOND)
    if rest:
        return b""
    numbers = (seal.position, seal.previous_position, seal.entries, sealed_at_us - _SINCE_2000_US)
    position, previous_position, entries, sealed_at = (
        value.to_bytes(POSITION_BYTES, "big", signed=True) for value in numbers
    )
    digests = (seal.chain_hash + entries, seal.entries_digest, seal.state_digest)
    return sha256(previous_hash + position + previous_position + b"".join(digests) + sealed_at).digest()


def _recorded_when_it_says(record: event_feed_pb2.Record) -> bool:
    """The payload is in the chain, and says when it was recorded."""
    recorded_at_us = journal_pb2.Journal.FromString(record.payload).recorded_at_us
    return record.recorded_at.ToNanoseconds() == recorded_at_us * NANOS_A_MICROSECOND


def _seal_in(path: Path, file: BinaryIO) -> seal_pb2.Seal:
    seal = _next(seal_pb2.Seal, path, file)
    if seal is None:
        raise ArchiveDamaged(f"{path}: ends before its seals")
    return seal


def _records_in(path: Path, file: BinaryIO) -> Iterator[event_feed_pb2.Record]:
    while (record := _next(event_feed_pb2.Record, path, file)) is not None:
        yield record


def _next(kind: type[Some], path: Path, file: BinaryIO) -> Some | None:
    """The next message of a file; None at its end. Any stream that is buffered will do, whatever protobuf says."""
    try:
        return cast("Some | None", parse_length_prefixed(kind, cast("BytesIO", file)))
    except (DecodeError, EOFError, ValueError) as error:
        raise ArchiveDamaged(f"{path}: cannot be read: {error}") from None


def _write(message: Message, file: BinaryIO) -> None:
    serialize_length_prefixed(message, cast("BytesIO", file))


def read_archive(folder: Path) -> dict[int, seal_pb2.Seal]:
    """Prove all files of an archive; returns the seal at the end of each partition. Raises ArchiveDamaged."""
    newest: dict[int, seal_pb2.Seal] = {}
    for path in sorted(folder.glob(f"{SERVICE}/*/*{SUFFIX}")):
        seal = check_file(path)
        before = newest.get(seal.partition, seal_pb2.Seal())
        if seal.previous_position != before.position or seal_hash_of(seal, before.seal_hash) != seal.seal_hash:
            raise ArchiveDamaged(f"{path}: does not follow the file before it")
        newest[seal.partition] = seal
    return newest
