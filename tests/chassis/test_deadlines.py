"""A call's deadline goes with its command: what its caller gave up is not done behind its back."""

import asyncio

from grpc import StatusCode

from tests.chassis.edge import refusal
from tests.chassis.house import Calls, assert_sound, held, ledger_suite, until_blocked
from tests.chassis.ledger_lanes import account, until_waiting

OWNER = account()


async def test_a_call_that_timed_out_in_the_queue_is_not_carried_out() -> None:
    async with ledger_suite() as suite:
        calls, lanes = Calls(suite), suite.lanes("ledger")
        async with held(suite.dsns["ledger"], partition=0):
            first = asyncio.ensure_future(calls.move(OWNER, 1, "first"))
            await until_blocked(suite.dsns["ledger"])
            late = asyncio.ensure_future(refusal(calls.move(OWNER, 10, "late", timeout=0.3)))
            await until_waiting(lanes, 1)
            assert (await late).code is StatusCode.DEADLINE_EXCEEDED
            timely = asyncio.ensure_future(calls.move(OWNER, 100, "timely"))
            await until_waiting(lanes, 2)
        assert ((await first).balance, (await timely).balance) == (1, 101)
        assert (await calls.move(OWNER, 10, "late")).balance == 111, "the retry is not carried out"
        assert await assert_sound(suite.dsns["ledger"]) == {OWNER: 111}


async def test_a_call_without_a_deadline_gets_the_services() -> None:
    async with ledger_suite(default_deadline_s=0.3) as suite:
        async with held(suite.dsns["ledger"], partition=0):
            refused = await refusal(Calls(suite).move(OWNER, 1, "r", timeout=None))
        assert (refused.code, refused.reason) == (StatusCode.DEADLINE_EXCEEDED, "DEADLINE_EXCEEDED")


async def test_a_deadline_too_far_away_is_brought_nearer() -> None:
    async with ledger_suite(default_deadline_s=0.2, max_deadline_s=0.3) as suite:
        async with held(suite.dsns["ledger"], partition=0):
            refused = await refusal(Calls(suite).move(OWNER, 1, "r", timeout=60))
        assert (refused.code, refused.reason) == (StatusCode.DEADLINE_EXCEEDED, "DEADLINE_EXCEEDED")
