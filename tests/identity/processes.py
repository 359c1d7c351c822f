"""Identity as a process of its own, beside the one in the test's event loop."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from pydantic import SecretStr

from tessera.identity.v1 import identity_service_pb2_grpc
from tests.support.suite import Suite, channel_to, free_port, settings_for

PATIENCE_S = 20


@dataclass(slots=True)
class Process:
    """A running process, and what it has printed once it has ended."""

    stub: identity_service_pb2_grpc.IdentityServiceStub
    output: bytes = b""


@asynccontextmanager
async def process_of(suite: Suite, **environment: str) -> AsyncIterator[Process]:
    """Another process that serves identity on the suite's database."""
    port = free_port()
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "services.identity",
        env={**os.environ, **_environment(suite, port), **environment},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    ended = asyncio.create_task(process.communicate())
    channel = channel_to(f"127.0.0.1:{port}")
    running = Process(identity_service_pb2_grpc.IdentityServiceStub(channel))
    try:
        await asyncio.wait_for(channel.channel_ready(), PATIENCE_S)
        yield running
    finally:
        await channel.close()
        process.terminate()
        running.output, _ = await asyncio.wait_for(ended, PATIENCE_S)


def _environment(suite: Suite, port: int) -> dict[str, str]:
    settings = settings_for("identity", suite.dsns["identity"], port, {})
    given = settings.model_dump(exclude_unset=True, exclude={"service", "feeds"})
    return {
        f"TESSERA_{name.upper()}": value.get_secret_value() if isinstance(value, SecretStr) else str(value)
        for name, value in given.items()
    }
