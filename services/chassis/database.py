"""Connections: a pool for reads, and one warm connection for each writer."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import asyncpg
from asyncpg.pool import PoolConnectionProxy

from services.chassis.failures import DRIVER_ERRORS, CommitUnknownError, is_storage_failure

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
    # A plan made while a table is young would scan it for ever.
    "enable_seqscan": "off",
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


def is_lost(connection: Connection) -> bool:
    """Whether a connection is gone. A pool takes a lost one back at once, and then it cannot even be asked."""
    try:
        return connection.is_closed()
    except asyncpg.InterfaceError:
        return True


async def connect_for_long_reads(dsn: str, application_name: str) -> asyncpg.Connection:
    """A connection without a time limit. Its snapshot keeps old rows alive while it lasts: watch for long ones."""
    return await asyncpg.connect(
        dsn, server_settings={**_SHARED, "application_name": application_name}, timeout=CONNECT_TIMEOUT_S
    )


async def _nothing_to_reset(connection: Any) -> None:
    """Reads leave nothing behind on a connection, so giving it back costs no round trip."""


class UnfitDatabase(Exception):
    """The database is not what the settings say, or not migrated; the service must not start on it."""


class WriteConnection:
    """The connection of one writer, opened when it is first needed and again after it was lost."""

    def __init__(
        self,
        dsn: str,
        application_name: str,
        *,
        transaction_timeout_ms: int | None = None,
        warm: Callable[[asyncpg.Connection], Awaitable[None]] | None = None,
    ) -> None:
        """`warm` prepares a connection just opened for what it will be used for, while it holds no lock."""
        self._dsn = dsn
        self._settings = {
            **_SHARED,
            "application_name": application_name,
            "idle_in_transaction_session_timeout": str(IDLE_IN_TRANSACTION_TIMEOUT_MS),
            "transaction_timeout": str(transaction_timeout_ms or TRANSACTION_TIMEOUT_MS),
        }
        self._warm = warm
        self._connection: asyncpg.Connection | None = None
        self._lock = asyncio.Lock()

    async def get(self) -> asyncpg.Connection:
        """The connection, open and warm before any lock is taken with it."""
        if self._connection is None or self._connection.is_closed():
            self._connection = await asyncpg.connect(
                self._dsn, server_settings=self._settings, timeout=CONNECT_TIMEOUT_S, statement_cache_size=512
            )
            if self._warm is not None:
                await self._warm(self._connection)
        return self._connection

    @contextlib.asynccontextmanager
    async def exclusive(self) -> AsyncIterator[asyncpg.Connection]:
        """The connection, for one user at a time; for writers that are called by several tasks."""
        async with self._lock:
            yield await self.get()

    async def commit(self, last_statements: str) -> None:
        """Run the last statements of a transaction and COMMIT, in one round trip.

        Raises CommitUnknownError unless the database says which it is: done, or (any PostgresError) not done.
        """
        assert self._connection is not None, "a transaction is begun on a connection"
        try:
            await self._connection.execute(f"{last_statements}COMMIT")
        except asyncpg.PostgresError as error:
            if not is_storage_failure(error):
                await self.roll_back()
                raise
            self.discard()
            raise CommitUnknownError from error
        except Exception as error:
            self.discard()
            raise CommitUnknownError from error
        except BaseException:  # cancelled: nobody may go on with half a transaction
            await self.roll_back()
            raise

    async def roll_back(self) -> None:
        """End the transaction without a trace; a connection that cannot is thrown away, which ends it as well."""
        if self._connection is None:
            return
        try:
            await self._connection.execute("ROLLBACK")
        except DRIVER_ERRORS:
            self.discard()
        except BaseException:
            self.discard()
            raise

    def discard(self) -> None:
        """Throw the connection away; the next writer opens a new one."""
        if self._connection is not None:
            self._connection.terminate()
            self._connection = None

    async def close(self) -> None:
        """Close it in peace."""
        if self._connection is not None and not self._connection.is_closed():
            with contextlib.suppress(*DRIVER_ERRORS):
                await self._connection.close()
        self._connection = None
