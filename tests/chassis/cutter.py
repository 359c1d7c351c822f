"""A wire to the database that a test can cut: a TCP proxy that knows one thing of PostgreSQL's protocol, its COMMIT."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Literal
from urllib.parse import parse_qs, urlsplit

from tests.support.postgres import PASSWORD

_COMMIT = b"COMMIT\0"
_AUDIT_TRAIL = b"-audit\0"
"""How the name ends by which the connection of the audit trail presents itself: it commits whenever it likes."""
_CHUNK = 1 << 16

Side = Literal["before", "after"]


class Wire:
    """Connections between lanes and database."""

    def __init__(self, dsn: str) -> None:
        parts = urlsplit(dsn)
        self._role, self._database = parts.username, parts.path[1:]
        self._socket = parse_qs(parts.query).get("host", [""])[0]
        self._host, self._port = parts.hostname, parts.port or 5432
        self._writers: set[asyncio.StreamWriter] = set()
        self._cut_next: Side | None = None
        self._is_up = True
        self._speaks = asyncio.Event()
        self._speaks.set()
        self.port = 0
        self.commits_cut = 0

    @property
    def dsn(self) -> str:
        return f"postgresql://{self._role}:{PASSWORD}@127.0.0.1:{self.port}/{self._database}?sslmode=disable"

    def cut_next_commit(self, side: Side) -> None:
        """Cut the wire `before` the next COMMIT of work reaches the database, or `after` it was answered there."""
        self._cut_next = side

    def take_away(self) -> None:
        """Cut all connections and let nobody connect."""
        self._is_up = False
        for writer in self._writers:
            writer.transport.abort()

    def fall_silent(self) -> None:
        """Keep all connections and carry nothing more, like a machine that froze."""
        self._speaks.clear()

    def bring_back(self) -> None:
        self._is_up = True

    async def carry(self, from_lane: asyncio.StreamReader, to_lane: asyncio.StreamWriter) -> None:
        if not self._is_up:
            to_lane.transport.abort()
            return
        from_database, to_database = await self._connect()
        ends = {to_lane, to_database}
        self._writers |= ends
        is_cut = asyncio.Event()
        try:
            async with asyncio.TaskGroup() as carriers:
                carriers.create_task(self._requests(from_lane, to_database, is_cut))
                carriers.create_task(self._answers(from_database, to_lane, is_cut))
        except* OSError:
            pass
        finally:
            self._writers -= ends
            for end in ends:
                end.transport.abort()

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if self._socket:
            return await asyncio.open_unix_connection(f"{self._socket}/.s.PGSQL.{self._port}")
        return await asyncio.open_connection(self._host, self._port)

    async def _requests(
        self, from_lane: asyncio.StreamReader, to_database: asyncio.StreamWriter, is_cut: asyncio.Event
    ) -> None:
        is_audit = False
        while data := await from_lane.read(_CHUNK):
            await self._speaks.wait()
            is_audit = is_audit or _AUDIT_TRAIL in data
            if self._cut_next is not None and not is_audit and data.endswith(_COMMIT):
                side, self._cut_next = self._cut_next, None
                self.commits_cut += 1
                is_cut.set()
                if side == "before":
                    break
            to_database.write(data)
        to_database.write_eof()

    async def _answers(
        self, from_database: asyncio.StreamReader, to_lane: asyncio.StreamWriter, is_cut: asyncio.Event
    ) -> None:
        while (data := await from_database.read(_CHUNK)) and not is_cut.is_set():
            await self._speaks.wait()
            to_lane.write(data)
        to_lane.transport.abort()


@asynccontextmanager
async def wire_to(dsn: str) -> AsyncIterator[Wire]:
    """A wire to the database of `dsn`."""
    wire = Wire(dsn)
    server = await asyncio.start_server(wire.carry, "127.0.0.1", 0)
    wire.port = server.sockets[0].getsockname()[1]
    try:
        yield wire
    finally:
        wire.take_away()
        wire._speaks.set()
        server.close()
        await server.wait_closed()
