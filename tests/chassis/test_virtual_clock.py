"""The virtual clock: it is advanced, never set back, and whatever falls due on the way happens at its own instant."""

from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest
from grpc import StatusCode

from services.chassis.clock import prepare_clock
from services.chassis.database import UnfitDatabase
from services.chassis.instants import timestamp
from tessera.clock.v1 import clock_service_pb2 as pb
from tests.chassis.edge import refusal
from tests.chassis.house import connection_to, ledger_database, ledger_suite
from tests.chassis.ledger import Move
from tests.chassis.ledger_lanes import account, open_lanes
from tests.chassis.publishing import document, publish
from tests.support.suite import Suite

START = datetime(2026, 3, 6, 12, tzinfo=UTC)
NEW_YORK = document("calendar", "days", zone="America/New_York")
MIDNIGHTS = [
    datetime(2026, 3, 7, 5, tzinfo=UTC),
    datetime(2026, 3, 8, 5, tzinfo=UTC),
    datetime(2026, 3, 9, 4, tzinfo=UTC),  # the 8th has 23 hours
    datetime(2026, 3, 10, 4, tzinfo=UTC),
]


def advance(suite: Suite, to: datetime, **options: Any) -> Any:
    return suite.clock("ledger").AdvanceClock(pb.AdvanceClockRequest(request_id="r", to=timestamp(to), **options))


async def now(suite: Suite) -> datetime:
    clock = await suite.clock("ledger").GetClock(pb.GetClockRequest())
    assert clock.virtual
    return clock.now.ToDatetime(UTC)


async def booked(dsn: str) -> list[datetime]:
    """When the job booked, in the order in which it did."""
    async with connection_to(dsn) as connection:
        return [row[0] for row in await connection.fetch("SELECT booked_at FROM entries ORDER BY number")]


async def test_every_due_instant_on_the_way_runs_in_order_with_itself_as_now() -> None:
    async with ledger_suite(clock_start=START) as suite:
        await publish(suite, NEW_YORK)
        assert (await advance(suite, MIDNIGHTS[0] - timedelta(microseconds=1))).instants_run == 0
        answer = await advance(suite, MIDNIGHTS[3])
        assert (answer.instants_run, answer.now.ToDatetime(UTC)) == (4, MIDNIGHTS[3])
        assert await booked(suite.dsns["ledger"]) == MIDNIGHTS


async def test_advancing_to_where_it_stands_does_nothing() -> None:
    async with ledger_suite(clock_start=START) as suite:
        await publish(suite, NEW_YORK)
        await advance(suite, MIDNIGHTS[0])
        assert (await advance(suite, MIDNIGHTS[0])).instants_run == 0
        assert len(await booked(suite.dsns["ledger"])) == 1


async def test_what_was_due_is_made_up_where_the_clock_already_stands() -> None:
    """As after a crash between setting the clock and running the jobs."""
    async with ledger_suite(clock_start=START) as suite:
        await publish(suite, NEW_YORK)
        await advance(suite, START + timedelta(hours=1))
        async with connection_to(suite.dsns["ledger"]) as connection:
            await connection.execute("UPDATE clock SET now = $1", MIDNIGHTS[0])
        assert (await advance(suite, MIDNIGHTS[0])).instants_run == 1
        assert await booked(suite.dsns["ledger"]) == MIDNIGHTS[:1]


async def test_it_never_goes_back() -> None:
    async with ledger_suite(clock_start=START) as suite:
        refused = await refusal(advance(suite, START - timedelta(seconds=1)))
        assert (refused.code, refused.reason) == (StatusCode.FAILED_PRECONDITION, "CLOCK_BACKWARDS")
        assert refused.metadata == {"now": "2026-03-06T12:00:00+00:00", "to": "2026-03-06T11:59:59Z"}
        assert await now(suite) == START


async def test_a_dry_run_moves_nothing() -> None:
    async with ledger_suite(clock_start=START) as suite:
        await publish(suite, NEW_YORK)
        await advance(suite, MIDNIGHTS[1], validate_only=True)
        assert await now(suite) == START
        assert await booked(suite.dsns["ledger"]) == []


async def test_it_stands_where_it_stood_when_the_service_starts_anew() -> None:
    async with ledger_suite(clock_start=START) as suite:
        await publish(suite, NEW_YORK)
        await advance(suite, MIDNIGHTS[0])
        await suite.stop("ledger")
        await suite.start("ledger", virtual_clock_start=START + timedelta(days=1000))
        await suite.channel("ledger").channel_ready()
        assert await now(suite) == MIDNIGHTS[0]
        assert (await advance(suite, MIDNIGHTS[1])).instants_run == 1
        assert await booked(suite.dsns["ledger"]) == MIDNIGHTS[:2]


async def test_writes_happen_at_the_virtual_time() -> None:
    async with ledger_suite(clock_start=START) as suite:
        await suite.lanes("ledger").one(Move(account(), 1))
        assert await booked(suite.dsns["ledger"]) == [START]


async def test_on_the_real_clock_advancing_is_refused() -> None:
    async with ledger_suite(clock="real") as suite:
        refused = await refusal(advance(suite, datetime.now(UTC) + timedelta(days=1)))
        assert (refused.code, refused.reason) == (StatusCode.FAILED_PRECONDITION, "CLOCK_NOT_VIRTUAL")
        clock = await suite.clock("ledger").GetClock(pb.GetClockRequest())
        assert not clock.virtual
        assert abs(datetime.now(UTC) - clock.now.ToDatetime(UTC)) < timedelta(seconds=10)


async def clock_of(connection: asyncpg.Connection) -> datetime | None:
    stored: datetime | None = await connection.fetchval("SELECT now FROM clock")
    return stored


async def test_a_database_keeps_the_kind_of_clock_it_has_lived_by() -> None:
    async with ledger_database() as dsn, connection_to(dsn) as connection:
        await prepare_clock(connection, virtual=False, start=None)
        assert await clock_of(connection) is None
        await prepare_clock(connection, virtual=True, start=START)
        await prepare_clock(connection, virtual=True, start=START + timedelta(days=1))
        assert await clock_of(connection) == START
        with pytest.raises(UnfitDatabase, match="TESSERA_CLOCK=virtual"):
            await prepare_clock(connection, virtual=False, start=None)


async def test_a_database_that_has_lived_by_the_real_clock_gets_no_virtual_one() -> None:
    async with ledger_database() as dsn, open_lanes(dsn) as lanes, connection_to(dsn) as connection:
        await lanes.one(Move(account(), 1))
        with pytest.raises(UnfitDatabase, match="has lived by the real clock"):
            await prepare_clock(connection, virtual=True, start=START)
