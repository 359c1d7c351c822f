"""A service as a process: it serves, drains on a signal, and keeps its workers alive."""

import asyncio
import json
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from grpc import aio
from grpc_health.v1 import health_pb2, health_pb2_grpc

from tests.chassis.echo import SERVICE, Heard, Say
from tests.chassis.edge import POLICY, Issuer

ROOT = Path(__file__).parents[2]
PATIENCE_S = 30


@dataclass(slots=True)
class Process:
    """`python -m tests.chassis.echo_service`, and what it said so far."""

    process: asyncio.subprocess.Process
    address: str
    issuer: Issuer

    async def said(self, event: str) -> dict[str, object]:
        """The next line with that event."""
        assert self.process.stdout is not None
        async for line in self.process.stdout:
            parsed: dict[str, object] = json.loads(line)
            if parsed["event"] == event:
                return parsed
        raise AssertionError(f"the process ended without saying {event!r}")

    async def exit_code(self) -> int:
        return await asyncio.wait_for(self.process.wait(), PATIENCE_S)

    async def say(self, text: str) -> str:
        async with aio.insecure_channel(self.address) as channel:
            stub = channel.unary_unary(f"/{SERVICE}/Say", Say.SerializeToString, Heard.FromString)
            heard = await stub(Say(text=text), metadata=self.issuer.bearer(), timeout=PATIENCE_S)
            return str(heard.text)


@asynccontextmanager
async def started(directory: Path, **environment: str) -> AsyncIterator[Process]:
    issuer = Issuer(directory)
    (directory / "policy.yaml").write_text(POLICY)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.chassis.echo_service",
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "clients" / "python")]),
            "TESSERA_DATABASE_DSN": "postgresql://nobody@localhost/none",
            "TESSERA_LISTEN": address,
            "TESSERA_POLICY_FILE": str(directory / "policy.yaml"),
            "TESSERA_JWKS_FILE": str(issuer.jwks_file),
            "TESSERA_PAGE_TOKEN_KEY": "k" * 32,
            **environment,
        },
    )
    try:
        yield Process(process, address, issuer)
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("transport", ["grpcio", "native"])
async def test_a_signal_lets_the_call_in_flight_finish(tmp_path: Path, transport: str, number: signal.Signals) -> None:
    async with started(tmp_path, TESSERA_TRANSPORT=transport) as process:
        await process.said("serving")
        slow = asyncio.ensure_future(process.say("until the drain"))
        await process.said("waiting for the drain")
        process.process.send_signal(number)
        await process.said("draining")
        assert await slow == "drained"
        await process.said("closed")
        assert await process.exit_code() == 0


async def test_mistakes_in_the_environment_end_the_process_with_code_2(tmp_path: Path) -> None:
    async with started(tmp_path, TESSERA_PARTITIONS="12") as process:
        assert await process.exit_code() == 2


@pytest.mark.parametrize(
    ("setting", "reason"), [("LISTEN", "cannot listen on"), ("METRICS_LISTEN", "cannot serve metrics on")]
)
async def test_a_port_in_use_ends_the_process_with_a_reason(tmp_path: Path, setting: str, reason: str) -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        address = f"127.0.0.1:{holder.getsockname()[1]}"
        async with started(tmp_path, **{f"TESSERA_{setting}": address}) as process:
            assert f"{reason} {address}" in str((await process.said("cannot start"))["reason"])
            assert await process.exit_code() == 1


@pytest.mark.parametrize("transport", ["grpcio", "native"])
async def test_workers_share_the_port_and_go_together(tmp_path: Path, transport: str) -> None:
    async with started(tmp_path, TESSERA_WORKERS="2", TESSERA_TRANSPORT=transport) as process:
        assert {(await process.said("serving"))["worker"] for _ in range(2)} == {0, 1}
        async with aio.insecure_channel(process.address) as channel:
            health = health_pb2_grpc.HealthStub(channel)
            answer = await health.Check(health_pb2.HealthCheckRequest(), timeout=PATIENCE_S)
            assert answer.status == health_pb2.HealthCheckResponse.SERVING
        process.process.terminate()
        await process.said("closed")
        await process.said("closed")
        assert await process.exit_code() == 0


async def test_a_worker_that_dies_is_replaced(tmp_path: Path) -> None:
    async with started(tmp_path, TESSERA_WORKERS="2") as process:
        first = await process.said("serving")
        await process.said("serving")
        os.kill(int(str(first["pid"])), signal.SIGKILL)
        assert (await process.said("worker died"))["worker"] == first["worker"]
        assert (await process.said("serving"))["worker"] == first["worker"]
        process.process.terminate()
        assert await process.exit_code() == 0


async def test_workers_go_when_their_supervisor_is_killed(tmp_path: Path) -> None:
    async with started(tmp_path, TESSERA_WORKERS="2") as process:
        await process.said("serving")
        await process.said("serving")
        process.process.kill()
        await process.said("closed")
        await process.said("closed")
