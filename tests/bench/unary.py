"""Single calls, 128 in flight, against a bare echo server under the same load."""

from collections.abc import Iterable
from dataclasses import dataclass

from tests.bench import echo
from tests.bench.load import IN_FLIGHT, Load, Measured, run_load, write_messages
from tests.bench.machine import Machine
from tests.bench.process import Process
from tests.bench.result import Result, in_turns

TRANSPORTS = ("grpcio", "native")
MESSAGES = {"grpcio": 80_000, "native": 300_000}
"""More than a transport takes in all rounds."""


@dataclass(slots=True)
class _Sequence:
    """Loads that use up the messages of one file."""

    load: Load
    sent: int = 0
    last: Measured | None = None

    async def rate(self) -> float:
        """The calls a second of the next load."""
        load = Load(**{name: getattr(self.load, name) for name in Load.__slots__} | {"skip": self.sent})
        self.last = await run_load(load)
        self.sent += self.last.sent
        return self.last.rate


async def measure_calls(
    machine: Machine, process: Process, method: str, messages: Iterable[bytes], name: str, target: float
) -> tuple[Result, int]:
    """Calls a second of `method`, each with a message of its own, and of the echo; and how many calls were answered."""
    file = machine.file("messages")
    machine.say("preparing requests")
    count = write_messages(file, messages)
    machine.say("calling")
    async with echo.echo_server() as port:
        ours = _Sequence(Load(process.port, method, process.token, str(file)))
        reference = _Sequence(Load(port, echo.METHOD, process.token, str(file)))

        async def echo_rate() -> float:
            reference.sent = 0
            return await reference.rate()

        rates = await in_turns(ours.rate, echo_rate)
    if ours.sent == count:
        raise RuntimeError(f"all {count} prepared requests were used up: the figure would be too low")
    assert ours.last is not None
    note = f"{IN_FLIGHT} in flight, p50 {ours.last.p50_ms:.1f} ms, p99 {ours.last.p99_ms:.1f} ms"
    return Result(name, rates[0], rates[1], target, "calls/s", note), ours.sent
