"""Putting documents in force: all of them or none, in every partition at once."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import asyncpg

from services.chassis import heads, idempotency, journal
from services.chassis.batches import CommitListener
from services.chassis.configurations import Configurations, current_version, first_published, load_documents
from services.chassis.database import WriteConnection
from services.chassis.document_wire import to_message
from services.chassis.documents import Document, DocumentErrors
from services.chassis.errors import FieldViolation, Refused
from services.chassis.idempotency import Request
from services.chassis.partitions import SYSTEM_PARTITION
from services.chassis.reading import Reading
from services.chassis.verdicts import accepted
from tessera.config.v1 import config_service_pb2 as pb
from tessera.type.v1 import position_pb2

_INSERT_VERSION = """
    INSERT INTO config_versions (version, published_at, caller)
    VALUES ($1, $2, $3)
"""
_INSERT_DOCUMENTS = """
    INSERT INTO config_documents (version, kind, code, programme, spec)
    SELECT $1, u.*
    FROM unnest($2::text[], $3::text[], $4::text[], $5::jsonb[]) AS u
"""
_INSERT_JOURNAL = """
    INSERT INTO journal (partition, position, recorded_at, payload, chain_hash)
    VALUES ($1, $2, $3, $4, $5)
"""
_INSERT_REQUEST = """
    INSERT INTO requests (partition, request_key, created_on, fingerprint, code, payload)
    VALUES ($1, $2, $3, $4, $5, $6)
"""
_SWITCH_HEADS = """
    UPDATE head
    SET config_version = $1
"""

Make = Callable[[Sequence[Document]], list[Document]]
"""What is to be in force, made of what is."""


@dataclass(frozen=True, slots=True)
class Change:
    """What publishing does to one document; `before` is None for a new one, `after` for a removed one."""

    before: Document | None
    after: Document | None


@dataclass(frozen=True, slots=True)
class Candidate:
    """What would be in force after publishing: made of a version, compiled, with the answer so far."""

    made_of: int
    documents: Sequence[Document]
    config: Any
    response: pb.PublishDocumentsResponse


def merged(current: Sequence[Document], given: Sequence[Document], *, complete: bool) -> list[Document]:
    """What is in force after publishing `given`, by kind and code."""
    programmes = {document.programme for document in given}
    kept = [document for document in current if not (complete and document.programme in programmes)]
    by_name = {(document.kind, document.code): document for document in (*kept, *given)}
    return [by_name[name] for name in sorted(by_name)]


def changes_between(before: Sequence[Document], after: Sequence[Document]) -> list[Change]:
    """What differs, by kind and code."""
    old = {(document.kind, document.code): document for document in before}
    new = {(document.kind, document.code): document for document in after}
    names = sorted(old.keys() | new.keys())
    return [Change(old.get(name), new.get(name)) for name in names if old.get(name) != new.get(name)]


class Publisher:
    """Makes new versions of a service's configuration."""

    def __init__(
        self,
        service: str,
        pool: asyncpg.Pool,
        connection: WriteConnection,
        configurations: Configurations[Any],
        partitions: int,
        on_commit: CommitListener,
        fixed_fields: Mapping[str, str],
    ) -> None:
        self._service = service
        self._pool = pool
        self._connection = connection
        self._configurations = configurations
        self._partitions = partitions
        self._on_commit = on_commit
        self._fixed_fields = fixed_fields

    async def publish(
        self, make: Make, request: Request, caller: str, *, validate_only: bool
    ) -> pb.PublishDocumentsResponse:
        """Compile outside the lock, then switch every head to the new version in one transaction.

        All heads are locked, so no batch is half old and half new; if somebody published meanwhile, it starts over.
        """
        answer = await _first_answer(self._pool, request)
        while answer is None:
            candidate = await self._candidate(make)
            if validate_only:
                return candidate.response
            async with self._connection.exclusive() as connection:
                try:
                    answer = await self._switch(connection, candidate, request, caller)
                except BaseException:
                    await self._connection.roll_back()
                    raise
        return answer

    async def _candidate(self, make: Make) -> Candidate:
        version = await current_version(self._pool)
        before = await load_documents(self._pool, version)
        after = make(before)
        try:
            config = self._configurations.compile(after)
        except DocumentErrors as error:
            raise error.refused() from None
        changes = changes_between(before, after)
        await self._check_fixed_fields(changes)
        messages = map(_change_message, changes)
        return Candidate(version, after, config, pb.PublishDocumentsResponse(version=version, changes=messages))

    async def _check_fixed_fields(self, changes: Iterable[Change]) -> None:
        """Raises Refused (DOCUMENT_INVALID) for documents that are to be another thing than they were at first.

        A document that comes back after it was removed is the same one: what happened by it is still there.
        """
        changed = {document.name: document for document in _with_changed_fields(changes, self._fixed_fields)}
        mistakes = []
        for first in await first_published(self._pool, list(changed.values())) if changed else ():
            field = self._fixed_fields[first.kind]
            if first.spec.get(field) != changed[first.name].spec.get(field):
                description = f"is {first.spec.get(field)} for ever, as it was first published; use another code"
                mistakes.append(FieldViolation(f"{first.name}.{field}", description))
        if mistakes:
            raise DocumentErrors(mistakes).refused()

    async def _switch(
        self, connection: asyncpg.Connection, candidate: Candidate, request: Request, caller: str
    ) -> pb.PublishDocumentsResponse | None:
        """Put a candidate in force, or find the request's first answer; None when another version came first."""
        system = (await heads.lock(connection, range(SYSTEM_PARTITION, self._partitions)))[0]
        answer = await _first_answer(connection, request)
        if answer is not None or system.config_version != candidate.made_of:
            await self._connection.roll_back()
            return answer
        response = candidate.response
        links = []
        if response.changes:
            response.version = candidate.made_of + 1
            links.append(await _write_version(connection, system, candidate.documents, caller))
        position = links[0].position if links else system.position
        response.position.CopyFrom(
            position_pb2.Position(service=self._service, partition=SYSTEM_PARTITION, position=position)
        )
        row = idempotency.row(request, accepted(response.SerializeToString()), datetime.now(UTC).date())
        await connection.execute(_INSERT_REQUEST, SYSTEM_PARTITION, *row)
        await heads.commit(self._connection, links)
        self._configurations.keep(response.version, candidate.config)
        for link in links:
            self._on_commit(link.partition, link.position)
        return response


async def _first_answer(
    connection: asyncpg.Connection | asyncpg.Pool, request: Request
) -> pb.PublishDocumentsResponse | None:
    """What the request was answered first, if it was. Raises Refused when its id was used for another one."""
    kept: list[idempotency.Kept] = []
    reading = Reading(connection, SYSTEM_PARTITION)
    idempotency.read(reading, [request.key], lambda _, first: kept.append(first))
    await reading.run()
    if not kept:
        return None
    if kept[0].fingerprint != request.fingerprint:
        raise Refused(idempotency.REUSED)
    return pb.PublishDocumentsResponse.FromString(kept[0].verdict.payload)


async def _write_version(
    connection: asyncpg.Connection, system: heads.Head, documents: Sequence[Document], caller: str
) -> journal.Link:
    version = system.config_version + 1
    await connection.execute(_INSERT_VERSION, version, system.now, caller)
    columns = [
        [document.kind for document in documents],
        [document.code for document in documents],
        [document.programme for document in documents],
        [json.dumps(document.spec) for document in documents],
    ]
    await connection.execute(_INSERT_DOCUMENTS, version, *columns)
    await connection.execute(_SWITCH_HEADS, version)
    link = journal.link(
        SYSTEM_PARTITION,
        system.position + 1,
        system.now,
        system.chain_hash,
        version,
        events=(),
        published_version=version,
    )
    await connection.execute(
        _INSERT_JOURNAL, link.partition, link.position, link.recorded_at, link.payload, link.chain_hash
    )
    return link


def _with_changed_fields(changes: Iterable[Change], fields: Mapping[str, str]) -> Iterator[Document]:
    """The documents that changes bring in or back, and those of which they change one of the fields, given by kind."""
    for before, after in ((change.before, change.after) for change in changes):
        if after is None or after.kind not in fields:
            continue
        field = fields[after.kind]
        if before is None or before.spec.get(field) != after.spec.get(field):
            yield after


def _change_message(change: Change) -> pb.DocumentChange:
    message = pb.DocumentChange()
    if change.before is None:
        message.action = pb.DocumentChange.ACTION_CREATED
    elif change.after is None:
        message.action = pb.DocumentChange.ACTION_REMOVED
    else:
        message.action = pb.DocumentChange.ACTION_UPDATED
    if change.before is not None:
        message.before.CopyFrom(to_message(change.before))
    if change.after is not None:
        message.after.CopyFrom(to_message(change.after))
    return message
