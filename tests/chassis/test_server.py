"""The server object on both transports: health, reflection, address, limits."""

import socket
from pathlib import Path

import pytest
from grpc import StatusCode, aio
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from services.chassis.access import PolicyError
from services.chassis.server import ServerError, build_server
from services.chassis.telemetry import start_telemetry
from tests.chassis.echo import ECHO, SERVICE, Echo, Line, Say
from tests.chassis.edge import Issuer, echo_settings, refusal, serving

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING

both_transports = pytest.mark.parametrize("transport", ["grpcio", "native"])


def free_address() -> str:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{free.getsockname()[1]}"


@both_transports
@pytest.mark.parametrize("service", ["", SERVICE])
async def test_a_started_server_is_healthy_to_whoever_asks(transport: str, service: str) -> None:
    async with serving(transport=transport) as edge:
        health = health_pb2_grpc.HealthStub(edge.channel)
        assert (await health.Check(health_pb2.HealthCheckRequest(service=service))).status == SERVING


@both_transports
async def test_the_health_of_an_unknown_service_is_not_found(transport: str) -> None:
    async with serving(transport=transport) as edge:
        health = health_pb2_grpc.HealthStub(edge.channel)
        with pytest.raises(aio.AioRpcError) as raised:
            await health.Check(health_pb2.HealthCheckRequest(service="tessera.unknown"))
        assert raised.value.code() is StatusCode.NOT_FOUND


@both_transports
async def test_reflection_names_the_services_to_whoever_asks(transport: str) -> None:
    async with serving(transport=transport) as edge:
        stub = reflection_pb2_grpc.ServerReflectionStub(edge.channel)
        call = stub.ServerReflectionInfo(iter([reflection_pb2.ServerReflectionRequest(list_services="")]))
        answer = await call.read()
        call.cancel()
    assert {service.name for service in answer.list_services_response.service} == {
        SERVICE,
        "grpc.health.v1.Health",
        "grpc.reflection.v1alpha.ServerReflection",
    }


@both_transports
async def test_a_server_listens_on_a_port(transport: str) -> None:
    address = free_address()
    async with serving(transport=transport, listen=address) as edge:
        assert edge.server.address == address
        assert (await edge.say(Say(text="a"))).text == "shop: a"


@both_transports
async def test_a_port_that_somebody_else_holds_is_a_mistake(transport: str) -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        address = f"127.0.0.1:{holder.getsockname()[1]}"
        with pytest.raises(ServerError, match=f"cannot listen on {address}"):
            async with serving(transport=transport, listen=address):
                pass


@both_transports
async def test_workers_share_a_port(transport: str) -> None:
    address = free_address()
    async with (
        serving(transport=transport, listen=address, worker_index=0) as first,
        serving(transport=transport, listen=address, worker_index=1) as second,
    ):
        assert first.server.address == second.server.address


@both_transports
async def test_a_message_over_the_limit_is_refused(transport: str) -> None:
    async with serving(transport=transport, max_message_bytes=1024) as edge:
        refused = await refusal(edge.say(Say(text="a", lines=[Line(sku="x" * 2000)])))
        assert refused.code is StatusCode.RESOURCE_EXHAUSTED


@both_transports
async def test_an_unknown_method_is_unimplemented(transport: str) -> None:
    async with serving(transport=transport) as edge:
        assert (await refusal(edge.call("Whisper", Say(text="a")))).code is StatusCode.UNIMPLEMENTED


async def test_without_its_extra_the_native_transport_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "pygrpc_native.aio", None)
    with pytest.raises(ServerError, match=r"tessera\[native\]"):
        async with serving(transport="native"):
            pass


async def test_a_policy_with_mistakes_starts_no_server(tmp_path: Path) -> None:
    Issuer(tmp_path)
    settings = echo_settings(tmp_path)
    settings.policy_file.write_text("callers: {shop: all}")
    with pytest.raises(PolicyError, match=r"callers\.shop"):
        build_server(settings, start_telemetry(settings), [(ECHO, Echo())])


async def test_a_connection_is_asked_to_end_at_its_age() -> None:
    async with serving(max_connection_age_s=1) as edge:
        assert (await edge.say(Say(text="a"))).text == "shop: a"
        await edge.channel.wait_for_state_change(edge.channel.get_state())
        assert (await edge.say(Say(text="b"))).text == "shop: b"
