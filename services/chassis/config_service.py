"""Configuration over RPC: documents are published, restored and listed."""

from collections.abc import Iterable, Sequence

import asyncpg

from services.chassis import idempotency
from services.chassis.configurations import check_version, current_version, load_documents
from services.chassis.document_wire import from_message, to_message
from services.chassis.documents import Document, DocumentErrors
from services.chassis.errors import FieldViolation
from services.chassis.instants import timestamp
from services.chassis.paging import PageTokens
from services.chassis.publishing import Publisher, merged
from services.chassis.rpc import Call
from tessera.config.v1 import config_service_pb2 as pb

DEFAULT_VERSIONS = 50

_VERSIONS = """
    SELECT version, published_at, caller
    FROM config_versions
    WHERE version < $1
    ORDER BY version DESC
    LIMIT $2
"""
_NEWEST = 1 << 62


class ConfigServicer:
    """Serves `tessera.config.v1.ConfigService` for any service."""

    def __init__(self, pool: asyncpg.Pool, publisher: Publisher, tokens: PageTokens) -> None:
        self._pool = pool
        self._publisher = publisher
        self._tokens = tokens

    async def PublishDocuments(  # the contract's name
        self, request: pb.PublishDocumentsRequest, call: Call
    ) -> pb.PublishDocumentsResponse:
        """One new version, unless everything is already so."""
        given = _parse(request.documents)
        validate_only, complete = request.validate_only, request.complete
        identified = idempotency.identify(call.caller.name, call.method, request)

        def make(current: Sequence[Document]) -> list[Document]:
            return merged(current, given, complete=complete)

        return await self._publisher.publish(make, identified, call.caller.name, validate_only=validate_only)

    async def RestoreVersion(  # the contract's name
        self, request: pb.RestoreVersionRequest, call: Call
    ) -> pb.RestoreVersionResponse:
        """The documents of an old version again, as a new one."""
        await check_version(self._pool, request.version)
        documents = await load_documents(self._pool, request.version)
        validate_only = request.validate_only
        identified = idempotency.identify(call.caller.name, call.method, request)
        published = await self._publisher.publish(
            lambda _: documents, identified, call.caller.name, validate_only=validate_only
        )
        return pb.RestoreVersionResponse(
            version=published.version, changes=published.changes, position=published.position
        )

    async def ListDocuments(  # the contract's name
        self, request: pb.ListDocumentsRequest, call: Call
    ) -> pb.ListDocumentsResponse:
        """The documents of a version, by kind and code."""
        await check_version(self._pool, request.version)
        version = request.version or await current_version(self._pool)
        documents = [
            to_message(document)
            for document in await load_documents(self._pool, version)
            if request.programme in ("", document.programme)
        ]
        return pb.ListDocumentsResponse(version=version, documents=documents)

    async def ListVersions(  # the contract's name
        self, request: pb.ListVersionsRequest, call: Call
    ) -> pb.ListVersionsResponse:
        """Versions, newest first."""
        (before,) = self._tokens.decode(request.page_token, call.method, call.caller.name, request) or (_NEWEST,)
        size = request.page_size or DEFAULT_VERSIONS
        rows = await self._pool.fetch(_VERSIONS, before, size + 1)
        page = rows[:size]
        token = (
            self._tokens.encode(call.method, call.caller.name, request, [page[-1]["version"]])
            if len(rows) > size
            else ""
        )
        versions = [
            pb.Version(version=row["version"], published_at=timestamp(row["published_at"]), caller=row["caller"])
            for row in page
        ]
        return pb.ListVersionsResponse(versions=versions, next_page_token=token)


def _parse(messages: Iterable[pb.Document]) -> list[Document]:
    documents = []
    violations: list[FieldViolation] = []
    for message in messages:
        try:
            documents.append(from_message(message))
        except DocumentErrors as error:
            violations.extend(error.violations)
    violations.extend(_duplicates(documents))
    if violations:
        raise DocumentErrors(violations).refused()
    return documents


def _duplicates(documents: Iterable[Document]) -> list[FieldViolation]:
    seen: set[str] = set()
    violations = []
    for document in documents:
        if document.name in seen:
            violations.append(FieldViolation(document.name, "is given twice"))
        seen.add(document.name)
    return violations
