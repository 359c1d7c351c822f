"""Configuration versions: stored whole, compiled once in each process, switched at one position of each partition."""

import asyncio
import json
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

import asyncpg
from grpc import StatusCode

from services.chassis.database import Connection
from services.chassis.documents import Document
from services.chassis.errors import Refused, Rejection

KEPT_COMPILED = 8
"""Compiled versions kept in memory: those used last, the one in force among them."""

Config = TypeVar("Config")

_DOCUMENTS = """
    SELECT kind, code, programme, spec
    FROM config_documents
    WHERE version = $1
    ORDER BY kind, code
"""
_FIRST_PUBLISHED = """
    SELECT DISTINCT ON (kind, code) kind, code, programme, spec
    FROM unnest($1::text[], $2::text[]) AS asked (kind, code)
    JOIN config_documents USING (kind, code)
    ORDER BY kind, code, version
"""
_CURRENT = """
    SELECT config_version
    FROM head
    WHERE partition = -1
"""


async def load_documents(connection: Connection | asyncpg.Pool, version: int) -> list[Document]:
    """The documents of a version, by kind and code; version 0 has none."""
    return [_document(row) for row in await connection.fetch(_DOCUMENTS, version)]


async def first_published(pool: asyncpg.Pool, documents: Sequence[Document]) -> list[Document]:
    """Documents as they were in the first version that had them; new ones are left out."""
    kinds, codes = [document.kind for document in documents], [document.code for document in documents]
    return [_document(row) for row in await pool.fetch(_FIRST_PUBLISHED, kinds, codes)]


def _document(row: asyncpg.Record) -> Document:
    return Document(row["kind"], row["code"], row["programme"], json.loads(row["spec"]))


async def current_version(connection: Connection | asyncpg.Pool) -> int:
    """The version in force."""
    version: int = await connection.fetchval(_CURRENT)
    return version


async def check_version(connection: Connection | asyncpg.Pool, version: int) -> None:
    """Raises Refused (VERSION_UNKNOWN) for a version that was never published."""
    current = await current_version(connection)
    if version > current:
        raise Refused(
            Rejection(
                "VERSION_UNKNOWN",
                f"there is no version {version}; the newest is {current}",
                code=StatusCode.NOT_FOUND,
                metadata={"version": str(version), "newest": str(current)},
            )
        )


class Configurations(Generic[Config]):
    """Compiled configuration by version."""

    def __init__(self, compile_documents: Callable[[Sequence[Document]], Config]) -> None:
        """`compile_documents` makes a version's documents into what rules use; it raises DocumentErrors."""
        self.compile = compile_documents
        self._compiled: OrderedDict[int, Config] = OrderedDict()
        self._compiling = asyncio.Lock()
        self.newest_version = 0
        """The newest version that this process has met."""

    async def at(self, connection: Connection | asyncpg.Pool, version: int) -> Config:
        """The configuration of a version; read and compiled once, when this process first meets it."""
        if version in self._compiled:
            self._compiled.move_to_end(version)
            return self._compiled[version]
        async with self._compiling:  # all lanes meet a new version at the same time
            if version not in self._compiled:
                self.keep(version, self.compile(await load_documents(connection, version)))
            return self._compiled[version]

    def keep(self, version: int, config: Config) -> None:
        """Remember what a version compiles to."""
        self._compiled[version] = config
        self.newest_version = max(self.newest_version, version)
        while len(self._compiled) > KEPT_COMPILED:
            self._compiled.popitem(last=False)

    async def current(self, connection: Connection | asyncpg.Pool) -> tuple[int, Config]:
        """The version in force and its configuration, for reads."""
        version = await current_version(connection)
        return version, await self.at(connection, version)
