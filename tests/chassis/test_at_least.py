"""`at_least`: a service answers when it has seen what the caller has seen, or says that it has not."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from grpc import StatusCode

from services.chassis.app import start
from tessera.type.v1 import position_pb2
from tests.chassis.conftest import Waits
from tests.chassis.edge import refusal
from tests.chassis.house import Calls, ledger_suite
from tests.chassis.ledger_lanes import account
from tests.chassis.ledger_service import MIRROR
from tests.support.suite import Suite, free_port, settings_of

OWNER = account(3)


def seen(position: int, service: str = "ledger", partition: int = 3) -> list[Any]:
    return [position_pb2.Position(service=service, partition=partition, position=position)]


async def test_a_read_sees_what_its_caller_wrote_elsewhere() -> None:
    async with ledger_suite("ledger", "mirror") as suite:
        for number in range(1, 21):
            answer = await Calls(suite).move(OWNER, 1, str(number))
            read = await Calls(suite, "mirror").balance(OWNER, seen(answer.position))
            assert read.balance == number


async def test_a_write_waits_too() -> None:
    async with ledger_suite("ledger", "mirror") as suite:
        answer = await Calls(suite).move(OWNER, 5, "r")
        taken = await Calls(suite, "mirror").move(OWNER, 3, "r", method="Take", at_least=seen(answer.position))
        assert taken.balance == 2


async def test_what_is_not_reached_in_time_is_unavailable_and_says_how_far_it_is() -> None:
    async with ledger_suite("ledger", "mirror") as suite:
        await Calls(suite).move(OWNER, 5, "r")
        await suite.drain()
        began = time.monotonic()
        refused = await refusal(Calls(suite, "mirror").balance(OWNER, seen(7), timeout=0.4))
        assert time.monotonic() - began < 0.4, "it did not answer within the deadline"
    assert (refused.code, refused.reason) == (StatusCode.UNAVAILABLE, "POSITION_NOT_REACHED")
    assert refused.metadata == {"service": "ledger", "partition": "3", "position": "7", "reached": "1"}
    assert refused.retry_after_s is not None


async def test_positions_that_concern_others_are_not_waited_for() -> None:
    async with ledger_suite("ledger", "mirror") as suite:
        mirror = Calls(suite, "mirror")
        for elsewhere in (seen(99, "mirror"), seen(99, "tiers"), seen(99, partition=-1)):
            assert (await mirror.balance(OWNER, elsewhere, timeout=2)).balance == 0


async def test_a_wait_ends_when_the_service_drains(waits: Waits) -> None:
    async with ledger_suite("ledger", "mirror") as suite:
        await suite.drain()
        begun = waits.begun
        waiting = asyncio.create_task(refusal(Calls(suite, "mirror").balance(OWNER, seen(7))))
        await waits.until(begun + 1)
        await suite.stop("mirror")
        assert (await waiting).reason == "POSITION_NOT_REACHED"


async def test_a_process_that_does_not_follow_itself_notices_what_another_follows() -> None:
    async with ledger_suite("ledger", "mirror") as suite, second_process(suite):
        answer = await Calls(suite).move(OWNER, 5, "r")
        assert (await Calls(suite, "second").balance(OWNER, seen(answer.position))).balance == 5


@asynccontextmanager
async def second_process(suite: Suite) -> AsyncIterator[None]:
    """Another process, as it were, on the mirror's database, while the first one follows."""
    await suite.drain()
    port = free_port()
    ports = {"ledger": int(suite.addresses["ledger"].rpartition(":")[2])}
    running = await start(settings_of(MIRROR, suite.dsns["mirror"], port, ports), MIRROR)
    await running.server.start()
    suite.addresses["second"] = f"127.0.0.1:{port}"
    try:
        yield
    finally:
        await running.server.drain(1)
        await running.close()
