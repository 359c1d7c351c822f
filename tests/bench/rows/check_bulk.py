"""check-bulk: BulkCheckEntitlements of 1,000 members at random, 4 in flight.

The reference is one indexed `= ANY` query for the coupons of as many members, by as many clients of pgbench.
"""

from itertools import islice

import asyncpg

from tessera.benefits.v1 import benefits_service_pb2 as pb
from tests.bench.bulk import IN_FLIGHT, SECONDS, Bulk, channel_to
from tests.bench.checking import DOCUMENTS, fill_benefits, requests
from tests.bench.machine import Machine
from tests.bench.pgbench import transactions_per_s
from tests.bench.population import MEMBERS, dice, member_id, publish
from tests.bench.process import service
from tests.bench.result import Result, in_turns

ITEMS = 1_000
CALLS = 2_000
SAMPLES = 16
"""Different sets of members that the reference asks for in turn."""
TARGET = 0.3

_PLAIN = """
SELECT entitlement_id, benefit, valid_from, valid_until, uses_left
FROM entitlements
WHERE member_id = ANY (:sample{number}::uuid[])
  AND state = 1;
"""
_PLAIN_INDEX = "CREATE INDEX plain_entitlements ON entitlements (member_id) WHERE state = 1"


async def measure(machine: Machine) -> list[Result]:
    """Items a second, ours and plain."""
    dsn, plain_dsn = [await machine.database("benefits", fill_benefits) for _ in range(2)]
    async with service(machine, "benefits", dsn) as process, process.client() as client, channel_to(process) as channel:
        await publish(client, "benefits", *DOCUMENTS)
        machine.say("preparing requests")
        method = "tessera.benefits.v1.BenefitsService/BulkCheckEntitlements"
        bulk = Bulk(channel, method, machine.token, _messages(), ITEMS, _count_answered)
        await _prepare_plain(plain_dsn)
        scripts = {f"check{number}": _PLAIN.format(number=number) for number in range(SAMPLES)}
        samples = _samples()

        async def plain() -> float:
            calls_per_s = await transactions_per_s(
                machine, plain_dsn, scripts, clients=IN_FLIGHT, seconds=SECONDS, variables=samples
            )
            return calls_per_s * ITEMS

        machine.say("calling")
        ours, reference = await in_turns(bulk.items_per_s, plain)
    return [Result("check-bulk", ours, reference, TARGET, "items/s", bulk.note(ours))]


def _messages() -> list[bytes]:
    items = requests("bulk", CALLS * ITEMS)
    return [pb.BulkCheckEntitlementsRequest(requests=islice(items, ITEMS)).SerializeToString() for _ in range(CALLS)]


def _count_answered(answer: bytes) -> int:
    results = pb.BulkCheckEntitlementsResponse.FromString(answer).results
    return sum(result.HasField("response") for result in results)


async def _prepare_plain(dsn: str) -> None:
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute(_PLAIN_INDEX)
        await connection.execute("ANALYZE entitlements")
    finally:
        await connection.close()


def _samples() -> dict[str, str]:
    """Arrays of members as PostgreSQL writes them."""
    chance = dice("plain check")
    return {
        f"sample{number}": "{" + ",".join(str(member_id(n)) for n in chance.sample(range(MEMBERS), ITEMS)) + "}"
        for number in range(SAMPLES)
    }
