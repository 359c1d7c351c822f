"""check-unary: CheckEntitlement, one a call, members at random of 100,000: a coupon they hold, a quota of a level."""

from tests.bench.checking import DOCUMENTS, fill_benefits, requests
from tests.bench.machine import Machine
from tests.bench.population import publish
from tests.bench.process import service
from tests.bench.result import Result
from tests.bench.unary import MESSAGES, measure_calls

TARGETS = {"grpcio": 0.55, "native": 1.2}


async def measure(machine: Machine, transport: str) -> list[Result]:
    """Calls a second."""
    dsn = await machine.database("benefits", fill_benefits)
    async with service(machine, "benefits", dsn, transport=transport) as process, process.client() as client:
        await publish(client, "benefits", *DOCUMENTS)
        result, _ = await measure_calls(
            machine,
            process,
            "tessera.benefits.v1.BenefitsService/CheckEntitlement",
            (request.SerializeToString() for request in requests("unary", MESSAGES[transport])),
            f"check-unary ({transport})",
            TARGETS[transport],
        )
    return [result]
