"""The echo service as a process of its own, started as every service is: `python -m tests.chassis.echo_service`."""

from typing import Any

import structlog

from services.chassis.process import Running, run_service
from services.chassis.rpc import Call
from services.chassis.server import build_server
from services.chassis.settings import ServiceSettings, load_settings
from services.chassis.telemetry import start_telemetry
from tests.chassis.echo import ECHO, Echo, Heard, say_back

LOG = structlog.stdlib.get_logger(__name__)


async def start(settings: ServiceSettings) -> Running:
    async def say(request: Any, call: Call) -> Any:
        if request.text != "until the drain":
            return await say_back(request, call)
        LOG.info("waiting for the drain")
        await server.draining.wait()
        return Heard(text="drained")

    async def close() -> None:
        telemetry.close()
        LOG.info("closed")

    telemetry = start_telemetry(settings)
    server = build_server(settings, telemetry, [(ECHO, Echo(say))])
    return Running(server, close)


if __name__ == "__main__":
    run_service(load_settings(ServiceSettings, "echo"), start)
