"""hold-capture: Hold, then CaptureHold of what was held, one a call, members at random of those with a wallet."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from services.chassis.instants import timestamp
from tessera.points.v1 import points_service_pb2
from tests.bench.echo import METHOD, echo_server
from tests.bench.load import Load, read_messages, run_load, write_messages
from tests.bench.machine import Machine, check_booked
from tests.bench.population import DOCUMENTS, DOMAIN, LOTS, WITH_WALLET, dice, fill_points, publish, wire_ids
from tests.bench.process import Process, service
from tests.bench.result import Result, in_turns
from tests.bench.unary import MESSAGES

TARGETS = {"grpcio": 0.3, "native": 0.8}
AMOUNT = LOTS[0] + LOTS[1] // 2
SECONDS = 1.0
"""Of holding, and again of capturing."""
SERVICE = "tessera.points.v1.PointsService"


async def measure(machine: Machine, transport: str) -> list[Result]:
    """Calls a second, holds and captures taken together, each acknowledged after its COMMIT."""
    dsn = await machine.database("points", fill_points)
    async with service(machine, "points", dsn, transport=transport) as process, process.client() as client:
        await publish(client, "points", *DOCUMENTS)
        pairs = _Pairs(machine, process, MESSAGES[transport])
        async with echo_server() as port:
            echo = Load(port, METHOD, process.token, str(pairs.holds))

            async def echo_rate() -> float:
                return (await run_load(echo)).rate

            machine.say("calling")
            rates = await in_turns(pairs.rate, echo_rate)
    await check_booked(dsn, "spends", pairs.captured)
    return [Result(f"hold-capture ({transport})", rates[0], rates[1], TARGETS[transport], "calls/s")]


class _Pairs:
    """Holds, and captures of exactly these."""

    def __init__(self, machine: Machine, process: Process, count: int) -> None:
        machine.say("preparing requests")
        self.holds = machine.file("holds")
        self._captures = machine.file("captures")
        self._replies = machine.file("replies")
        self._process = process
        self._held = 0
        self.captured = 0
        write_messages(self.holds, _holds(count))

    async def rate(self) -> float:
        """Calls a second of the next holds and of their captures: as many calls as both did in the time both took."""
        holding = await run_load(self._load("Hold", self.holds, skip=self._held, replies=str(self._replies)))
        self._held += holding.sent
        answers = [points_service_pb2.HoldResponse.FromString(reply) for reply in read_messages(self._replies)]
        write_messages(self._captures, _captures([answer.hold_id for answer in answers]))
        capturing = await run_load(self._load("CaptureHold", self._captures))
        self.captured += capturing.sent
        return 2 / (1 / holding.rate + 1 / capturing.rate)

    def _load(self, method: str, messages: object, skip: int = 0, replies: str = "") -> Load:
        return Load(
            self._process.port,
            f"{SERVICE}/{method}",
            self._process.token,
            str(messages),
            skip=skip,
            seconds=SECONDS,
            replies=replies,
        )


def _holds(count: int) -> Iterator[bytes]:
    chance = dice("hold")
    expires_at = timestamp(datetime.now(UTC) + timedelta(hours=1))
    for number in range(count):
        member, account = wire_ids(chance.randrange(WITH_WALLET))
        yield points_service_pb2.HoldRequest(
            request_id=f"hold-{number}",
            member_id=member,
            account_id=account,
            domain=DOMAIN,
            unit="points",
            amount=AMOUNT,
            reference=f"order-{number}",
            expires_at=expires_at,
        ).SerializeToString()


def _captures(hold_ids: list[str]) -> Iterator[bytes]:
    for hold_id in hold_ids:
        yield points_service_pb2.CaptureHoldRequest(
            request_id=f"capture-{hold_id}", hold_id=hold_id, amount=AMOUNT
        ).SerializeToString()
