"""Every method of every service, as it answers whoever may not call it; found by reflection, so none is left out."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
from cryptography import x509
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from google.protobuf.descriptor_pool import Default
from grpc import StatusCode, aio
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from tests.chassis.edge import open_channel, read_refusal
from tests.support import access
from tests.support.certificates import HOST_NAMES, Authority
from tests.support.suite import SERVICES, start_suite

CALL_TIMEOUT_S = 10
ADMITTED = "admitted"
"""The call was let in; what became of its empty request is not the matter here."""
NO_REASON = ""
REFUSED_ENTRY = {
    "CERTIFICATE_UNKNOWN",
    "CERTIFICATE_MISMATCH",
    "TOKEN_MISSING",
    "TOKEN_INVALID",
    "TOKEN_EXPIRED",
    "PERMISSION_MISSING",
}

NEVER_OF_A_HANDLER = {StatusCode.UNAVAILABLE, StatusCode.INTERNAL, StatusCode.UNKNOWN, StatusCode.UNIMPLEMENTED}


@dataclass(frozen=True)
class Case:
    """A caller: what it shows, and how each method must answer it."""

    certificate: str | None
    token: str | None
    code: StatusCode | None
    reason: str

    def metadata(self) -> tuple[tuple[str, str], ...]:
        return (("authorization", f"Bearer {self.token}"),) if self.token else ()


def cases() -> dict[str, Case]:
    unauthenticated = StatusCode.UNAUTHENTICATED
    good = access.token()
    return {
        "no certificate": Case(None, good, StatusCode.UNAVAILABLE, NO_REASON),
        "wrong name": Case("stranger", good, unauthenticated, "CERTIFICATE_UNKNOWN"),
        "another caller's token": Case("nobody", good, unauthenticated, "CERTIFICATE_MISMATCH"),
        "no token": Case("operator", None, None, ADMITTED),
        "no valid token": Case("operator", "nonsense", unauthenticated, "TOKEN_INVALID"),
        "expired": Case("operator", access.token(lifetime_s=-1), unauthenticated, "TOKEN_EXPIRED"),
        "wrong audience": Case("operator", access.token(audience="other"), unauthenticated, "TOKEN_INVALID"),
        "wrong permission": Case("nobody", access.token("nobody"), StatusCode.PERMISSION_DENIED, "PERMISSION_MISSING"),
        "right": Case("operator", good, None, ADMITTED),
    }


@asynccontextmanager
async def secured(directory: Path) -> AsyncIterator[tuple[dict[str, str], dict[str | None, grpc.ChannelCredentials]]]:
    """The addresses of all services, which demand certificates, and what each bearer of one shows."""
    authority = Authority(directory)
    shown: dict[str | None, grpc.ChannelCredentials] = {
        name: authority.certify(name, x509.DNSName(f"{name}.example")).channel_credentials()
        for name in ("operator", "nobody", "stranger")
    }
    shown[None] = grpc.ssl_channel_credentials(authority.file.read_bytes())
    own = authority.certify("service", *HOST_NAMES, x509.DNSName("feeds.example"))
    async with start_suite(**own.settings(), transport="grpcio") as suite:
        yield suite.addresses, shown


async def served_methods(channel: aio.Channel) -> list[MethodDescriptor]:
    """What the server itself says that it serves, but for health and reflection, which are open to all certificates."""
    call = reflection_pb2_grpc.ServerReflectionStub(channel).ServerReflectionInfo()
    await call.write(reflection_pb2.ServerReflectionRequest(list_services=""))
    names = [service.name for service in (await call.read()).list_services_response.service]
    methods = []
    for name in (name for name in names if name.startswith("tessera.")):
        await call.write(reflection_pb2.ServerReflectionRequest(file_containing_symbol=name))
        answer = (await call.read()).file_descriptor_response
        assert any(FileDescriptorProto.FromString(file).service for file in answer.file_descriptor_proto)
        methods.extend(Default().FindServiceByName(name).methods)
    call.cancel()
    return methods


async def outcome(channel: aio.Channel, method: MethodDescriptor, case: Case) -> tuple[StatusCode | None, str]:
    """The code and the reason of an empty request; None and ADMITTED when it was let in."""
    path = f"/{method.containing_service.full_name}/{method.name}"
    options: dict[str, Any] = {"metadata": case.metadata(), "timeout": CALL_TIMEOUT_S}
    try:
        if method.server_streaming:
            await channel.unary_stream(path, None, None)(b"", **options).read()
        else:
            await channel.unary_unary(path, None, None)(b"", **options)
    except aio.AioRpcError as error:
        reason = read_refusal(error).reason
        if reason in REFUSED_ENTRY or error.code() in NEVER_OF_A_HANDLER:
            return error.code(), reason
    return None, ADMITTED


async def test_each_method_answers_each_kind_of_caller_as_it_must(tmp_path: Path) -> None:
    wrong: list[str] = []
    async with secured(tmp_path) as (addresses, shown):
        for service in SERVICES:
            async with open_channel(addresses[service], shown["operator"]) as channel:
                methods = await served_methods(channel)
            assert f"tessera.{service}.v1" in {method.containing_service.file.package for method in methods}
            for name, case in cases().items():
                async with open_channel(addresses[service], shown[case.certificate]) as channel:
                    found = await asyncio.gather(*(outcome(channel, method, case) for method in methods))
                wrong += [
                    f"{method.full_name}, {name}: {got}"
                    for method, got in zip(methods, found, strict=True)
                    if got != (case.code, case.reason)
                ]
    assert not wrong, "\n".join(wrong)
