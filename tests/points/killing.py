"""A process of the service that is killed while it is asked for something."""

import asyncio
from collections.abc import Sequence
from typing import Any

from tessera.points.v1 import points_service_pb2_grpc
from tests.chassis.processes import spawn
from tests.points.builders import Shop
from tests.support.suite import channel_to, free_port, settings_for


async def until_killed(shop: Shop, method: str, requests: Sequence[Any]) -> list[Any]:
    """What a process answered that was killed with its first answer, and why it did not where it did not."""
    port = free_port()
    settings = settings_for("points", shop.suite.dsns["points"], port, {})
    async with spawn("points", settings, "services.points") as process:
        await process.serving()
        channel = channel_to(f"127.0.0.1:{port}")
        stub = points_service_pb2_grpc.PointsServiceStub(channel)
        calls = [asyncio.ensure_future(getattr(stub, method)(request)) for request in requests]
        await asyncio.wait(calls, return_when=asyncio.FIRST_COMPLETED)
        await process.kill()
        ended = await asyncio.gather(*calls, return_exceptions=True)
        await channel.close()
    return ended
