"""resolve-unary: ResolveAccount of accounts that exist, one a call, at random of 100,000."""

from functools import partial

from tests.bench.machine import Machine
from tests.bench.population import MEMBERS
from tests.bench.process import service
from tests.bench.resolving import fill_identity, requests
from tests.bench.result import Result
from tests.bench.unary import MESSAGES, measure_calls

TARGETS = {"grpcio": 0.6, "native": 1.5}


async def measure(machine: Machine, transport: str) -> list[Result]:
    """Calls a second."""
    dsn = await machine.database("identity", partial(fill_identity, machine))
    return [await measure_on(machine, dsn, transport, f"resolve-unary ({transport})")]


async def measure_on(machine: Machine, dsn: str, transport: str, name: str, accounts: int = MEMBERS) -> Result:
    """Calls a second with the first so many accounts of a database."""
    async with service(machine, "identity", dsn, transport=transport) as process:
        result, _ = await measure_calls(
            machine,
            process,
            "tessera.identity.v1.IdentityService/ResolveAccount",
            (request.SerializeToString() for request in requests("unary", MESSAGES[transport], accounts)),
            name,
            TARGETS[transport],
        )
    return result
