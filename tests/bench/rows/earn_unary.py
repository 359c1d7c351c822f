"""earn-unary: RecordActivity, one a call, members at random of 100,000."""

from tests.bench.activities import requests
from tests.bench.machine import Machine, check_booked
from tests.bench.population import DOCUMENTS, fill_points, publish
from tests.bench.process import service
from tests.bench.result import Result
from tests.bench.unary import MESSAGES, measure_calls

TARGETS = {"grpcio": 0.35, "native": 1.0}


async def measure(machine: Machine, transport: str) -> list[Result]:
    """Calls a second, each acknowledged after its COMMIT."""
    dsn = await machine.database("points", fill_points)
    async with service(machine, "points", dsn, transport=transport) as process, process.client() as client:
        await publish(client, "points", *DOCUMENTS)
        messages = (request.SerializeToString() for request in requests("unary", MESSAGES[transport]))
        result, answered = await measure_calls(
            machine,
            process,
            "tessera.points.v1.PointsService/RecordActivity",
            messages,
            f"earn-unary ({transport})",
            TARGETS[transport],
        )
    await check_booked(dsn, "activities", answered)
    return [result]
