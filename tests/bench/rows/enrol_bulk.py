"""enrol-bulk: BulkResolveAccounts of 1,000 accounts that nobody knows, with `create_missing`, 4 in flight."""

import time

from tests.bench.machine import Machine, nothing
from tests.bench.population import MEMBERS, publish
from tests.bench.process import service
from tests.bench.resolving import DOCUMENTS, IN_FLIGHT, ITEMS, enrol_everybody
from tests.bench.result import Result

TARGET_US = 200.0
"""5,000 members a second."""
ROUNDS = 3


async def measure(machine: Machine) -> list[Result]:
    """Microseconds for each new member, the median of some rounds."""
    figures = sorted([await _us_a_member(machine) for _ in range(ROUNDS)])
    middle = figures[ROUNDS // 2]
    note = f"{1_000_000 / middle:,.0f} members/s: {MEMBERS:,}, {ITEMS:,} in a call, {IN_FLIGHT} in flight"
    return [Result("enrol-bulk", middle, None, TARGET_US, "µs/member", note)]


async def _us_a_member(machine: Machine) -> float:
    async with (
        machine.large_database("identity", nothing) as dsn,
        service(machine, "identity", dsn) as process,
        process.client() as client,
    ):
        await publish(client, "identity", *DOCUMENTS)
        machine.say("enrolling")
        began = time.perf_counter()
        await enrol_everybody(client)
        return (time.perf_counter() - began) / MEMBERS * 1_000_000
