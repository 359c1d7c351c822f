"""The accounts that are resolved: 100,000 of as many members, enrolled over the API: identity alone has the keys."""

import asyncio
from collections.abc import Iterator

from tessera.client import Client
from tessera.identity.v1 import identity_service_pb2 as pb
from tests.bench.machine import Machine
from tests.bench.population import DOMAIN, MEMBERS, dice, publish
from tests.bench.process import service

ITEMS = 1_000
IN_FLIGHT = 4
DOCUMENTS = (
    ("programme", "bench", {"name": "Bench", "time_zone": "Asia/Shanghai", "currency": "CNY"}),
    ("domain", DOMAIN, {"name": "Fuel", "owner": "bench"}),
)


def external_id(number: int) -> str:
    """How the domain calls the account of a member: a phone number."""
    return f"+86 138 {number:08}"


def requests(purpose: str, count: int, accounts: int = MEMBERS) -> Iterator[pb.ResolveAccountRequest]:
    """So many requests for the first so many accounts."""
    chance = dice(purpose)
    for _ in range(count):
        yield pb.ResolveAccountRequest(domain=DOMAIN, external_id=external_id(chance.randrange(accounts)))


async def fill_identity(machine: Machine, dsn: str) -> None:
    """A service that enrols all members."""
    async with service(machine, "identity", dsn) as process, process.client() as client:
        await publish(client, "identity", *DOCUMENTS)
        await enrol_everybody(client)


async def enrol_everybody(client: Client) -> None:
    """Enrol all members, in bulk. Raises RuntimeError when one is refused."""
    firsts = iter(range(0, MEMBERS, ITEMS))

    async def keep_enrolling() -> None:
        for first in firsts:
            answer = await client.identity.BulkResolveAccounts(_enrolments(first))
            refused = [result.error for result in answer.results if result.HasField("error")]
            if refused:
                raise RuntimeError(f"members cannot be enrolled: {refused[0].message}")

    await asyncio.gather(*(keep_enrolling() for _ in range(IN_FLIGHT)))


def _enrolments(first: int) -> pb.BulkResolveAccountsRequest:
    return pb.BulkResolveAccountsRequest(
        requests=[
            pb.ResolveAccountRequest(
                request_id=f"enrol-{number}", domain=DOMAIN, external_id=external_id(number), create_missing=True
            )
            for number in range(first, first + ITEMS)
        ]
    )
