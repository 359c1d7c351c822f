"""Connections: a pool for reads, and one warm connection for each writer."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
from asyncpg.pool import PoolConnectionProxy

READ_TIMEOUT_MS = 10_000
"""A read that takes longer than its caller would wait."""
IDLE_IN_TRANSACTION_TIMEOUT_MS = 2_000
TRANSACTION_TIMEOUT_MS = 3_000
"""A frozen writer that holds a head would block its partition; after this the database lets go."""
CONNECT_TIMEOUT_S = 10

Connection = asyncpg.Connection | PoolConnectionProxy
"""A connection, whether or not it comes from a pool."""

_SHARED = {
    # Statements take arrays, so one plan fits all sizes; planning them again would cost more than running them.
    "plan_cache_mode": "force_generic_plan",
    "jit": "off",
    "timezone": "UTC",
}


async def open_pool(dsn: str, application_name: str, max_size: int) -> asyncpg.Pool:
    """A pool of connections for reads."""
    settings = {**_SHARED, "application_name": application_name, "statement_timeout": str(READ_TIMEOUT_MS)}
    return await asyncpg.create_pool(
        dsn,
        min_size=1,
        max_size=max_size,
        server_settings=settings,
        timeout=CONNECT_TIMEOUT_S,
        reset=_nothing_to_reset,
        max_inactive_connection_lifetime=0,
    )


async def connect_for_long_reads(dsn: str, application_name: str) -> asyncpg.Connection:
    """A connection without a time limit. Its snapshot keeps old rows alive while it lasts: watch for long ones."""
    return await asyncpg.connect(
        dsn, server_settings={**_SHARED, "application_name": application_name}, timeout=CONNECT_TIMEOUT_S
    )


async def _nothing_to_reset(connection: Any) -> None:
    """Reads leave nothing behind on a connection, so giving it back costs no round trip."""


class WriteConnection:
    """The connection of one writer, opened when it is first needed and again after it was lost."""

    def __init__(
        self, dsn: str, application_name: str, *, transaction_timeout_ms: int = TRANSACTION_TIMEOUT_MS
    ) -> None:
        self._dsn = dsn
        self._settings = {
            **_SHARED,
            "application_name": application_name,
            "idle_in_transaction_session_timeout": str(IDLE_IN_TRANSACTION_TIMEOUT_MS),
            "transaction_timeout": str(transaction_timeout_ms),
        }
        self._connection: asyncpg.Connection | None = None
        self._lock = asyncio.Lock()

    async def get(self) -> asyncpg.Connection:
        """The connection, open before any lock is taken with it."""
        if self._connection is None or self._connection.is_closed():
            self._connection = await asyncpg.connect(
                self._dsn, server_settings=self._settings, timeout=CONNECT_TIMEOUT_S, statement_cache_size=512
            )
        return self._connection

    @contextlib.asynccontextmanager
    async def exclusive(self) -> AsyncIterator[asyncpg.Connection]:
        """The connection, for one user at a time; for writers that are called by several tasks."""
        async with self._lock:
            yield await self.get()

    async def roll_back(self) -> None:
        """End the transaction without a trace; a connection that cannot is thrown away."""
        if self._connection is None:
            return
        try:
            await asyncio.shield(self._connection.execute("ROLLBACK"))
        except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, asyncio.CancelledError):
            self.discard()

    def discard(self) -> None:
        """Throw the connection away; the next writer opens a new one."""
        if self._connection is not None:
            self._connection.terminate()
            self._connection = None

    async def close(self) -> None:
        """Close it in peace."""
        if self._connection is not None and not self._connection.is_closed():
            with contextlib.suppress(OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
                await self._connection.close()
        self._connection = None
