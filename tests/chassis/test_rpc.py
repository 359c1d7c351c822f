"""The way of a call through the pipeline, on both transports."""

import asyncio
import json
from typing import Any

import asyncpg
import pytest
from grpc import StatusCode, aio
from structlog.testing import capture_logs

from services.chassis.access import MissingPermission
from services.chassis.errors import Refused, Rejection
from services.chassis.rpc import Call, UnservableMethod
from tests.chassis.echo import ECHO, UNGUARDED, Bulk, Echo, Heard, Line, Say
from tests.chassis.edge import refusal, serving

pytestmark = pytest.mark.parametrize("transport", ["grpcio", "native"])

MALFORMED = b"\x0a\xff"
"""A length that runs past the end of the message."""


async def test_a_call_is_answered_for_its_caller(transport: str) -> None:
    async with serving(transport=transport) as edge:
        assert (await edge.say(Say(text="hello"))).text == "shop: hello"


async def test_a_stream_is_answered_message_by_message(transport: str) -> None:
    async with serving(transport=transport) as edge:
        assert [heard.text async for heard in edge.repeat(Say(text="a"))] == ["0 a", "1 a", "2 a"]


async def test_a_stranger_learns_nothing_about_a_request_that_is_malformed(transport: str) -> None:
    async with serving(transport=transport) as edge:
        refused = await refusal(edge.say(MALFORMED, metadata=()))
        assert (refused.code, refused.reason) == (StatusCode.UNAUTHENTICATED, "TOKEN_MISSING")
        assert refused.domain == "echo.tessera"


async def test_a_caller_without_permission_learns_nothing_about_a_request_that_is_malformed(transport: str) -> None:
    async with serving(transport=transport) as edge:
        refused = await refusal(edge.say(MALFORMED, metadata=edge.issuer.bearer("reader")))
        assert (refused.code, refused.reason) == (StatusCode.PERMISSION_DENIED, "PERMISSION_MISSING")
        assert refused.metadata == {"caller": "reader", "permission": "echo.words.say"}


async def test_bytes_that_are_no_message_are_the_clients_mistake(transport: str) -> None:
    async with serving(transport=transport) as edge:
        refused = await refusal(edge.say(MALFORMED))
        assert (refused.code, refused.reason) == (StatusCode.INVALID_ARGUMENT, "MALFORMED_REQUEST")


async def test_a_request_that_breaks_rules_is_told_every_field(transport: str) -> None:
    async with serving(transport=transport) as edge:
        refused = await refusal(edge.say(Say(lines=[Line(sku="a"), Line()])))
        assert (refused.code, refused.reason) == (StatusCode.INVALID_ARGUMENT, "INVALID_REQUEST")
        assert set(refused.violations) == {"text", "lines[1].sku"}


async def test_a_sensitive_value_is_not_repeated(transport: str) -> None:
    async with serving(transport=transport) as edge:
        refused = await refusal(edge.say(Say(text="a", phone="+49 30", lines=[Line(sku="a", phone="+49 31")])))
        assert refused.violations == {
            "phone": "breaks the rule string.pattern",
            "lines[0].phone": "breaks the rule string.pattern",
        }
        assert "49" not in refused.message


async def test_a_malformed_item_is_left_to_the_handler_of_a_bulk_call(transport: str) -> None:
    async with serving(transport=transport) as edge:
        assert (await edge.call("SayBulk", Bulk(items=[Line()]))).text == "1"
        assert set((await refusal(edge.call("SayBulk", Bulk()))).violations) == {"items"}
        assert set((await refusal(edge.call("SayBulk", Bulk(items=[Line()] * 4)))).violations) == {"items"}


async def test_more_violations_than_trailers_hold_still_reach_the_client(transport: str) -> None:
    async with serving(transport=transport) as edge:
        refused = await refusal(edge.say(Say(lines=[Line()] * 100)))
        assert refused.reason == "INVALID_REQUEST"
        assert len(refused.violations) == 20


async def test_a_refusal_carries_its_figures_and_trailers(transport: str) -> None:
    async def refuse(request: Any, call: Call) -> Any:
        call.add_trailing("x-position", "7:42")
        raise Refused(Rejection("INSUFFICIENT_POINTS", "80 of 100 points", metadata={"balance": "80"}))

    async with serving(Echo(refuse), transport=transport) as edge:
        with pytest.raises(aio.AioRpcError) as raised:
            await edge.say(Say(text="a"))
        assert ("x-position", "7:42") in tuple(raised.value.trailing_metadata() or ())
        refused = await refusal(edge.say(Say(text="a")))
        assert (refused.code, refused.reason) == (StatusCode.FAILED_PRECONDITION, "INSUFFICIENT_POINTS")
        assert (refused.message, refused.metadata) == ("80 of 100 points", {"balance": "80"})


async def test_a_refusal_larger_than_the_trailers_keeps_its_reason(transport: str) -> None:
    async def refuse(request: Any, call: Call) -> Any:
        raise Refused(Rejection("TOO_MUCH", "é" * 50_000, metadata={"list": "x" * 50_000}))

    async with serving(Echo(refuse), transport=transport) as edge:
        refused = await refusal(edge.say(Say(text="a")))
        assert (refused.code, refused.reason) == (StatusCode.FAILED_PRECONDITION, "TOO_MUCH")


async def test_an_answer_carries_its_trailers(transport: str) -> None:
    async def answer(request: Any, call: Call) -> Any:
        call.add_trailing("x-position", "7:42")
        return Heard()

    async with serving(Echo(answer), transport=transport) as edge:
        call = edge.call("Say", Say(text="a"))
        await call
        assert ("x-position", "7:42") in tuple(await call.trailing_metadata())


async def test_an_unexpected_failure_tells_the_client_an_incident_and_the_log_the_rest(transport: str) -> None:
    async def fail(request: Any, call: Call) -> Any:
        raise KeyError("+49 30 1234")

    async with serving(Echo(fail), transport=transport) as edge:
        with capture_logs() as lines:
            refused = await refusal(edge.say(Say(text="a")))
    incident = refused.metadata["incident"]
    assert (refused.code, refused.reason) == (StatusCode.INTERNAL, "INTERNAL")
    assert refused.message == f"internal error, incident {incident}"
    assert [(line["incident"], repr(line["exc_info"])) for line in lines] == [(incident, "KeyError('+49 30 1234')")]


async def test_an_answer_of_the_wrong_kind_is_an_incident(transport: str) -> None:
    async def answer(request: Any, call: Call) -> Any:
        return None

    async with serving(Echo(answer), transport=transport) as edge:
        with capture_logs():
            assert (await refusal(edge.say(Say(text="a")))).reason == "INTERNAL"


@pytest.mark.parametrize(
    "error",
    [
        ConnectionRefusedError("10.0.0.7"),
        asyncpg.AdminShutdownError("secret"),
        asyncpg.CannotConnectNowError("secret"),
        asyncpg.TooManyConnectionsError("secret"),
        asyncpg.ConnectionDoesNotExistError("secret"),
        asyncpg.InterfaceError("connection is closed"),
    ],
    ids=lambda error: type(error).__name__,
)
async def test_a_lost_database_may_be_tried_again(transport: str, error: Exception) -> None:
    async def fail(request: Any, call: Call) -> Any:
        raise error

    async with serving(Echo(fail), transport=transport) as edge:
        with capture_logs():
            refused = await refusal(edge.say(Say(text="a")))
        assert (refused.code, refused.reason) == (StatusCode.UNAVAILABLE, "STORAGE_UNAVAILABLE")
        assert refused.retry_after_s is not None
        assert str(error) not in refused.message


async def test_a_misuse_of_the_driver_is_an_incident(transport: str) -> None:
    async def fail(request: Any, call: Call) -> Any:
        raise asyncpg.InterfaceError("cannot perform operation: another operation is in progress")

    async with serving(Echo(fail), transport=transport) as edge:
        with capture_logs():
            assert (await refusal(edge.say(Say(text="a")))).reason == "INTERNAL"


async def test_a_handler_knows_how_long_its_client_waits(transport: str) -> None:
    async def answer(request: Any, call: Call) -> Any:
        return Heard(text=json.dumps(call.remaining_s()))

    async with serving(Echo(answer), transport=transport, default_deadline_s=3, max_deadline_s=30) as edge:
        assert 19 < float((await edge.say(Say(text="a"), timeout=20)).text) < 21  # the wire rounds up
        assert 29 < float((await edge.say(Say(text="a"), timeout=300)).text) <= 30
        assert 2 < float((await edge.say(Say(text="a"), timeout=None)).text) <= 3


async def test_a_call_past_the_servers_limit_is_ended(transport: str) -> None:
    ended = asyncio.Event()

    async def wait(request: Any, call: Call) -> Any:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    async with serving(Echo(wait), transport=transport, default_deadline_s=0.05, max_deadline_s=0.05) as edge:
        refused = await refusal(edge.say(Say(text="a"), timeout=None))
        assert (refused.code, refused.reason) == (StatusCode.DEADLINE_EXCEEDED, "DEADLINE_EXCEEDED")
        assert ended.is_set()


async def test_work_ends_when_the_clients_deadline_passes(transport: str) -> None:
    ended = asyncio.Event()

    async def wait(request: Any, call: Call) -> Any:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    async with serving(Echo(wait), transport=transport) as edge:
        refused = await refusal(edge.say(Say(text="a"), timeout=0.1))
        assert refused.code is StatusCode.DEADLINE_EXCEEDED
        await asyncio.wait_for(ended.wait(), 5)


async def test_work_ends_when_the_client_leaves(transport: str) -> None:
    begun, ended = asyncio.Event(), asyncio.Event()

    async def wait(request: Any, call: Call) -> Any:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    async with serving(Echo(wait), transport=transport) as edge:
        call = edge.call("Say", Say(text="a"))
        await begun.wait()
        call.cancel()
        await asyncio.wait_for(ended.wait(), 5)


async def test_work_that_the_service_gave_up_may_be_tried_again(transport: str) -> None:
    async def give_up(request: Any, call: Call) -> Any:
        raise asyncio.CancelledError

    async with serving(Echo(give_up), transport=transport) as edge:
        refused = await refusal(edge.say(Say(text="a")))
        assert (refused.code, refused.reason) == (StatusCode.UNAVAILABLE, "INTERRUPTED")


async def test_a_stream_that_fails_midway_keeps_what_it_sent(transport: str) -> None:
    async def refuse(request: Any, call: Call) -> Any:
        raise Refused(Rejection("GONE", "no more"))

    async with serving(Echo(refuse), transport=transport) as edge:
        stream = edge.repeat(Say(text="fail"))
        assert [(await stream.read()).text for _ in range(3)] == ["0 fail", "1 fail", "2 fail"]
        refused = await refusal(stream.read())
        assert (refused.code, refused.reason) == (StatusCode.FAILED_PRECONDITION, "GONE")


async def test_a_method_without_permission_is_not_served(transport: str) -> None:
    with pytest.raises(MissingPermission, match=r"UnguardedService\.Say"):
        async with serving(services=[(UNGUARDED, Echo())], transport=transport):
            pass


async def test_a_servicer_that_lacks_a_method_is_not_served(transport: str) -> None:
    with pytest.raises(UnservableMethod, match="object has no method Say"):
        async with serving(services=[(ECHO, object())], transport=transport):
            pass
