"""spend-unary: Spend, one a call, members at random of those with a wallet; most burn two lots, in order of expiry."""

from collections.abc import Iterator

from tessera.points.v1 import points_service_pb2
from tests.bench.machine import Machine, check_booked
from tests.bench.population import DOCUMENTS, DOMAIN, LOTS, WITH_WALLET, dice, fill_points, publish, wire_ids
from tests.bench.process import service
from tests.bench.result import Result
from tests.bench.unary import MESSAGES, measure_calls

TARGETS = {"grpcio": 0.3, "native": 0.8}
AMOUNT = LOTS[0] + LOTS[1] // 2


async def measure(machine: Machine, transport: str) -> list[Result]:
    """Calls a second, each acknowledged after its COMMIT."""
    dsn = await machine.database("points", fill_points)
    async with service(machine, "points", dsn, transport=transport) as process, process.client() as client:
        await publish(client, "points", *DOCUMENTS)
        result, answered = await measure_calls(
            machine,
            process,
            "tessera.points.v1.PointsService/Spend",
            _messages(MESSAGES[transport]),
            f"spend-unary ({transport})",
            TARGETS[transport],
        )
    await check_booked(dsn, "spends", answered)
    return [result]


def _messages(count: int) -> Iterator[bytes]:
    chance = dice("spend")
    for number in range(count):
        member, account = wire_ids(chance.randrange(WITH_WALLET))
        yield points_service_pb2.SpendRequest(
            request_id=f"spend-{number}",
            member_id=member,
            account_id=account,
            domain=DOMAIN,
            unit="points",
            amount=AMOUNT,
            reference=f"order-{number}",
        ).SerializeToString()
