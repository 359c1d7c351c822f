"""Bulk calls of many items, a few in flight, made with gRPC clients as they are: bytes in, bytes out."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from itertools import cycle
from typing import Any

import grpc

from tests.bench.process import MAX_MESSAGE_BYTES, Process

IN_FLIGHT = 4
WORKERS = 3
"""Worker processes of the service: a bulk call keeps one busy from end to end, and PostgreSQL less than one core."""
CONNECTIONS = 16
"""Over which the calls are spread, as those of a few clients would be: each ends at one worker."""
SECONDS = 3.0
TIMEOUT_S = 30.0


@dataclass(slots=True)
class Bulk:
    """Calls of one bulk method that use up prepared messages, of `items` items each."""

    channels: Sequence[grpc.aio.Channel]
    method: str
    token: str
    messages: Sequence[bytes]
    items: int
    count_ok: Callable[[bytes], int]
    """How many items of an answer went well."""
    sent: int = 0
    latencies_s: tuple[float, ...] = ()

    async def items_per_s(self) -> float:
        """Items a second of the calls that begin within a few seconds, until the last of them ends.

        Raises RuntimeError when an item is refused.
        """
        started_s = time.perf_counter()
        latencies_s: list[float] = []
        answers: list[bytes] = []
        calls: Any = cycle([channel.unary_unary(f"/{self.method}") for channel in self.channels])
        metadata = (("authorization", f"Bearer {self.token}"),)

        async def keep_calling() -> None:
            while (begun_s := time.perf_counter()) < started_s + SECONDS:
                if self.sent == len(self.messages):
                    raise RuntimeError(f"all {self.sent} prepared calls were used up: the figure would be too low")
                self.sent += 1
                answers.append(await next(calls)(self.messages[self.sent - 1], timeout=TIMEOUT_S, metadata=metadata))
                latencies_s.append(time.perf_counter() - begun_s)

        await asyncio.gather(*(keep_calling() for _ in range(IN_FLIGHT)))
        ended_s = time.perf_counter()
        refused = sum(self.items - self.count_ok(answer) for answer in answers)
        if refused:
            raise RuntimeError(f"{refused} items of {self.method} were refused")
        self.latencies_s = tuple(sorted(latencies_s))
        return len(answers) * self.items / (ended_s - started_s)

    def note(self, items_per_s: float) -> str:
        """What a person wants to know beside the items a second."""
        p50_ms = self.latencies_s[len(self.latencies_s) // 2] * 1000
        calls = f"{items_per_s / self.items:.0f} calls/s of {self.items}"
        return f"{calls}, {IN_FLIGHT} in flight, {WORKERS} workers, p50 {p50_ms:.0f} ms"


@asynccontextmanager
async def channels_to(process: Process) -> AsyncIterator[Sequence[grpc.aio.Channel]]:
    """Channels to a service, each with a connection of its own."""
    limits = [(f"grpc.max_{way}_message_length", MAX_MESSAGE_BYTES) for way in ("receive", "send")]
    options = [*limits, ("grpc.use_local_subchannel_pool", 1)]
    async with AsyncExitStack() as stack:
        yield [
            await stack.enter_async_context(grpc.aio.insecure_channel(process.address, options=options))
            for _ in range(CONNECTIONS)
        ]
