"""`python -m tests.bench.load`: the load generator, a process of its own.

It reads a `Load` as JSON from stdin, calls one method with prepared messages, so many calls in flight, and prints what
it measured as JSON. Given a rate it starts calls at that rate instead, as far as the calls in flight allow.
"""

import asyncio
import json
import selectors
import sys
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from tests.bench.http2 import Connection, prepared, request_headers

IN_FLIGHT = 128
CONNECTIONS = 4
"""Over which the calls in flight are spread, as those of a few client processes would be."""
DEADLINE = "10S"
LENGTH_BYTES = 4
SHORTEST_WAIT_S = 0.002
LONGEST_WAIT_S = 0.2
GIVE_UP_S = 15.0


@dataclass(frozen=True, slots=True)
class Load:
    """What to call. `messages` is a file of messages, each after its length in four bytes."""

    port: int
    method: str
    """`package.Service/Method`."""
    token: str
    messages: str
    skip: int = 0
    """How many messages were used before."""
    warmup_s: float = 0.5
    """Not measured."""
    seconds: float = 2.0
    """How long calls are begun after the warm-up, unless the messages run out before."""
    rate: float = 0.0
    """Calls begun a second; 0 begins one whenever one ends."""
    replies: str = ""
    """File to which the messages of all answers are written, in the order of their arrival; none are kept without."""
    in_flight: int = IN_FLIGHT


@dataclass(frozen=True, slots=True)
class Measured:
    """What a load measured. Calls of the warm-up count as sent, not as done."""

    sent: int
    failed: int
    done: int
    seconds: float
    p50_ms: float
    p99_ms: float

    @property
    def rate(self) -> float:
        """Calls a second."""
        return self.done / self.seconds


async def run_load(load: Load) -> Measured:
    """Run a load in a process of its own. Raises RuntimeError when a call failed or the generator did."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.bench.load",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, errors = await process.communicate(json.dumps(asdict(load)).encode())
    if process.returncode:
        raise RuntimeError(f"the load generator failed: {errors.decode().strip().rpartition(chr(10))[2]}")
    measured = Measured(**json.loads(out))
    if measured.failed:
        raise RuntimeError(f"{measured.failed} of {measured.sent} calls of {load.method} failed")
    return measured


def write_messages(file: Path, messages: Iterable[bytes]) -> int:
    """Write messages for a load; returns how many."""
    count = 0
    with file.open("wb") as out:
        for message in messages:
            out.write(len(message).to_bytes(LENGTH_BYTES, "big"))
            out.write(message)
            count += 1
    return count


def read_messages(file: Path) -> list[bytes]:
    """The messages of a file, or of the answers that a load kept."""
    data, offset, messages = file.read_bytes(), 0, []
    while offset < len(data):
        start = offset + LENGTH_BYTES
        offset = start + int.from_bytes(data[offset:start], "big")
        messages.append(data[start:offset])
    return messages


class _Generator:
    """Keeps calls in flight on some connections."""

    def __init__(self, load: Load) -> None:
        self._load = load
        self._bodies = [prepared(message) for message in read_messages(Path(load.messages))[load.skip :]]
        self._bodies.reverse()
        self._available = len(self._bodies)
        self._selector = selectors.DefaultSelector()
        headers = request_headers(f"127.0.0.1:{load.port}", f"/{load.method}", load.token, DEADLINE)
        self._connections = [self._connect(headers) for _ in range(CONNECTIONS)]
        self._begun_at: dict[tuple[int, int], float] = {}
        self._latencies: list[float] = []
        self._replies: list[bytes] = []
        self.failed = 0
        self._starts_s = time.perf_counter()
        self._measures_from_s = self._starts_s + load.warmup_s
        self._ends_s = self._measures_from_s + load.seconds

    def _connect(self, headers: tuple[bytes, bytes]) -> Connection:
        number = len(self._selector.get_map())

        def finished(stream: int, is_ok: bool, message: bytes) -> None:
            self._finish((number, stream), is_ok, message)

        connection = Connection("127.0.0.1", self._load.port, headers, finished, keep=bool(self._load.replies))
        self._selector.register(connection.socket, selectors.EVENT_READ, connection)
        return connection

    def run(self) -> Measured:
        """Begin calls until the time is over or the messages are used up, and wait for the last answers."""
        last_s = self._measures_from_s
        while True:
            self._begin_calls()
            for connection in self._connections:
                self._flush(connection)
            if not self._begun_at and (not self._bodies or time.perf_counter() >= self._ends_s):
                break
            waits_s = SHORTEST_WAIT_S if self._load.rate else LONGEST_WAIT_S
            for key, _ in self._selector.select(waits_s):
                key.data.receive()
            now = time.perf_counter()
            last_s = min(now, self._ends_s)
            if now > self._ends_s + GIVE_UP_S:
                raise TimeoutError(f"{len(self._begun_at)} calls were not answered")
        if self._load.replies:
            write_messages(Path(self._load.replies), self._replies)
        return self._measured(last_s - self._measures_from_s)

    def _begin_calls(self) -> None:
        now = time.perf_counter()
        if now >= self._ends_s:
            return
        wanted = self._load.in_flight - len(self._begun_at)
        if self._load.rate:
            begun = self._available - len(self._bodies)
            wanted = min(wanted, int((now - self._starts_s) * self._load.rate) - begun)
        for _ in range(min(wanted, len(self._bodies))):
            number = len(self._bodies) % CONNECTIONS
            stream = self._connections[number].call(self._bodies.pop())
            self._begun_at[number, stream] = now

    def _finish(self, call: tuple[int, int], is_ok: bool, message: bytes) -> None:
        begun_s = self._begun_at.pop(call)
        now = time.perf_counter()
        if not is_ok:
            self.failed += 1
        elif self._measures_from_s <= now <= self._ends_s:
            self._latencies.append(now - begun_s)
        if self._load.replies:
            self._replies.append(message[5:])

    def _flush(self, connection: Connection) -> None:
        had_unsent = bool(connection.unsent)
        connection.flush()
        if bool(connection.unsent) != had_unsent:
            events = selectors.EVENT_READ | (selectors.EVENT_WRITE if connection.unsent else 0)
            self._selector.modify(connection.socket, events, connection)

    def _measured(self, seconds: float) -> Measured:
        latencies = sorted(self._latencies)
        done = len(latencies)
        return Measured(
            sent=self._available - len(self._bodies),
            failed=self.failed,
            done=done,
            seconds=seconds,
            p50_ms=latencies[done // 2] * 1000 if done else 0.0,
            p99_ms=latencies[done * 99 // 100] * 1000 if done else 0.0,
        )


def main() -> None:
    """Run the load that stdin describes."""
    print(json.dumps(asdict(_Generator(Load(**json.load(sys.stdin))).run())))


if __name__ == "__main__":
    main()
