"""Services of tests as processes of their own, to be killed."""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from pydantic import SecretStr

from services.chassis.settings import ServiceSettings

PATIENCE_S = 60


@dataclass(slots=True, eq=False)
class ServiceProcess:
    """`python -m MODULE NAME`."""

    process: asyncio.subprocess.Process

    async def serving(self) -> None:
        """Until it says that it serves."""
        assert self.process.stdout is not None
        async with asyncio.timeout(PATIENCE_S):
            async for line in self.process.stdout:
                if json.loads(line)["event"] == "serving":
                    return
        raise AssertionError("the process ended before it served")

    async def kill(self) -> None:
        """kill -9: no chance to finish anything."""
        if self.process.returncode is None:
            self.process.kill()
        await self.process.communicate()


@asynccontextmanager
async def spawn(service: str, settings: ServiceSettings, *module: str) -> AsyncIterator[ServiceProcess]:
    """A process of a service of tests, or of a module, killed at the end if it still lives."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", *(module or ("tests.chassis.ledger_service", service))),
        env={**os.environ, **_environment(settings)},
        stdout=asyncio.subprocess.PIPE,
    )
    running = ServiceProcess(process)
    try:
        yield running
    finally:
        await running.kill()


def _environment(settings: ServiceSettings) -> dict[str, str]:
    given = settings.model_dump(exclude_unset=True, exclude={"service"})
    return {f"TESSERA_{name.upper()}": _text(value) for name, value in given.items()}


def _text(value: Any) -> str:
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    return json.dumps(value) if isinstance(value, dict) else str(value)
