"""growth: earn-bulk of 10,000, 100,000 and 1,000,000 members at random, who have ten entries each already.

The reference is what the fewest members make. All are measured warm: a server that is just filled would spend the
measurement with reading, once for each page, what it has in memory when it has served for some minutes.
"""

from contextlib import AsyncExitStack
from functools import partial
from itertools import islice

from tessera.points.v1 import points_service_pb2
from tests.bench.activities import requests
from tests.bench.bulk import WORKERS, Bulk, channels_to
from tests.bench.history import ENTRIES, fill_past, warm
from tests.bench.machine import Machine, check_booked
from tests.bench.population import DOCUMENTS, publish
from tests.bench.process import service
from tests.bench.result import Result, in_turns
from tests.bench.rows.earn_bulk import ITEMS, count_recorded

SIZES = (10_000, 100_000, 1_000_000)
CALLS = 400
TARGET = 0.8


async def measure(machine: Machine) -> list[Result]:
    """Items a second with each number of members."""
    bulks: list[Bulk] = []
    dsns: list[str] = []
    async with AsyncExitStack() as stack:
        for members in SIZES:
            machine.say(f"filling {members:,} members")
            dsn = await stack.enter_async_context(machine.large_database("points", partial(fill_past, members=members)))
            process = await stack.enter_async_context(service(machine, "points", dsn, workers=WORKERS))
            async with process.client() as client:
                await publish(client, "points", *DOCUMENTS)
            channels = await stack.enter_async_context(channels_to(process))
            machine.say("preparing requests")
            method = "tessera.points.v1.PointsService/BulkRecordActivities"
            bulks.append(Bulk(channels, method, machine.token, _messages(members), ITEMS, count_recorded))
            dsns.append(dsn)
        machine.say("warming")
        for dsn in dsns:
            await warm(dsn)
        machine.say("calling")
        rates = await in_turns(*(bulk.items_per_s for bulk in bulks))
        for dsn, bulk, members in zip(dsns, bulks, SIZES, strict=True):
            await check_booked(dsn, "activities", bulk.sent * ITEMS + members * ENTRIES // 2)
    return [
        Result(f"growth ({members:,} members)", rate, rates[0], TARGET, "items/s", f"{members * ENTRIES:,} entries")
        for members, rate in zip(SIZES[1:], rates[1:], strict=True)
    ]


def _messages(members: int) -> list[bytes]:
    items = requests("growth", CALLS * ITEMS, members)
    return [
        points_service_pb2.BulkRecordActivitiesRequest(requests=islice(items, ITEMS)).SerializeToString()
        for _ in range(CALLS)
    ]
