"""The server object, and the only place that knows which transport serves."""

import asyncio
import importlib
from collections.abc import Sequence
from typing import Any

from google.protobuf.descriptor import ServiceDescriptor
from grpc import aio
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from services.chassis.access import AccessPolicy
from services.chassis.audit.trail import Trail
from services.chassis.certificates import Certificates, certificates_of
from services.chassis.health import Health
from services.chassis.identification import Identification
from services.chassis.in_flight import CallsInFlight
from services.chassis.rpc import Pipeline, add_service
from services.chassis.settings import ServiceSettings
from services.chassis.telemetry import Telemetry
from services.chassis.tokens import TokenVerifier

KEEPALIVE_TIME_MS = 60_000
"""Below the idle limits of common load balancers."""

ANSWER_PAUSE_S = 0.1
"""The native transport leaves answers to threads of its own, and closes their connections without waiting for them."""

Service = tuple[ServiceDescriptor, object]
"""The descriptor of a contract's service, and the object that has its methods."""


class ServerError(Exception):
    """The server cannot be built or bound as the settings say."""


class Server:
    """A bound server: `start` it, let it serve, `drain` it."""

    def __init__(
        self, grpc_server: aio.Server, health: Health, in_flight: CallsInFlight, address: str, *, closes_at_once: bool
    ) -> None:
        """`closes_at_once` says that the transport closes connections before all answers have left."""
        self._grpc_server = grpc_server
        self._health = health
        self._in_flight = in_flight
        self._closes_at_once = closes_at_once
        self.address = address
        self.draining = asyncio.Event()
        """Set when the server begins to drain: a handler that waits for news answers with what it has."""

    async def start(self) -> None:
        """Accepts calls and says SERVING."""
        await self._grpc_server.start()
        self._health.serve()

    async def drain(self, grace_s: float) -> None:
        """Says NOT_SERVING, takes no more calls, returns when those in flight have ended or `grace_s` has passed."""
        self._health.stop_serving()
        self._in_flight.is_refusing = True
        self.draining.set()
        if self._closes_at_once and grace_s > 0:
            await self._in_flight.ended(grace_s)
            await asyncio.sleep(ANSWER_PAUSE_S)
            grace_s = 0.0
        await self._grpc_server.stop(grace_s)


def build_server(
    settings: ServiceSettings, telemetry: Telemetry, services: Sequence[Service], trail: Trail | None = None
) -> Server:
    """A server of all `services` with health and reflection, bound to `settings.listen` and not yet started.

    Calls are kept in the audit trail, where there is one.

    Raises ServerError when the address or the transport cannot be had, CertificateError for a certificate that cannot
    be used, PolicyError for a policy file with mistakes, MissingPermission and UnservableMethod for a contract that
    cannot be served.
    """
    certificates = certificates_of(settings)
    grpc_server = _transport(settings)
    in_flight = CallsInFlight()
    pipeline = _pipeline(settings, telemetry, in_flight, trail, by_certificate=certificates is not None)
    for descriptor, servicer in services:
        add_service(grpc_server, pipeline, descriptor, servicer)
    names = [descriptor.full_name for descriptor, _ in services]
    health = Health(names)
    health_pb2_grpc.add_HealthServicer_to_server(health, grpc_server)
    health_name = health_pb2.DESCRIPTOR.services_by_name["Health"].full_name
    reflection.enable_server_reflection([*names, health_name, reflection.SERVICE_NAME], grpc_server)
    address = _bind(grpc_server, settings.listen, certificates)
    return Server(grpc_server, health, in_flight, address, closes_at_once=settings.transport == "native")


def _transport(settings: ServiceSettings) -> aio.Server:
    options: list[tuple[str, Any]] = [
        ("grpc.max_receive_message_length", settings.max_message_bytes),
        ("grpc.max_send_message_length", settings.max_message_bytes),
        ("grpc.keepalive_time_ms", KEEPALIVE_TIME_MS),
        # A port that somebody else holds is a mistake, unless it is shared with the workers of this service.
        ("grpc.so_reuseport", int(settings.worker_index is not None)),
    ]
    if settings.transport == "native":
        return _native_server(options)
    if settings.max_connection_age_s is not None:
        options.append(("grpc.max_connection_age_ms", settings.max_connection_age_s * 1000))
        options.append(("grpc.max_connection_age_grace_ms", int(settings.max_deadline_s * 1000)))
    return aio.server(options=options)


def _native_server(options: list[tuple[str, Any]]) -> aio.Server:
    try:
        native = importlib.import_module("pygrpc_native.aio")
    except ModuleNotFoundError as error:
        raise ServerError("TESSERA_TRANSPORT=native needs the extra: pip install 'tessera[native]'") from error
    server: aio.Server = native.server(options=options)
    return server


def _pipeline(
    settings: ServiceSettings,
    telemetry: Telemetry,
    in_flight: CallsInFlight,
    trail: Trail | None,
    *,
    by_certificate: bool,
) -> Pipeline:
    policy = AccessPolicy.load(settings.policy_file)
    return Pipeline(
        identification=Identification(
            TokenVerifier(policy, settings.jwks_file, settings.audience), policy, by_certificate=by_certificate
        ),
        policy=policy,
        telemetry=telemetry,
        in_flight=in_flight,
        error_domain=f"{settings.service}.tessera",
        default_deadline_s=settings.default_deadline_s,
        max_deadline_s=settings.max_deadline_s,
        stream_deadline_s=settings.stream_deadline_s,
        by_certificate=by_certificate,
        trail=trail,
    )


def _bind(grpc_server: aio.Server, listen: str, certificates: Certificates | None) -> str:
    """Binds, and returns the address by which clients reach it (with the port that the system chose for 0)."""
    try:
        if certificates is None:
            port = grpc_server.add_insecure_port(listen)
        else:
            port = grpc_server.add_secure_port(listen, certificates.for_server())
    except RuntimeError as error:
        raise ServerError(f"cannot listen on {listen}: {error}") from error
    if listen.startswith("unix:"):
        return listen
    host, _, _ = listen.rpartition(":")
    return f"{host}:{port}"
