"""Writing the audit trail: calls note themselves, one task of the process writes what they noted, a link at a time."""

import asyncio
import contextlib
import os
import time
from collections import deque
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import structlog

from services.chassis.audit.links import Link, Record, chain, encode
from services.chassis.audit.queries import Reader, is_written, lock_head, remove_before, write
from services.chassis.database import WriteConnection
from services.chassis.failures import CommitUnknownError, is_storage_failure

_LOG = structlog.stdlib.get_logger(__name__)

INTERVAL_S = 0.1
"""How long a record may wait for others; nobody waits for it, unless `kept` is asked for."""
MAX_WAITING = 20_000
"""Records that wait to be written; a call that would be one more is refused."""
MAX_A_LINK = 5_000
LINKS_A_STEP = 10_000
"""That are removed at once."""
RETRY_S = (0.1, 2.0)
"""The first and the longest pause before a link is tried again."""
CLOSE_S = 5.0
"""How long the end of a process waits for what it still has to write."""
NONCE_BYTES = 12


class Trail:
    """The end of a service's trail, as one process goes on with it; the database has the processes take turns."""

    def __init__(self, connection: WriteConnection, key: bytes) -> None:
        self._connection = connection
        self._key = key
        self._waiting: deque[Record] = deque()
        self._left_out = 0
        self._noted = 0
        self._written = 0
        self._hurry = asyncio.Event()
        self._progress = asyncio.Condition()
        self._is_closing = False
        self._writing: asyncio.Task[None]

    @property
    def is_full(self) -> bool:
        """Whether no more calls can be noted at the moment."""
        return len(self._waiting) >= MAX_WAITING

    def note(self, record: Record) -> None:
        """Take down a call; it is written within a fraction of a second."""
        self._waiting.append(record)
        self._noted += 1

    def leave_out(self) -> None:
        """Count a call for which there is no room."""
        self._left_out += 1

    async def kept(self) -> None:
        """Returns when everything that was noted by now is written."""
        noted = self._noted
        self._hurry.set()
        async with self._progress:
            await self._progress.wait_for(lambda: self._written >= noted)

    def start(self) -> None:
        """Begin to write what calls note."""
        self._writing = asyncio.create_task(self._run(), name="audit")

    async def close(self) -> None:
        """Write what still waits, as far as that goes, and end."""
        self._is_closing = True
        self._hurry.set()
        try:
            async with asyncio.timeout(CLOSE_S):
                await asyncio.shield(self._writing)
        except TimeoutError:
            _LOG.error("records of the audit trail are lost", records=len(self._waiting))
            self._writing.cancel()
            await asyncio.gather(self._writing, return_exceptions=True)

    async def _run(self) -> None:
        while self._waiting or self._left_out or not self._is_closing:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(INTERVAL_S):
                    await self._hurry.wait()
            if not self._is_closing:
                self._hurry.clear()
            while self._waiting or self._left_out:
                await self._write_next()

    async def _write_next(self) -> None:
        records = [self._waiting[place] for place in range(min(len(self._waiting), MAX_A_LINK))]
        left_out = self._left_out
        await self._write(records, left_out)
        for _ in records:
            self._waiting.popleft()
        self._left_out -= left_out
        self._written += len(records)
        async with self._progress:
            self._progress.notify_all()

    async def _write(self, records: Sequence[Record], left_out: int) -> None:
        """One link, written exactly once: what became of a COMMIT that nobody answered is looked up."""
        payload = encode(records, left_out, os.urandom(NONCE_BYTES))
        pause_s, longest_s = RETRY_S
        tried_after: int | None = None
        while True:
            try:
                connection = await self._connection.get()
                await connection.execute("BEGIN")
                head, now = await lock_head(connection)
                if tried_after is not None and await is_written(connection, tried_after, payload):
                    await self._connection.roll_back()
                    return
                tried_after = head.number if tried_after is None else tried_after
                number = head.number + 1
                await write(
                    connection,
                    Link(number, now, payload, chain(self._key, head.chain_hash, number, now, payload)),
                )
                await self._connection.commit("")
            except Exception as error:
                if not (isinstance(error, CommitUnknownError) or is_storage_failure(error)):
                    _LOG.exception("the audit trail cannot be written; tried again")
                else:
                    _LOG.warning("the audit trail waits for the database", records=len(self._waiting))
                await self._connection.roll_back()
                await asyncio.sleep(pause_s)
                pause_s = min(2 * pause_s, longest_s)
            else:
                return


async def remove_old_links(reader: Reader, age: timedelta) -> None:
    """Remove what was written longer ago; what is left is still proved, from there on."""
    while await remove_before(reader, datetime.now(UTC) - age, LINKS_A_STEP):
        pass


def now_us() -> int:
    """The time at which a call is noted, in microseconds."""
    return time.time_ns() // 1000
