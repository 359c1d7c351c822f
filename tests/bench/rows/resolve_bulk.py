"""resolve-bulk: BulkResolveAccounts of 1,000 accounts that exist, 4 in flight, three workers.

The reference is one query for as many of the same names at random, by the index that the service uses, by as many
clients of pgbench.
"""

from functools import partial
from itertools import islice

import asyncpg

from tessera.identity.v1 import identity_service_pb2 as pb
from tests.bench.bulk import IN_FLIGHT, SECONDS, WORKERS, Bulk, channels_to
from tests.bench.machine import Machine
from tests.bench.pgbench import PREPARED, array, array_of_bytes, prepared_note, transactions_per_s
from tests.bench.population import MEMBERS, dice
from tests.bench.process import service
from tests.bench.resolving import ITEMS, fill_identity, requests
from tests.bench.result import Result, in_turns

CALLS = 4_000
SAMPLES = 100
"""Different sets of names that the reference asks for at random; pgbench takes at most 128 scripts."""
TARGET = 0.5

_PLAIN = """
SELECT blind_index, reply
FROM unnest('{partitions}'::int[], '{blind_indexes}'::bytea[]) AS asked (partition, blind_index)
JOIN routes USING (partition, blind_index);
"""
_NAMES = "SELECT partition, blind_index FROM routes TABLESAMPLE BERNOULLI ($1) REPEATABLE (1)"
"""So many percent of all."""


async def measure(machine: Machine) -> list[Result]:
    """Items a second, ours and plain."""
    dsn, plain_dsn = [await machine.database("identity", partial(fill_identity, machine)) for _ in range(2)]
    return [await measure_on(machine, dsn, plain_dsn, "resolve-bulk")]


async def measure_on(machine: Machine, dsn: str, plain_dsn: str, name: str, accounts: int = MEMBERS) -> Result:
    """Items a second with the first so many accounts of a database, and plain ones of one that is alike."""
    async with service(machine, "identity", dsn, workers=WORKERS) as process, channels_to(process) as channels:
        machine.say("preparing requests")
        method = "tessera.identity.v1.IdentityService/BulkResolveAccounts"
        bulk = Bulk(channels, method, machine.token, _messages(accounts), ITEMS, _count_resolved)
        scripts = await _plain_scripts(plain_dsn, accounts)

        async def plain(protocol: str | None = None) -> float:
            calls_per_s = await transactions_per_s(
                machine, plain_dsn, scripts, clients=IN_FLIGHT, seconds=SECONDS, protocol=protocol
            )
            return calls_per_s * ITEMS

        machine.say("calling")
        ours, reference, prepared = await in_turns(bulk.items_per_s, plain, partial(plain, PREPARED))
    return Result(name, ours, reference, TARGET, "items/s", f"{bulk.note(ours)}; {prepared_note(ours, prepared)}")


def _messages(accounts: int) -> list[bytes]:
    items = requests("bulk", CALLS * ITEMS, accounts)
    return [pb.BulkResolveAccountsRequest(requests=islice(items, ITEMS)).SerializeToString() for _ in range(CALLS)]


def _count_resolved(answer: bytes) -> int:
    results = pb.BulkResolveAccountsResponse.FromString(answer).results
    return sum(result.response.member_id != "" for result in results)


async def _plain_scripts(dsn: str, accounts: int) -> dict[str, str]:
    connection = await asyncpg.connect(dsn)
    try:
        names = await connection.fetch(_NAMES, min(100, 100 * 2 * SAMPLES * ITEMS / accounts))
    finally:
        await connection.close()
    chance = dice("plain resolve")
    scripts = {}
    for number in range(SAMPLES):
        partitions, blind_indexes = zip(*chance.choices(names, k=ITEMS), strict=True)
        scripts[f"resolve{number}"] = _PLAIN.format(
            partitions=array(partitions), blind_indexes=array_of_bytes(blind_indexes)
        )
    return scripts
