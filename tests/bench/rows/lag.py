"""lag: from an acknowledged earn to the new level readable in tiers, while points takes half of the load that it can.

Members at random record small activities; meanwhile one member after the other earns enough for the next level at once,
and its standing is read as of that activity.
"""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import asyncpg

from services.chassis.instants import timestamp
from tessera import connect
from tessera.client import Client
from tessera.points.v1 import activity_pb2, points_service_pb2
from tessera.tiers.v1 import tiers_service_pb2
from tests.bench.activities import requests
from tests.bench.load import Load, run_load, write_messages
from tests.bench.machine import Machine
from tests.bench.population import (
    ACTIVE,
    DOCUMENTS,
    DOMAIN,
    MEMBERS,
    fill_points,
    member_id,
    publish,
    routing,
    wire_ids,
)
from tests.bench.process import Process, free_port, service
from tests.bench.result import Result

TARGET_MS = 100.0
LOAD_MESSAGES = 150_000
CAPACITY_S = 3.0
SECONDS = 8.0
PAUSE_S = 0.01
CATCH_UP_TIMEOUT_S = 60.0
METHOD = "tessera.points.v1.PointsService/RecordActivity"
SILVER_AT = 10_000
LADDER = {
    "unit": "score",
    "window": {"days": 90},
    "levels": [{"code": "bronze", "at": 0}, {"code": "silver", "at": SILVER_AT}],
}
TIERS_DOCUMENTS = (DOCUMENTS[0], ("ladder", "shopper", LADDER))


async def measure(machine: Machine) -> list[Result]:
    """Milliseconds, the 99th percentile."""
    async with _points_and_tiers(machine) as (points, client):
        file = machine.file("messages")
        machine.say("preparing requests")
        write_messages(file, (request.SerializeToString() for request in requests("lag", LOAD_MESSAGES)))
        load = Load(points.port, METHOD, points.token, str(file), seconds=CAPACITY_S)
        machine.say("finding half of the load")
        capacity = await run_load(load)
        risers = iter(range(MEMBERS - 1, 0, -1))
        await _lag_ms(client, next(risers), CATCH_UP_TIMEOUT_S)
        machine.say("calling")
        half = capacity.rate / 2
        loaded = asyncio.create_task(
            run_load(Load(points.port, METHOD, points.token, str(file), capacity.sent, seconds=SECONDS, rate=half))
        )
        lags_ms = []
        while not loaded.done():
            lags_ms.append(await _lag_ms(client, next(risers), CATCH_UP_TIMEOUT_S))
            await asyncio.sleep(PAUSE_S)
        taken = await loaded
    lags_ms.sort()
    p50_ms, p99_ms = lags_ms[len(lags_ms) // 2], lags_ms[len(lags_ms) * 99 // 100]
    note = f"p99 of {len(lags_ms)}, p50 {p50_ms:.1f} ms, at {taken.rate:,.0f} of {capacity.rate:,.0f} calls/s"
    return [Result("lag", p99_ms, None, TARGET_MS, "ms", note)]


@asynccontextmanager
async def _points_and_tiers(machine: Machine) -> AsyncIterator[tuple[Process, Client]]:
    points_dsn = await machine.database("points", fill_points)
    tiers_dsn = await machine.database("tiers", _fill_tiers)
    tiers_port = free_port()
    async with (
        service(machine, "points", points_dsn, feeds={"tiers": tiers_port}) as points,
        service(machine, "tiers", tiers_dsn, feeds={"points": points.port}, port=tiers_port) as tiers,
        connect({"points": points.address, "tiers": tiers.address}, token=machine.token) as client,
    ):
        await publish(client, "points", *DOCUMENTS)
        await publish(client, "tiers", *TIERS_DOCUMENTS)
        yield points, client


async def _fill_tiers(dsn: str) -> None:
    """All members, without a score."""
    enrolled_at = datetime.now(UTC) - timedelta(days=1)
    connection = await asyncpg.connect(dsn)
    try:
        partitions = await connection.fetchval("SELECT count(*) FROM head WHERE partition >= 0")
        await connection.copy_records_to_table(
            "members",
            columns=["partition", "member_id", "status", "enrolled_at"],
            records=[(routing(n) & partitions - 1, member_id(n), ACTIVE, enrolled_at) for n in range(MEMBERS)],
        )
    finally:
        await connection.close()


async def _lag_ms(client: Client, number: int, timeout_s: float) -> float:
    """Lets a member rise, and measures until that can be read. Raises RuntimeError when it did not rise."""
    member, account = wire_ids(number)
    answer = await client.points.RecordActivity(_enough(member, account, number))
    acknowledged_s = time.perf_counter()
    standing = await client.tiers.GetStanding(
        tiers_service_pb2.GetStandingRequest(member_id=member, ladder="shopper", at_least=[answer.position]),
        timeout=timeout_s,
    )
    lag_ms = (time.perf_counter() - acknowledged_s) * 1000
    if standing.standings[0].level != "silver":
        raise RuntimeError(f"a member stands on {standing.standings[0].level} after it earned enough for silver")
    return lag_ms


def _enough(member: str, account: str, number: int) -> points_service_pb2.RecordActivityRequest:
    return points_service_pb2.RecordActivityRequest(
        request_id=f"rise-{number}",
        activity=activity_pb2.Activity(
            member_id=member,
            account_id=account,
            domain=DOMAIN,
            type="purchase",
            reference=f"rise-{number}",
            occurred_at=timestamp(datetime.now(UTC)),
            lines=[activity_pb2.ActivityLine(sku="4006381333931", quantity=1, cash_minor=SILVER_AT)],
        ),
    )
