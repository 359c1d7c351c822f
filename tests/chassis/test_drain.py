"""How a server goes away without losing a call."""

import asyncio
from typing import Any

import pytest
from grpc import StatusCode, aio
from grpc_health.v1 import health_pb2, health_pb2_grpc

from services.chassis.rpc import Call
from tests.chassis.echo import Echo, Heard, Say
from tests.chassis.edge import refusal, serving
from tests.chassis.patience import until

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING

pytestmark = pytest.mark.parametrize("transport", ["grpcio", "native"])


class Slow:
    """A handler that answers when the test says so."""

    def __init__(self) -> None:
        self.begun, self.finish, self.cancelled = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self.in_flight = 0

    async def __call__(self, request: Any, call: Call) -> Any:
        self.begun.set()
        self.in_flight += 1
        try:
            await self.finish.wait()
        except asyncio.CancelledError:
            self.cancelled.set()
            raise
        return Heard(text="done")

    async def all_begun(self, calls: int) -> None:
        await until(lambda: self.in_flight == calls)


async def test_health_flips_first_and_the_call_in_flight_is_answered(transport: str) -> None:
    slow = Slow()
    async with serving(Echo(slow), transport=transport) as edge:
        watch = health_pb2_grpc.HealthStub(edge.channel).Watch(health_pb2.HealthCheckRequest())
        assert (await watch.read()).status == SERVING
        call = asyncio.ensure_future(edge.say(Say(text="a")))
        await slow.begun.wait()
        drained = asyncio.ensure_future(edge.server.drain(10))
        assert (await watch.read()).status == NOT_SERVING
        assert await watch.read() is aio.EOF
        assert not drained.done()
        slow.finish.set()
        assert (await call).text == "done"
        await drained


async def test_a_draining_server_takes_no_new_call(transport: str) -> None:
    slow = Slow()
    async with serving(Echo(slow), transport=transport) as edge:
        call = asyncio.ensure_future(edge.say(Say(text="a")))
        await slow.begun.wait()
        drained = asyncio.ensure_future(edge.server.drain(10))
        await edge.server.draining.wait()
        code = (await refusal(edge.say(Say(text="b"), timeout=0.5))).code
        # Which one depends on whether the call or the news that the server goes crossed the wire first.
        assert code in (StatusCode.UNAVAILABLE, StatusCode.DEADLINE_EXCEEDED, StatusCode.CANCELLED)
        slow.finish.set()
        await asyncio.gather(call, drained)


async def test_no_answer_is_lost_when_the_last_calls_end(transport: str) -> None:
    for _ in range(10):
        slow = Slow()
        async with serving(Echo(slow), transport=transport) as edge:
            calls = [asyncio.ensure_future(edge.say(Say(text="a"))) for _ in range(20)]
            await slow.all_begun(len(calls))
            drained = asyncio.ensure_future(edge.server.drain(10))
            await edge.server.draining.wait()
            slow.finish.set()
            assert [heard.text for heard in await asyncio.gather(*calls)] == ["done"] * len(calls)
            await drained


async def test_a_call_longer_than_the_grace_is_ended(transport: str) -> None:
    slow = Slow()
    async with serving(Echo(slow), transport=transport) as edge:
        call = asyncio.ensure_future(refusal(edge.say(Say(text="a"))))
        await slow.begun.wait()
        await edge.server.drain(0.1)
        await asyncio.wait_for(slow.cancelled.wait(), 5)
        assert (await call).code in (StatusCode.UNAVAILABLE, StatusCode.CANCELLED)


async def test_an_open_watch_does_not_use_up_the_grace(transport: str) -> None:
    async with serving(transport=transport) as edge:
        watch = health_pb2_grpc.HealthStub(edge.channel).Watch(health_pb2.HealthCheckRequest())
        assert (await watch.read()).status == SERVING
        await asyncio.wait_for(edge.server.drain(60), 5)


async def test_a_handler_that_waits_for_news_learns_of_the_drain(transport: str) -> None:
    echo = Echo()
    async with serving(echo, transport=transport) as edge:

        async def long_poll(request: Any, call: Call) -> Any:
            begun.set()
            await edge.server.draining.wait()
            return Heard(text="nothing new")

        begun = asyncio.Event()
        echo.say = long_poll
        call = asyncio.ensure_future(edge.say(Say(text="a")))
        await begun.wait()
        await asyncio.wait_for(edge.server.drain(60), 5)
        assert (await call).text == "nothing new"
