"""A service as a process of its own, with the settings that `tessera up` gives it."""

import asyncio
import importlib.util
import json
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import grpc

from tessera import connect
from tessera.client import Client, open_channel
from tessera.up.children import die_with_parent
from tests.bench.machine import ROOT, Machine

HOST = "127.0.0.1"
START_TIMEOUT_S = 30.0
ASK_INTERVAL_S = 0.01
LONGEST_REASON = 200
DRAIN_GRACE_S = 2.0
MAX_MESSAGE_BYTES = 64 << 20
_SERVING = b"\x08\x01"
"""A HealthCheckResponse that says SERVING."""


class Missing(Exception):
    """The service that a row measures is not there or does not start; the text is for people."""


@dataclass(frozen=True, slots=True)
class Process:
    """A service that serves."""

    name: str
    port: int
    pid: int
    token: str

    @property
    def address(self) -> str:
        """host:port."""
        return f"{HOST}:{self.port}"

    def client(self) -> Client:
        """The SDK's client of this service alone."""
        return connect({self.name: self.address}, token=self.token)


@asynccontextmanager
async def service(
    machine: Machine,
    name: str,
    dsn: str,
    *,
    transport: str = "grpcio",
    workers: int = 1,
    feeds: Mapping[str, int] | None = None,
    port: int = 0,
) -> AsyncIterator[Process]:
    """A service on a database of its own, stopped at the end. `feeds` are the ports of those that it follows.

    Raises Missing when it cannot be started.
    """
    if importlib.util.find_spec(f"services.{name}.definition") is None:
        raise Missing(f"there is no {name} service yet")
    port = port or free_port()
    log = machine.layout.log(f"{name}-{port}")
    with log.open("wb") as out:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            f"services.{name}",
            cwd=ROOT,
            env=os.environ | _settings(machine, name, dsn, transport, workers, feeds or {}, port),
            stdout=out,
            stderr=out,
            preexec_fn=die_with_parent(signal.SIGTERM),
        )
    try:
        await _until_serving(process, name, port, log)
        yield Process(name, port, process.pid, machine.token)
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


def _settings(
    machine: Machine, name: str, dsn: str, transport: str, workers: int, feeds: Mapping[str, int], port: int
) -> dict[str, str]:
    settings = {
        "DATABASE_DSN": dsn,
        "PARTITIONS": str(machine.partitions),
        "CLOCK": "real",
        "TRANSPORT": transport,
        "WORKERS": str(workers),
        "LISTEN": f"{HOST}:{port}",
        "METRICS_LISTEN": f"{HOST}:{free_port()}",
        "POLICY_FILE": str(machine.layout.policy),
        "JWKS_FILE": str(machine.layout.jwks),
        "PAGE_TOKEN_KEY": machine.secrets["page_token_key"],
        "AUDIT_KEY": machine.secrets["audit_key"],
        "FEEDS": json.dumps({source: f"{HOST}:{number}" for source, number in feeds.items()}),
        "FEED_TOKEN_FILE": str(machine.layout.token(name)),
        "DRAIN_GRACE_S": str(DRAIN_GRACE_S),
        "BLIND_INDEX_KEY": machine.secrets["blind_index_key"],
        "DATA_KEY": machine.secrets["data_key"],
    }
    return {f"TESSERA_{key}": value for key, value in settings.items()}


async def _until_serving(process: asyncio.subprocess.Process, name: str, port: int, log: Path) -> None:
    waiting = asyncio.create_task(process.wait())
    serving = asyncio.create_task(serving_at(port))
    try:
        await asyncio.wait((waiting, serving), timeout=START_TIMEOUT_S, return_when=asyncio.FIRST_COMPLETED)
        if not serving.done():
            raise Missing(f"{name} does not start: {_last_words(log)}")
    finally:
        waiting.cancel()
        serving.cancel()


def _last_words(log: Path) -> str:
    return log.read_text(errors="replace").strip().rpartition("\n")[2][:LONGEST_REASON]


async def serving_at(port: int, tls: grpc.ChannelCredentials | None = None) -> None:
    """Returns when the service at a port says SERVING."""
    options = [(f"grpc.{which}_reconnect_backoff_ms", 20) for which in ("initial", "min", "max")]
    async with open_channel(f"{HOST}:{port}", tls, options) as channel:
        check: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary("/grpc.health.v1.Health/Check")
        while await _answer(check) != _SERVING:  # noqa: ASYNC110  # it is another process that changes its mind
            await asyncio.sleep(ASK_INTERVAL_S)


async def _answer(check: "grpc.aio.UnaryUnaryMultiCallable[bytes, bytes]") -> bytes:
    try:
        return await check(b"", wait_for_ready=True)
    except grpc.aio.AioRpcError:
        return b""


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def free_ports(count: int) -> int:
    """The first of some ports in a row that nobody listens on now."""
    while True:
        first = free_port()
        try:
            for port in range(first + 1, first + count):
                with socket.socket() as probe:
                    probe.bind((HOST, port))
        except (OSError, OverflowError):
            continue
        return first


def rss_mib(pid: int) -> float:
    """The resident memory of a process."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    raise Missing(f"process {pid} has no resident memory")
