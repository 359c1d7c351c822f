"""Tables of the months: there before they are needed, dropped whole when all in them is past retention."""

import asyncio
from datetime import UTC, date, datetime, timedelta

import asyncpg
import pytest

from services.chassis import batches
from services.chassis.idempotency import RETENTION, maintain_months
from services.chassis.verdicts import OK
from tests.chassis.house import connection_to, ledger_database
from tests.chassis.ledger import Move, balance_of
from tests.chassis.ledger_lanes import account, open_lanes, request


async def months(connection: asyncpg.Connection) -> list[str]:
    rows = await connection.fetch(
        "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = 'requests'::regclass ORDER BY 1"
    )
    return [row[0].removeprefix("requests_") for row in rows]


async def empty(connection: asyncpg.Connection) -> None:
    for month in await months(connection):
        await connection.execute(f"DROP TABLE requests_{month}")


async def test_this_month_and_two_ahead_are_there() -> None:
    async with ledger_database() as dsn, connection_to(dsn) as connection:
        await empty(connection)
        await maintain_months(connection, date(2026, 12, 31))
        assert await months(connection) == ["2026_12", "2027_01", "2027_02"]
        await maintain_months(connection, date(2026, 12, 31))
        assert await months(connection) == ["2026_12", "2027_01", "2027_02"]


async def test_a_month_is_dropped_when_its_last_day_is_past_retention() -> None:
    assert timedelta(days=30) == RETENTION
    async with ledger_database() as dsn, connection_to(dsn) as connection:
        await empty(connection)
        await maintain_months(connection, date(2026, 1, 15))
        await maintain_months(connection, date(2026, 3, 2))
        assert (await months(connection))[0] == "2026_01", "31 January is 30 days ago"
        await maintain_months(connection, date(2026, 3, 3))
        assert await months(connection) == ["2026_02", "2026_03", "2026_04", "2026_05"]


async def test_after_a_long_stop_the_gap_is_no_obstacle() -> None:
    async with ledger_database() as dsn, connection_to(dsn) as connection:
        await maintain_months(connection, date(2030, 6, 1))
        assert await months(connection) == ["2030_06", "2030_07", "2030_08"]


async def test_replicas_may_do_it_at_once() -> None:
    async with ledger_database() as dsn:
        connections = [await asyncpg.connect(dsn) for _ in range(6)]
        await empty(connections[0])
        await asyncio.gather(*(maintain_months(connection, date(2026, 1, 1)) for connection in connections))
        assert await months(connections[0]) == ["2026_01", "2026_02", "2026_03"]
        for connection in connections:
            await connection.close()


async def test_work_goes_on_meanwhile() -> None:
    async with ledger_database() as dsn, open_lanes(dsn) as lanes, connection_to(dsn) as connection:
        last = (await months(connection))[-1]

        async def maintain() -> None:
            while True:
                await connection.execute(f"DROP TABLE requests_{last}")
                await maintain_months(connection)

        maintaining = asyncio.create_task(maintain())
        outcomes = [await lanes.one(Move(account(), 1, request(str(number)))) for number in range(100)]
        maintaining.cancel()
        await asyncio.gather(maintaining, return_exceptions=True)
    assert {outcome.code for outcome in outcomes} == {OK}


class Calendar(datetime):
    """Tells the day that a test says it is."""

    today_is = datetime(2026, 1, 1, tzinfo=UTC)

    @classmethod
    def now(cls, tz: object = None) -> datetime:
        return cls.today_is


async def test_what_a_process_answered_that_is_a_day_ahead_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    Calendar.today_is = datetime.now(UTC) + timedelta(days=1)
    monkeypatch.setattr(batches, "datetime", Calendar)
    command = Move(account(), 1, request("r"))
    async with ledger_database() as dsn, open_lanes(dsn) as lanes:
        assert [balance_of(await lanes.one(command)) for _ in range(2)] == [1, 1]


async def test_a_request_is_known_for_thirty_days_and_forgotten_with_its_month(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Real time counts, whatever the domain's clock says: here the days pass, and the clock stands."""

    Calendar.today_is = datetime(2026, 1, 31, 23, tzinfo=UTC)
    monkeypatch.setattr(batches, "datetime", Calendar)
    command = Move(account(), 1, request("r"))
    async with ledger_database() as dsn, open_lanes(dsn) as lanes, connection_to(dsn) as connection:
        await maintain_months(connection, date(2026, 1, 1))
        assert balance_of(await lanes.one(command)) == 1
        Calendar.today_is = datetime(2026, 3, 2, 23, tzinfo=UTC)
        await maintain_months(connection, Calendar.today_is.date())
        assert balance_of(await lanes.one(command)) == 1, "not known any more after 30 days"
        await maintain_months(connection, date(2026, 3, 3))
        assert balance_of(await lanes.one(command)) == 2, "known for ever"
