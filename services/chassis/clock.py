"""Domain time, from one place: the real clock, or a virtual one that is stored in the database and only ever advances.

Infrastructure time (deadlines, tokens, leases, retention) is always real and does not come from here.
"""

from datetime import UTC, datetime, timedelta

import asyncpg

from services.chassis.database import Connection, UnfitDatabase

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def to_microseconds(at: datetime | None) -> int:
    """Microseconds since 1970; 0 stands for no time."""
    return 0 if at is None else (at - EPOCH) // _MICROSECOND


def from_microseconds(value_us: int) -> datetime | None:
    """The time of so many microseconds since 1970; 0 stands for no time."""
    return None if value_us == 0 else EPOCH + timedelta(microseconds=value_us)


class Clock:
    """Tells domain time. One statement in a virtual clock's database; no statement on the real clock."""

    def __init__(self, pool: asyncpg.Pool, *, virtual: bool) -> None:
        self._pool = pool
        self.virtual = virtual

    async def now(self) -> datetime:
        """The time, for reads; a batch takes its time from its head (heads.py)."""
        if not self.virtual:
            return datetime.now(UTC)
        now: datetime = await self._pool.fetchval("SELECT now FROM clock")
        return now


async def prepare_clock(connection: Connection, *, virtual: bool, start: datetime | None) -> None:
    """Make the database agree with the settings: a virtual clock is created once, and never lost by a restart.

    Raises UnfitDatabase when the database has lived by the other kind of clock.
    """
    stored = await connection.fetchval("SELECT now FROM clock")
    if not virtual:
        if stored is not None:
            raise UnfitDatabase("the database lives by a virtual clock; start with TESSERA_CLOCK=virtual")
        return
    if stored is None:
        if await connection.fetchval("SELECT max(position) FROM head") != 0:
            raise UnfitDatabase("the database has lived by the real clock; it cannot be given a virtual one")
        await connection.execute(
            "INSERT INTO clock (singleton, now) VALUES (true, $1) ON CONFLICT DO NOTHING", start or datetime.now(UTC)
        )
