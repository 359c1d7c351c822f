"""The standard health protocol: what load balancers, orchestrators and clients ask before they send calls."""

import asyncio
from collections.abc import Iterable

from grpc import StatusCode, aio
from grpc_health.v1 import health_pb2, health_pb2_grpc

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING
SERVICE_UNKNOWN = health_pb2.HealthCheckResponse.SERVICE_UNKNOWN

Context = aio.ServicerContext[health_pb2.HealthCheckRequest, health_pb2.HealthCheckResponse]


class Health(health_pb2_grpc.HealthServicer):
    """One status for the process and each of its services; NOT_SERVING until told otherwise.

    Watchers are let go when the process drains, so that an open watch does not use up the grace.
    """

    def __init__(self, services: Iterable[str]) -> None:
        self._names = frozenset({"", *services})
        self._status: int = NOT_SERVING
        self._changed = asyncio.Event()
        self._draining = False

    def serve(self) -> None:
        """Says SERVING from now on; without effect once the process drains."""
        if not self._draining:
            self._set(SERVING)

    def stop_serving(self) -> None:
        """Says NOT_SERVING for good, and ends every watch after it has said so."""
        self._draining = True
        self._set(NOT_SERVING)

    async def Check(self, request: health_pb2.HealthCheckRequest, context: Context) -> health_pb2.HealthCheckResponse:
        """The status of one service, or of the process for the empty name; NOT_FOUND for others."""
        if request.service not in self._names:
            await context.abort(StatusCode.NOT_FOUND, "unknown service")
        return health_pb2.HealthCheckResponse(status=self._status)

    async def Watch(self, request: health_pb2.HealthCheckRequest, context: Context) -> None:
        """The status now and after each change, until the process drains."""
        while True:
            changed, draining = self._changed, self._draining
            status = self._status if request.service in self._names else SERVICE_UNKNOWN
            await context.write(health_pb2.HealthCheckResponse(status=status))
            if draining:
                return
            await changed.wait()

    def _set(self, status: int) -> None:
        self._status = status
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()
