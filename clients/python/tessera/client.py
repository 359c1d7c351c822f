"""One client for the whole suite."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self, cast

import grpc

from tessera.audit.v1.audit_service_pb2_grpc import AuditServiceStub
from tessera.benefits.v1.benefits_service_pb2_grpc import BenefitsServiceStub
from tessera.clock.v1.clock_service_pb2_grpc import ClockServiceStub
from tessera.config.v1.config_service_pb2_grpc import ConfigServiceStub
from tessera.events.v1.event_feed_pb2_grpc import EventFeedStub
from tessera.identity.v1.identity_service_pb2_grpc import IdentityServiceStub
from tessera.methods import Method, MethodChannel, Session
from tessera.points.v1.points_service_pb2_grpc import PointsServiceStub
from tessera.positions import Positions
from tessera.suite import TOKEN_VARIABLE, caller_of, credentials, read_suite
from tessera.tiers.v1.tiers_service_pb2_grpc import TiersServiceStub

DEFAULT_TIMEOUT_S = 10.0
MAX_MESSAGE_BYTES = 64 * 1024 * 1024
"""More than any answer: a page of the largest records stays below 20 MiB."""

_CHANNEL_OPTIONS: tuple[tuple[str, Any], ...] = (
    ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
    ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
    # A service that restarts is found again at once, and not after the minutes that gRPC may wait.
    ("grpc.initial_reconnect_backoff_ms", 50),
    ("grpc.min_reconnect_backoff_ms", 50),
    ("grpc.max_reconnect_backoff_ms", 1000),
)


class Client:
    """Typed stubs of all services. Every call has a deadline, is retried when that is safe, and raises `tessera.Error`.

    Made inside a running event loop, used in it alone, and closed at the end (`async with`).
    """

    def __init__(
        self,
        addresses: Mapping[str, str],
        token: str,
        timeout_s: float = DEFAULT_TIMEOUT_S,
        tls: grpc.ChannelCredentials | None = None,
    ) -> None:
        """`tls` is what is shown to the services and believed of them, when they speak TLS."""
        session = Session((("authorization", f"Bearer {token}"),), Positions(), timeout_s)
        self._channels = {
            service: open_channel(address, tls, _CHANNEL_OPTIONS) for service, address in addresses.items()
        }
        self._methods = {
            service: cast("grpc.aio.Channel", MethodChannel(service, channel, session))
            for service, channel in self._channels.items()
        }
        if "identity" in addresses:
            self.identity = IdentityServiceStub(self._methods["identity"])
        if "points" in addresses:
            self.points = PointsServiceStub(self._methods["points"])
        if "tiers" in addresses:
            self.tiers = TiersServiceStub(self._methods["tiers"])
        if "benefits" in addresses:
            self.benefits = BenefitsServiceStub(self._methods["benefits"])
        self.services = tuple(addresses)
        """The names of the services it reaches."""

    def config(self, service: str) -> ConfigServiceStub:
        """The configuration of one service."""
        return ConfigServiceStub(self._methods[service])

    def clock(self, service: str) -> ClockServiceStub:
        """The clock of one service."""
        return ClockServiceStub(self._methods[service])

    def audit(self, service: str) -> AuditServiceStub:
        """The audit trail of one service."""
        return AuditServiceStub(self._methods[service])

    def feed(self, service: str) -> EventFeedStub:
        """The event feed of one service."""
        return EventFeedStub(self._methods[service])

    def method(self, service: str, name: str) -> Method[Any]:
        """A unary method of a service's own contract; its `send` takes requests that are already serialised."""
        method = getattr(getattr(self, service), name)
        if not isinstance(method, Method):
            raise TypeError(f"{service}.{name} is not a unary method")
        return method

    async def close(self) -> None:
        """Ends all calls and connections."""
        for channel in self._channels.values():
            await channel.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()


def open_channel(
    address: str, tls: grpc.ChannelCredentials | None, options: Sequence[tuple[str, Any]]
) -> grpc.aio.Channel:
    """A channel, with TLS when it is told what to show and believe."""
    if tls is None:
        return grpc.aio.insecure_channel(address, options=options)
    return grpc.aio.secure_channel(address, tls, options=options)


def connect(
    addresses: Mapping[str, str] | None = None,
    *,
    token: str | None = None,
    token_file: Path | None = None,
    suite_file: Path | None = None,
    timeout_s: float = DEFAULT_TIMEOUT_S,
    tls: grpc.ChannelCredentials | None = None,
) -> Client:
    """A client of the services at `addresses` (host:port); by default of the suite that `tessera up` started.

    `tls` is for services that speak TLS: `grpc.ssl_channel_credentials` of their authority, and of the caller's own key
    and certificate. Those of a suite are taken from it. The token is `token`, or what `token_file` holds, or
    $TESSERA_TOKEN, or the operator's of the suite. Raises NoSuite when addresses or token would have to come from a
    suite and there is none.
    """
    given = token or (token_file.read_text().strip() if token_file else None) or os.environ.get(TOKEN_VARIABLE)
    if addresses is not None and given:
        return Client(addresses, given, timeout_s, tls)
    suite = read_suite(suite_file)
    known = given or Path(suite.token_file).read_text().strip()
    if addresses is None and tls is None and suite.tls:
        tls = credentials(Path(suite.tls), caller_of(known))
    return Client(addresses or suite.addresses, known, timeout_s, tls)
