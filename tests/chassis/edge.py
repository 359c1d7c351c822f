"""A caller's side of the edges: keys that sign tokens, a policy, a server of the echo service, and a channel to it."""

import json
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
from google.rpc import error_details_pb2, status_pb2
from grpc import StatusCode, aio
from joserfc import jwt
from joserfc.jwk import KeySet, OKPKey
from opentelemetry.sdk.trace import SpanProcessor

from services.chassis.rpc import STATUS_DETAILS_KEY
from services.chassis.server import Server, Service, build_server
from services.chassis.settings import ServiceSettings
from services.chassis.telemetry import Telemetry, start_telemetry
from tests.chassis.echo import ECHO, SERVICE, Echo, Heard

POLICY = """
callers:
  shop:
    permissions: [echo.words.*]
    domains: [shopping]
    certificates: [shop.example, "spiffe://example/shop"]
  reader:
    permissions: [echo.words.repeat]
    domains: "*"
    certificates: [reader.example]
"""


@dataclass(slots=True)
class Issuer:
    """Signs tokens, and publishes its public keys in a JWKS file."""

    directory: Path
    key: OKPKey = field(default_factory=lambda: new_key("first"))

    def __post_init__(self) -> None:
        self.publish(self.key)

    @property
    def jwks_file(self) -> Path:
        return self.directory / "jwks.json"

    def publish(self, *keys: OKPKey) -> None:
        self.jwks_file.write_text(json.dumps(KeySet(list(keys)).as_dict(private=False)))

    def token(self, caller: str = "shop", lifetime_s: float = 60, **claims: Any) -> str:
        body = {"sub": caller, "aud": "tessera", "exp": int(time.time() + lifetime_s), **claims}
        header = {"alg": "Ed25519", "kid": self.key.kid}
        return jwt.encode(
            header, {name: value for name, value in body.items() if value is not None}, self.key, ["Ed25519"]
        )

    def bearer(self, caller: str = "shop", **claims: Any) -> tuple[tuple[str, str], ...]:
        return (("authorization", f"Bearer {self.token(caller, **claims)}"),)


def new_key(kid: str) -> OKPKey:
    return OKPKey.generate_key("Ed25519", {"kid": kid})


@dataclass(frozen=True, slots=True)
class Edge:
    """A served echo service and a channel to it."""

    issuer: Issuer
    server: Server
    telemetry: Telemetry
    channel: aio.Channel

    async def say(self, request: Any, **options: Any) -> Any:
        """Calls EchoService.Say as the caller `shop`, unless `metadata` says otherwise."""
        return await self.call("Say", request, **options)

    def call(self, method: str, request: Any, **options: Any) -> Any:
        options.setdefault("metadata", self.issuer.bearer())
        options.setdefault("timeout", 5)
        serialize = bytes if isinstance(request, bytes) else type(request).SerializeToString
        stub = self.channel.unary_unary(f"/{SERVICE}/{method}", serialize, Heard.FromString)
        return stub(request, **options)

    def repeat(self, request: Any, **options: Any) -> Any:
        options.setdefault("metadata", self.issuer.bearer())
        stub = self.channel.unary_stream(f"/{SERVICE}/Repeat", type(request).SerializeToString, Heard.FromString)
        return stub(request, timeout=5, **options)


def echo_settings(directory: Path, **overrides: Any) -> ServiceSettings:
    """Settings of an echo service in `directory`, which holds a key file."""
    policy = directory / "policy.yaml"
    policy.write_text(POLICY)
    given: dict[str, Any] = {
        "database_dsn": "postgresql://nobody@localhost/none",
        "listen": f"unix:{directory}/echo.sock",
        "policy_file": policy,
        "jwks_file": directory / "jwks.json",
        "page_token_key": "k" * 32,
    }
    return ServiceSettings(service="echo", **{**given, **overrides})


@asynccontextmanager
async def serving(
    echo: Echo | None = None,
    *,
    services: Sequence[Service] | None = None,
    spans_to: SpanProcessor | None = None,
    tls: grpc.ChannelCredentials | None = None,
    **overrides: Any,
) -> AsyncIterator[Edge]:
    """Serves `echo` until the block ends; with `tls` the channel shows and believes these credentials."""
    with tempfile.TemporaryDirectory(prefix="echo") as name:  # short: the path of a Unix socket has at most 107 bytes
        issuer = Issuer(Path(name))
        settings = echo_settings(issuer.directory, **overrides)
        telemetry = start_telemetry(settings, spans_to)
        server = build_server(settings, telemetry, services or [(ECHO, echo or Echo())])
        await server.start()
        try:
            async with open_channel(server.address, tls) as channel:
                yield Edge(issuer, server, telemetry, channel)
        finally:
            await server.drain(0)
            telemetry.close()


def open_channel(address: str, tls: grpc.ChannelCredentials | None = None) -> aio.Channel:
    """A channel that shares its connection with no other."""
    options = [("grpc.use_local_subchannel_pool", 1)]
    if tls is None:
        return aio.insecure_channel(address, options=options)
    return aio.secure_channel(address, tls, options=options)


@dataclass(frozen=True, slots=True)
class Refusal:
    """What a client can read from a failed call."""

    code: StatusCode
    message: str
    reason: str
    domain: str
    metadata: dict[str, str]
    violations: dict[str, str]
    retry_after_s: float | None


async def refusal(call: Any) -> Refusal:
    """Awaits a call that must fail."""
    try:
        answer = await call
    except aio.AioRpcError as error:
        return read_refusal(error)
    raise AssertionError(f"the call succeeded: {answer}")


def read_refusal(error: grpc.aio.AioRpcError) -> Refusal:
    trailers: dict[str, Any] = dict(error.trailing_metadata() or ())
    status = status_pb2.Status.FromString(trailers.get(STATUS_DETAILS_KEY, b""))
    info, bad, retry = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest(), error_details_pb2.RetryInfo()
    has_retry = False
    for detail in status.details:
        detail.Unpack(info)
        detail.Unpack(bad)
        has_retry = detail.Unpack(retry) or has_retry
    return Refusal(
        code=error.code(),
        message=error.details() or "",
        reason=info.reason,
        domain=info.domain,
        metadata=dict(info.metadata),
        violations={violation.field: violation.description for violation in bad.field_violations},
        retry_after_s=retry.retry_delay.ToTimedelta().total_seconds() if has_retry else None,
    )
