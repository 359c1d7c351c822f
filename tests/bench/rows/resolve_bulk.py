"""resolve-bulk: BulkResolveAccounts of 1,000 accounts that exist, 4 in flight.

The reference is one indexed `= ANY` query for as many of the same names, by as many clients of pgbench.
"""

from functools import partial
from itertools import islice

import asyncpg

from tessera.identity.v1 import identity_service_pb2 as pb
from tests.bench.bulk import IN_FLIGHT, SECONDS, Bulk, channel_to
from tests.bench.machine import Machine
from tests.bench.pgbench import transactions_per_s
from tests.bench.process import service
from tests.bench.resolving import ITEMS, fill_identity, requests
from tests.bench.result import Result, in_turns

CALLS = 4_000
SAMPLES = 16
"""Different sets of names that the reference asks for in turn."""
TARGET = 0.5

_PLAIN = """
SELECT reply
FROM routes
WHERE blind_index = ANY (:sample{number}::bytea[]);
"""
_PLAIN_INDEX = "CREATE UNIQUE INDEX plain_routes ON routes (blind_index)"


async def measure(machine: Machine) -> list[Result]:
    """Items a second, ours and plain."""
    dsn, plain_dsn = [await machine.database("identity", partial(fill_identity, machine)) for _ in range(2)]
    async with service(machine, "identity", dsn) as process, channel_to(process) as channel:
        machine.say("preparing requests")
        method = "tessera.identity.v1.IdentityService/BulkResolveAccounts"
        bulk = Bulk(channel, method, machine.token, _messages(), ITEMS, _count_resolved)
        samples = await _prepare_plain(plain_dsn)
        scripts = {f"resolve{number}": _PLAIN.format(number=number) for number in range(SAMPLES)}

        async def plain() -> float:
            calls_per_s = await transactions_per_s(
                machine, plain_dsn, scripts, clients=IN_FLIGHT, seconds=SECONDS, variables=samples
            )
            return calls_per_s * ITEMS

        machine.say("calling")
        ours, reference = await in_turns(bulk.items_per_s, plain)
    return [Result("resolve-bulk", ours, reference, TARGET, "items/s", bulk.note(ours))]


def _messages() -> list[bytes]:
    items = requests("bulk", CALLS * ITEMS)
    return [pb.BulkResolveAccountsRequest(requests=islice(items, ITEMS)).SerializeToString() for _ in range(CALLS)]


def _count_resolved(answer: bytes) -> int:
    results = pb.BulkResolveAccountsResponse.FromString(answer).results
    return sum(result.response.member_id != "" for result in results)


async def _prepare_plain(dsn: str) -> dict[str, str]:
    """The index that the plain query uses; returns arrays of names as PostgreSQL writes them."""
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute(_PLAIN_INDEX)
        await connection.execute("ANALYZE routes")
        names = await connection.fetch(
            "SELECT blind_index FROM routes ORDER BY sha256(blind_index) LIMIT $1", SAMPLES * ITEMS
        )
    finally:
        await connection.close()
    return {
        f"sample{number}": "{" + ",".join(f'"\\\\x{row[0].hex()}"' for row in names[number::SAMPLES]) + "}"
        for number in range(SAMPLES)
    }
