"""Calls are sent again when that is safe and may help, within their deadline."""

import asyncio
import time
from datetime import timedelta

import grpc
import pytest

from services.chassis.errors import FieldViolation, Rejection
from tessera import Error
from tessera.identity.v1 import identity_service_pb2 as pb
from tests.sdk.scripted import client_of, in_turn, scripted

SHUTTING_DOWN = Rejection("SHUTTING_DOWN", "the service is shutting down", grpc.StatusCode.UNAVAILABLE)
OVERLOADED = Rejection(
    "OVERLOADED", "too much waits", grpc.StatusCode.RESOURCE_EXHAUSTED, retry_after=timedelta(milliseconds=200)
)
SUSPENDED = Rejection("MEMBER_SUSPENDED", "the member is suspended")
ANSWER = pb.ResolveAccountResponse(member_id="member_1")
ENROL = pb.ResolveAccountRequest(domain="fuel", external_id="4711", create_missing=True)


async def test_a_call_is_sent_again_while_the_service_is_unavailable() -> None:
    async with scripted(in_turn(SHUTTING_DOWN, SHUTTING_DOWN, ANSWER)) as fake, client_of(("identity", fake)) as client:
        assert await client.identity.ResolveAccount(ENROL) == ANSWER
    assert len(fake.asked) == 3


async def test_every_try_carries_the_same_request_id() -> None:
    async with scripted(in_turn(SHUTTING_DOWN, ANSWER)) as fake, client_of(("identity", fake)) as client:
        await client.identity.ResolveAccount(pb.ResolveAccountRequest(domain="fuel", external_id="1"))
    first, second = fake.requests(pb.ResolveAccountRequest)
    assert first.request_id == second.request_id != ""


async def test_a_retry_waits_as_long_as_the_service_asks() -> None:
    async with scripted(in_turn(OVERLOADED, ANSWER)) as fake, client_of(("identity", fake)) as client:
        started = time.monotonic()
        await client.identity.ResolveAccount(ENROL)
    assert time.monotonic() - started >= 0.2


async def test_a_refusal_is_not_sent_again() -> None:
    async with scripted(in_turn(SUSPENDED)) as fake, client_of(("identity", fake)) as client:
        with pytest.raises(Error, match="MEMBER_SUSPENDED"):
            await client.identity.ResolveAccount(ENROL)
    assert len(fake.asked) == 1


async def test_retries_end_with_the_deadline() -> None:
    async with scripted(in_turn(SHUTTING_DOWN)) as fake, client_of(("identity", fake)) as client:
        started = time.monotonic()
        with pytest.raises(Error, match="SHUTTING_DOWN"):
            await client.identity.ResolveAccount(ENROL, timeout=0.5)
    assert time.monotonic() - started <= 1.0
    assert len(fake.asked) > 1


async def test_a_call_waits_for_a_service_that_is_being_restarted() -> None:
    async with scripted(in_turn(ANSWER)) as fake, client_of(("identity", fake)) as client:
        await client.identity.ResolveAccount(ENROL)
    async with client_of(("identity", fake)) as client:
        call = asyncio.ensure_future(client.identity.ResolveAccount(ENROL))
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(asyncio.shield(call), 0.2)
        server = grpc.aio.server()
        server.add_insecure_port(fake.address)
        await server.start()
        with pytest.raises(Error, match="UNIMPLEMENTED"):  # somebody answers again
            await call
        await server.stop(None)


async def test_a_call_without_deadline_gets_the_clients() -> None:
    async with scripted(in_turn(SHUTTING_DOWN)) as fake, client_of(("identity", fake), timeout_s=0.3) as client:
        started = time.monotonic()
        with pytest.raises(Error):
            await client.identity.ResolveAccount(ENROL)
    assert time.monotonic() - started < 1.0


async def test_an_error_carries_what_the_service_says() -> None:
    rejection = Rejection(
        "INVALID_REQUEST",
        "2 fields are wrong",
        grpc.StatusCode.INVALID_ARGUMENT,
        {"limit": "5"},
        timedelta(seconds=3),
        (FieldViolation("domain", "is no code"),),
    )
    async with scripted(in_turn(rejection)) as fake, client_of(("identity", fake)) as client:
        with pytest.raises(Error) as caught:
            await client.identity.ResolveAccount(ENROL)
    error = caught.value
    assert (error.reason, error.code, error.message) == (
        "INVALID_REQUEST",
        grpc.StatusCode.INVALID_ARGUMENT,
        "2 fields are wrong",
    )
    assert error.metadata == {"limit": "5"}
    assert error.retry_after == timedelta(seconds=3)
    assert [(item.field, item.description) for item in error.violations] == [("domain", "is no code")]
    assert error.domain == "identity.tessera"


async def test_an_error_of_the_transport_has_the_codes_name_for_a_reason() -> None:
    async with scripted(in_turn(ANSWER)) as fake:
        pass
    async with client_of(("identity", fake), timeout_s=0.2) as client:
        with pytest.raises(Error) as caught:
            await client.identity.ResolveAccount(ENROL)
    assert (caught.value.reason, caught.value.domain) == ("UNAVAILABLE", "")
