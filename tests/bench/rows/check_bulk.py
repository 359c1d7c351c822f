"""check-bulk: BulkCheckEntitlements of 1,000 members at random, 4 in flight, three workers.

The reference is one query for the coupons of as many members at random, by the index that the service uses, by as many
clients of pgbench.
"""

from functools import partial
from itertools import islice

from tessera.benefits.v1 import benefits_service_pb2 as pb
from tests.bench.bulk import IN_FLIGHT, SECONDS, WORKERS, Bulk, channels_to
from tests.bench.checking import DOCUMENTS, fill_benefits, requests
from tests.bench.machine import Machine
from tests.bench.pgbench import PREPARED, array, prepared_note, transactions_per_s
from tests.bench.population import MEMBERS, dice, member_id, publish, routing
from tests.bench.process import service
from tests.bench.result import Result, in_turns

ITEMS = 1_000
CALLS = 2_000
SAMPLES = 100
"""Different sets of members that the reference asks for at random; pgbench takes at most 128 scripts."""
TARGET = 0.3

_PLAIN = """
SELECT member_id, entitlement_id, benefit, valid_from, valid_until, uses_left
FROM unnest('{partitions}'::int[], '{members}'::uuid[]) AS asked (partition, member_id)
JOIN entitlements USING (partition, member_id)
WHERE state = 1;
"""


async def measure(machine: Machine) -> list[Result]:
    """Items a second, ours and plain."""
    dsn, plain_dsn = [await machine.database("benefits", fill_benefits) for _ in range(2)]
    async with (
        service(machine, "benefits", dsn, workers=WORKERS) as process,
        process.client() as client,
        channels_to(process) as channels,
    ):
        await publish(client, "benefits", *DOCUMENTS)
        machine.say("preparing requests")
        method = "tessera.benefits.v1.BenefitsService/BulkCheckEntitlements"
        bulk = Bulk(channels, method, machine.token, _messages(), ITEMS, _count_answered)
        scripts = _plain_scripts(machine.partitions)

        async def plain(protocol: str | None = None) -> float:
            calls_per_s = await transactions_per_s(
                machine, plain_dsn, scripts, clients=IN_FLIGHT, seconds=SECONDS, protocol=protocol
            )
            return calls_per_s * ITEMS

        machine.say("calling")
        ours, reference, prepared = await in_turns(bulk.items_per_s, plain, partial(plain, PREPARED))
    note = f"{bulk.note(ours)}; {prepared_note(ours, prepared)}"
    return [Result("check-bulk", ours, reference, TARGET, "items/s", note)]


def _messages() -> list[bytes]:
    items = requests("bulk", CALLS * ITEMS)
    return [pb.BulkCheckEntitlementsRequest(requests=islice(items, ITEMS)).SerializeToString() for _ in range(CALLS)]


def _count_answered(answer: bytes) -> int:
    results = pb.BulkCheckEntitlementsResponse.FromString(answer).results
    return sum(result.HasField("response") for result in results)


def _plain_scripts(partitions: int) -> dict[str, str]:
    chance = dice("plain check")
    scripts = {}
    for number in range(SAMPLES):
        members = chance.choices(range(MEMBERS), k=ITEMS)
        scripts[f"check{number}"] = _PLAIN.format(
            partitions=array(routing(n) & partitions - 1 for n in members),
            members=array(member_id(n) for n in members),
        )
    return scripts
