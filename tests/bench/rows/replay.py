"""replay: `tessera run grocer --once`: the year through all four services on a new data directory, and the proofs."""

import asyncio
import json
import sys
from pathlib import Path

from tessera.topology import SERVICES
from tests.bench.machine import ROOT, Machine
from tests.bench.process import free_ports
from tests.bench.result import Result

TARGET_S = 60.0
LAST_LINES = 4


async def measure(machine: Machine) -> list[Result]:
    """Seconds of the replay. Raises RuntimeError when a proof does not hold."""
    machine.say("replaying a year")
    data = machine.file("replay")
    process = await asyncio.create_subprocess_exec(
        str(Path(sys.executable).with_name("tessera")),
        "run",
        "grocer",
        "--once",
        f"--data={data}",
        f"--port={free_ports(len(SERVICES))}",
        "--metrics-port=0",
        "--output=json",
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        cwd=ROOT,
    )
    out, errors = await process.communicate()
    machine.forget(data)
    if process.returncode:
        raise RuntimeError(" ".join(errors.decode().split("\n")[-LAST_LINES:]).strip())
    answer = json.loads(out)
    note = f"{answer['figures']['activities']:,} activities, {len(answer['proofs'])} proofs hold"
    return [Result("replay", answer["seconds"], None, TARGET_S, "s", note)]
