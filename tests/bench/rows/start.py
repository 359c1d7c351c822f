"""start: what `make run` starts, from nothing to all four services SERVING, and how much memory each has then."""

import asyncio
import os
import signal
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import grpc

from tessera.suite import SUITE_FILE, credentials, read_suite
from tessera.topology import SERVICES
from tessera.up.secrets import OPERATOR
from tests.bench.machine import ROOT, Machine
from tests.bench.process import ASK_INTERVAL_S, Missing, free_ports, rss_mib, serving_at
from tests.bench.result import Result

TARGET_S = 4.0
TARGET_MIB = 130.0
TIMEOUT_S = 60.0


async def measure(machine: Machine) -> list[Result]:
    """Seconds, and mebibytes of each service."""
    port = free_ports(len(SERVICES))
    data = machine.file("start")
    started_s = time.perf_counter()
    async with _suite(machine, data, port) as pid:
        async with asyncio.timeout(TIMEOUT_S):
            tls = await _certified(data)
            await asyncio.gather(*(serving_at(port + number, tls) for number in range(len(SERVICES))))
        seconds = time.perf_counter() - started_s
        memory = {name: rss_mib(_service_pid(pid, name)) for name in SERVICES}
    machine.forget(data)
    return [
        Result("start", seconds, None, TARGET_S, "s", "on a new data directory: databases and migrations included"),
        *(Result(f"memory ({name})", mib, None, TARGET_MIB, "MiB") for name, mib in memory.items()),
    ]


@asynccontextmanager
async def _suite(machine: Machine, data: Path, port: int) -> AsyncIterator[int]:
    """What `make run` runs, on a new data directory, given as its process."""
    log = machine.layout.log("start")
    with log.open("wb") as out:
        process = await asyncio.create_subprocess_exec(
            str(Path(sys.executable).with_name("tessera")),
            "run",
            "grocer",
            f"--data={data}",
            f"--port={port}",
            "--metrics-port=0",
            stdout=out,
            stderr=out,
            cwd=ROOT,
        )
    try:
        yield process.pid
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGINT)
        await process.wait()


async def _certified(data: Path) -> grpc.ChannelCredentials:
    """What the operator of the suite shows to its services, as soon as the suite tells where it is."""
    while not (data / SUITE_FILE).exists():  # noqa: ASYNC110  # it is another process that writes it
        await asyncio.sleep(ASK_INTERVAL_S)
    return credentials(Path(read_suite(data).tls), OPERATOR)


def _service_pid(parent: int, name: str) -> int:
    """The process of a service, a child of the suite's. Raises Missing."""
    for entry in os.listdir("/proc"):
        if entry.isdecimal() and _is_service(int(entry), parent, name):
            return int(entry)
    raise Missing(f"{name} is no child of the suite")


def _is_service(pid: int, parent: int, name: str) -> bool:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
        arguments = Path(f"/proc/{pid}/cmdline").read_bytes().rstrip(b"\0").split(b"\0")
    except OSError:
        return False
    return int(stat.rpartition(")")[2].split()[1]) == parent and arguments[-1].decode().rpartition(".")[2] == name
