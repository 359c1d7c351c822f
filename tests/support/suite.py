"""A suite of real services in this event loop: real databases, real sockets, a virtual clock."""

import asyncio
import importlib
import os
import socket
import uuid
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import grpc
from google.protobuf import struct_pb2
from grpc import aio
from pydantic import SecretStr

from services.chassis.app import Definition, start
from services.chassis.instants import timestamp
from services.chassis.process import Running
from services.chassis.settings import ServiceSettings
from services.chassis.telemetry import Telemetry
from tests.support import access, postgres

SERVICES = ("identity", "points", "tiers", "benefits")
CLOCK_START = datetime(2026, 1, 1, tzinfo=UTC)
DRAIN_DEADLINE_S = 20
OWN_SETTINGS: dict[str, dict[str, Any]] = {
    "identity": {"blind_index_key": SecretStr("11" * 32), "data_key": SecretStr("22" * 32)},
}
"""What single services are told beyond what all are."""
RECORDS = ("points", "tiers", "benefits")
"""The services that identity asks about members."""
TRANSPORT = os.environ.get("TESSERA_TEST_TRANSPORT", "grpcio")
"""The whole suite runs on either transport."""


class _Bearer(aio.UnaryUnaryClientInterceptor, aio.UnaryStreamClientInterceptor):
    """Adds a caller's token to every call."""

    def __init__(self, token: str) -> None:
        self._header = ("authorization", f"Bearer {token}")

    def _with_token(self, details: aio.ClientCallDetails) -> aio.ClientCallDetails:
        metadata = aio.Metadata(*(details.metadata or ()))
        metadata.add(*self._header)
        return details._replace(metadata=metadata)

    async def intercept_unary_unary(self, continuation: Any, details: Any, request: Any) -> Any:
        return await continuation(self._with_token(details), request)

    async def intercept_unary_stream(self, continuation: Any, details: Any, request: Any) -> Any:
        return await continuation(self._with_token(details), request)


class _StreamBearer(aio.UnaryStreamClientInterceptor):
    """The same for streams: a channel takes each interceptor for one kind of call."""

    def __init__(self, inner: _Bearer) -> None:
        self._inner = inner

    async def intercept_unary_stream(self, continuation: Any, details: Any, request: Any) -> Any:
        return await continuation(self._inner._with_token(details), request)


class _UnaryBearer(aio.UnaryUnaryClientInterceptor):
    def __init__(self, inner: _Bearer) -> None:
        self._inner = inner

    async def intercept_unary_unary(self, continuation: Any, details: Any, request: Any) -> Any:
        return await continuation(self._inner._with_token(details), request)


def channel_to(
    address: str, caller: str = access.EVERYTHING, credentials: grpc.ChannelCredentials | None = None
) -> aio.Channel:
    """A channel on which `caller` calls; with TLS when it is given what to show and believe."""
    bearer = _Bearer(access.token(caller))
    options = [("grpc.max_receive_message_length", 64 << 20), ("grpc.use_local_subchannel_pool", 1)]
    interceptors = [_UnaryBearer(bearer), _StreamBearer(bearer)]
    if credentials is None:
        return aio.insecure_channel(address, options=options, interceptors=interceptors)
    return aio.secure_channel(address, credentials, options=options, interceptors=interceptors)


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def definition_of(service: str) -> Definition[Any, Any]:
    """The definition of a service by name."""
    definition: Definition[Any, Any] = importlib.import_module(f"services.{service}.definition").DEFINITION
    return definition


def settings_for(service: str, dsn: str, port: int, ports: Mapping[str, int], **overrides: Any) -> ServiceSettings:
    """Settings of one service of a suite."""
    return settings_of(definition_of(service), dsn, port, ports, **overrides)


def settings_of(
    definition: Definition[Any, Any], dsn: str, port: int, ports: Mapping[str, int], **overrides: Any
) -> ServiceSettings:
    """Settings of a service that a test defines."""
    folder = access.directory()
    values: dict[str, Any] = {
        "service": definition.name,
        "database_dsn": SecretStr(dsn),
        "listen": f"127.0.0.1:{port}",
        "partitions": postgres.PARTITIONS,
        "clock": "virtual",
        "virtual_clock_start": CLOCK_START,
        "transport": TRANSPORT,
        "policy_file": folder / "policy.yaml",
        "jwks_file": folder / "jwks.json",
        "audit_key": SecretStr("33" * 32),
        "page_token_key": SecretStr("page tokens of tests are signed with this"),
        "feeds": {source: f"127.0.0.1:{ports[source]}" for source in definition.follows if source in ports},
        "feed_token_file": folder / "feeds.jwt",
        "drain_grace_s": 2.0,
    }
    if definition.name == "identity":
        values["neighbours"] = {name: f"127.0.0.1:{ports[name]}" for name in RECORDS if name in ports}
    return definition.settings_class(**{**values, **OWN_SETTINGS.get(definition.name, {}), **overrides})


@dataclass
class Suite:
    """Running services and ways to call them."""

    addresses: dict[str, str]
    dsns: dict[str, str]
    definitions: dict[str, Definition[Any, Any]]
    running: dict[str, Running] = field(default_factory=dict)
    credentials: grpc.ChannelCredentials | None = None
    """What its channels show and believe, when its services were told to speak TLS."""
    _channels: dict[tuple[str, str], aio.Channel] = field(default_factory=dict)

    def channel(self, service: str, caller: str = access.EVERYTHING) -> aio.Channel:
        """A channel to a service on which `caller` calls."""
        key = (service, caller)
        if key not in self._channels:
            self._channels[key] = channel_to(self.addresses[service], caller, self.credentials)
        return self._channels[key]

    def stub(self, service: str, caller: str = access.EVERYTHING) -> Any:
        """The stub of a service's own contract."""
        module = importlib.import_module(f"tessera.{service}.v1.{service}_service_pb2_grpc")
        return getattr(module, f"{service.capitalize()}ServiceStub")(self.channel(service, caller))

    @property
    def identity(self) -> Any:
        return self.stub("identity")

    @property
    def points(self) -> Any:
        return self.stub("points")

    @property
    def tiers(self) -> Any:
        return self.stub("tiers")

    @property
    def benefits(self) -> Any:
        return self.stub("benefits")

    def config(self, service: str) -> Any:
        from tessera.config.v1 import config_service_pb2_grpc

        return config_service_pb2_grpc.ConfigServiceStub(self.channel(service))

    def clock(self, service: str) -> Any:
        from tessera.clock.v1 import clock_service_pb2_grpc

        return clock_service_pb2_grpc.ClockServiceStub(self.channel(service))

    def feed(self, service: str) -> Any:
        from tessera.events.v1 import event_feed_pb2_grpc

        return event_feed_pb2_grpc.EventFeedStub(self.channel(service))

    def audit(self, service: str, caller: str = access.EVERYTHING) -> Any:
        """The audit trail of a service."""
        from tessera.audit.v1 import audit_service_pb2_grpc

        return audit_service_pb2_grpc.AuditServiceStub(self.channel(service, caller))

    def records(self, service: str) -> Any:
        """What a service tells of the records of members."""
        from tessera.records.v1 import member_records_pb2_grpc

        return member_records_pb2_grpc.MemberRecordsServiceStub(self.channel(service))

    def lanes(self, service: str) -> Any:
        """The lanes of a service, for tests that hand it commands without a call."""
        return self.running[service].platform.lanes

    async def publish(self, service: str, *documents: Mapping[str, Any]) -> Any:
        """Publish documents {kind, code, programme, spec}."""
        from tessera.config.v1 import config_service_pb2 as pb

        request = pb.PublishDocumentsRequest(request_id=str(uuid.uuid4()))
        for document in documents:
            spec = struct_pb2.Struct()
            spec.update(document["spec"])
            request.documents.append(
                pb.Document(kind=document["kind"], code=document["code"], programme=document["programme"], spec=spec)
            )
        return await self.config(service).PublishDocuments(request)

    async def drain(self) -> None:
        """Wait until every follower has read everything there is."""
        async with asyncio.timeout(DRAIN_DEADLINE_S):
            before: Any = None
            while True:
                positions = await self._positions()
                if positions == before and self._is_drained(positions):
                    return
                before = positions
                await asyncio.sleep(0.002)

    async def _positions(self) -> dict[str, tuple[dict[int, int], dict[str, dict[int, int]]]]:
        from tessera.events.v1 import event_feed_pb2 as pb

        answers = await asyncio.gather(
            *(self.feed(service).GetPositions(pb.GetPositionsRequest()) for service in self.addresses)
        )
        return {
            answer.service: (
                {cursor.partition: cursor.position for cursor in answer.heads if cursor.partition >= 0},
                {f.service: {cursor.partition: cursor.position for cursor in f.cursors} for f in answer.followed},
            )
            for answer in answers
        }

    async def advance(self, to: datetime) -> None:
        """The clock step: drain, advance all services, drain."""
        from tessera.clock.v1 import clock_service_pb2 as pb

        await self.drain()
        request = pb.AdvanceClockRequest(request_id=str(uuid.uuid4()), to=timestamp(to))
        await asyncio.gather(*(self.clock(service).AdvanceClock(request, timeout=60) for service in self.addresses))
        await self.drain()

    async def stop(self, service: str) -> None:
        """Stop one service as a signal would."""
        running = self.running.pop(service)
        await running.server.drain(2.0)
        await running.close()

    async def start(self, service: str, telemetry: Telemetry | None = None, **overrides: Any) -> None:
        """Start one service (again) on its database and address."""
        self.running[service] = await start(self.settings(service, **overrides), self.definitions[service], telemetry)
        await self.running[service].server.start()

    def settings(self, service: str, **overrides: Any) -> ServiceSettings:
        """What a service of this suite is told."""
        ports = {name: int(address.rpartition(":")[2]) for name, address in self.addresses.items()}
        return settings_of(self.definitions[service], self.dsns[service], ports[service], ports, **overrides)

    def _is_drained(self, positions: Mapping[str, tuple[dict[int, int], dict[str, dict[int, int]]]]) -> bool:
        for service, (_, followed) in positions.items():
            for source in self.definitions[service].follows:
                if source not in positions:
                    continue
                cursors = followed.get(source, {})
                if any(cursors.get(partition, 0) < head for partition, head in positions[source][0].items()):
                    return False
        return True


@asynccontextmanager
async def start_suite(
    *services: str, doubles: Mapping[str, Definition[Any, Any]] | None = None, **overrides: Any
) -> AsyncIterator[Suite]:
    """Start services (all four when none is named) on fresh databases; `overrides` are settings of all of them.

    `clock_start` sets the virtual clock's first time; `clock="real"` runs on the real one. `doubles` are services that
    exist in tests alone, by name.
    """
    names: Sequence[str] = services or SERVICES
    if "clock_start" in overrides:
        overrides["virtual_clock_start"] = overrides.pop("clock_start")
    if overrides.get("clock") == "real":
        overrides["virtual_clock_start"] = None
    partitions = overrides.get("partitions", postgres.PARTITIONS)
    definitions = {name: (doubles or {}).get(name) or definition_of(name) for name in names}
    tables = {name: double.metadata for name, double in (doubles or {}).items()}
    dsns = {name: await postgres.new_database(name, partitions, tables.get(name)) for name in names}
    suite = Suite({name: f"127.0.0.1:{free_port()}" for name in names}, dsns, definitions)
    async with AsyncExitStack() as stack:
        for dsn in dsns.values():
            stack.push_async_callback(postgres.drop_database, dsn)
        try:
            for name in names:
                await suite.start(name, **overrides)
            yield suite
        finally:
            for channel in suite._channels.values():
                await channel.close()
            await asyncio.gather(*(suite.stop(name) for name in list(suite.running)))
