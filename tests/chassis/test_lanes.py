"""Lanes: who waits is written together, and nobody waits without end."""

import asyncio
import time
from datetime import timedelta

from grpc import StatusCode

from services.chassis.errors import CODES_BY_NUMBER, Rejection, from_status
from services.chassis.verdicts import OK, Verdict
from tests.chassis.house import assert_sound, connection_to, held, ledger_database
from tests.chassis.ledger import Explode, Move, MoveFor, TopUp, Transfer, balance_of, reason_of
from tests.chassis.ledger_lanes import Batches, account, open_lanes, request, until_waiting


def refusal(outcome: object) -> tuple[StatusCode, Rejection]:
    assert isinstance(outcome, Verdict)
    assert outcome.code != OK
    return CODES_BY_NUMBER[outcome.code], from_status(outcome.status())


async def test_an_idle_lane_writes_a_command_at_once() -> None:
    batches = Batches()
    async with ledger_database() as dsn, open_lanes(dsn, batches=batches) as lanes:
        for _ in range(3):
            await lanes.one(Move(account(), 1))
    assert batches.sizes == [1, 1, 1]


async def test_what_queues_while_a_batch_is_written_is_the_next_batch() -> None:
    batches, owner = Batches(), account()
    async with ledger_database() as dsn, open_lanes(dsn, batches=batches) as lanes:
        async with held(dsn, partition=0):
            first = asyncio.create_task(lanes.one(Move(owner, 1)))
            await asyncio.sleep(0)
            await until_waiting(lanes, 0)
            others = [asyncio.create_task(lanes.one(Move(owner, 1))) for _ in range(50)]
        outcomes = await asyncio.gather(first, *others)
        assert await assert_sound(dsn) == {owner: 51}
    assert batches.sizes == [1, 50]
    assert [balance_of(outcome) for outcome in outcomes] == list(range(1, 52)), "not in the order of arrival"


async def test_a_batch_is_bounded() -> None:
    batches, owner = Batches(), account()
    async with ledger_database() as dsn, open_lanes(dsn, batches=batches) as lanes:
        outcomes = await lanes.submit([Move(owner, 1)] * 2500)
    assert batches.sizes == [1000, 1000, 500]
    assert balance_of(outcomes[-1]) == 2500


async def test_partitions_are_written_side_by_side() -> None:
    async with ledger_database() as dsn, open_lanes(dsn) as lanes, held(dsn, partition=0):
        blocked = asyncio.create_task(lanes.one(Move(account(0), 1)))
        assert balance_of(await lanes.one(Move(account(1), 5))) == 5
        assert not blocked.done()
        blocked.cancel()


async def test_a_full_lane_refuses_and_says_when_to_come_again() -> None:
    owner = account()
    async with ledger_database() as dsn, open_lanes(dsn, capacity=4) as lanes:
        async with held(dsn, partition=0):
            first = asyncio.create_task(lanes.one(Move(owner, 1)))
            await asyncio.sleep(0)
            await until_waiting(lanes, 0)
            others = asyncio.create_task(lanes.submit([Move(owner, 1)] * 6))
            await asyncio.sleep(0)
            elsewhere = await lanes.one(Move(account(1), 1))
        outcomes = [await first, *await others]
        assert (await assert_sound(dsn))[owner] == 5
    assert [balance_of(outcome) for outcome in outcomes[:5]] == [1, 2, 3, 4, 5]
    for outcome in outcomes[5:]:
        code, rejection = refusal(outcome)
        assert (code, rejection.reason) == (StatusCode.RESOURCE_EXHAUSTED, "OVERLOADED")
        assert rejection.retry_after is not None
        assert rejection.retry_after > timedelta(0)
    assert balance_of(elsewhere) == 1, "a full lane is no business of the others"


async def test_what_nobody_waits_for_any_more_is_not_written() -> None:
    owner = account()
    async with ledger_database() as dsn, open_lanes(dsn) as lanes:
        async with held(dsn, partition=0):
            first = asyncio.create_task(lanes.one(Move(owner, 1)))
            await asyncio.sleep(0)
            await until_waiting(lanes, 0)
            late = asyncio.create_task(lanes.one(Move(owner, 10, request("r")), deadline=time.monotonic()))
            timely = asyncio.create_task(lanes.one(Move(owner, 100), deadline=time.monotonic() + 60))
            await asyncio.sleep(0)
        assert balance_of(await first) == 1
        assert refusal(await late)[0] is StatusCode.DEADLINE_EXCEEDED
        assert balance_of(await timely) == 101
        retried = await lanes.one(Move(owner, 10, request("r")))
        assert balance_of(retried) == 111, "the deadline was kept as the request's verdict"


async def test_who_stops_waiting_disturbs_nobody() -> None:
    owner = account()
    async with ledger_database() as dsn, open_lanes(dsn) as lanes:
        async with held(dsn, partition=0):
            impatient = [asyncio.create_task(lanes.submit([Move(owner, 1)] * 2)) for _ in range(3)]
            patient = asyncio.create_task(lanes.one(Move(owner, 1)))
            await asyncio.sleep(0)
            for task in impatient:
                task.cancel()
            await asyncio.gather(*impatient, return_exceptions=True)
        assert balance_of(await patient) == 7, "what was queued is written, whoever left"
        assert balance_of(await lanes.one(Move(owner, 1))) == 8


async def test_closing_writes_what_waits_and_takes_nothing_more() -> None:
    owner = account()
    async with ledger_database() as dsn, open_lanes(dsn) as lanes:
        async with held(dsn, partition=0):
            waiting = asyncio.create_task(lanes.submit([Move(owner, 1)] * 3))
            await asyncio.sleep(0)
            closing = asyncio.create_task(lanes.close())
            await asyncio.sleep(0)
            code, rejection = refusal(await lanes.one(Move(owner, 1)))
            assert (code, rejection.reason) == (StatusCode.UNAVAILABLE, "SHUTTING_DOWN")
            assert not closing.done()
        await closing
        assert [balance_of(outcome) for outcome in await waiting] == [1, 2, 3]


async def test_commands_handed_over_together_apply_in_order_for_each_owner_also_across_partitions() -> None:
    left, right, third = account(0), account(1), account(1)
    commands = [
        Move(left, 5),
        Transfer(left, right, 5),
        Move(right, -4),
        Transfer(right, left, 1),
        Transfer(left, third, 1),
        Transfer(third, right, 1),
        Move(right, -1),
    ]
    async with ledger_database() as dsn, open_lanes(dsn) as lanes:
        outcomes = await lanes.submit(commands)
    assert [balance_of(outcome) for outcome in outcomes] == [5, 0, 1, 0, 0, 0, 0]


async def test_a_command_that_needs_another_partition_after_all_gets_it_and_order_holds() -> None:
    owner, other, reserve = account(0), account(0), account(3)
    commands = [
        Move(owner, 5),
        TopUp(owner, 4, reserve, request("enough")),
        Move(other, 2),
        TopUp(owner, 20, reserve, request("more")),
        Move(owner, -20),
        TopUp(owner, 100, reserve, request("too much")),
        TopUp(other, 7, reserve, request("dry"), validate_only=True),
        TopUp(owner, 20, reserve, request("more")),
        Explode(owner),
        TopUp(other, 7, reserve, request("other")),
    ]
    batches = Batches()
    async with ledger_database() as dsn, open_lanes(dsn, batches=batches) as lanes:
        await lanes.one(Move(reserve, 30))
        outcomes = await lanes.submit(commands)
        assert [reason_of(outcome) for outcome in (outcomes[5],)] == ["INSUFFICIENT"]
        assert isinstance(outcomes[8], ZeroDivisionError)
        assert outcomes[7] == outcomes[3], "a repeated request gets its first answer"
        assert await assert_sound(dsn) == {reserve: 30 - 15 - 5, owner: 0, other: 7}
    assert sum(batches.sizes) == 1 + len(commands) - 1, "each was decided once, but the one that exploded"


async def test_nothing_submitted_is_nothing_to_wait_for() -> None:
    async with ledger_database() as dsn, open_lanes(dsn) as lanes:
        assert await lanes.submit([]) == []


async def test_a_poisoned_command_fails_alone() -> None:
    owner = account()
    async with ledger_database() as dsn, open_lanes(dsn) as lanes:
        good, bad, refused, other = await lanes.submit(
            [Move(owner, 5, request("a")), Explode(owner, request("b")), Move(owner, -9, request("c")), Move(owner, 2)]
        )
        assert (balance_of(good), reason_of(refused), balance_of(other)) == (5, "INSUFFICIENT", 7)
        assert isinstance(bad, ZeroDivisionError)
        assert await assert_sound(dsn) == {owner: 7}
        assert isinstance((await lanes.submit([Explode(owner, request("b"))]))[0], ZeroDivisionError), "never a verdict"
        async with connection_to(dsn) as connection:
            assert await connection.fetchval("SELECT count(*) FROM requests") == 2


async def test_a_command_for_an_id_that_leads_elsewhere_is_done_there() -> None:
    """Whether it crosses partitions or not, alone or among others; a retry finds its verdict where it was sent."""
    old, near, far = account(0), account(8), account(1)
    async with ledger_database() as dsn, open_lanes(dsn) as lanes:
        outcomes = await lanes.submit(
            [
                Move(old, 1),
                MoveFor(old, near, 10, request("near")),
                MoveFor(old, far, 100, request("far")),
                Move(old, 2),
            ]
        )
        again = await lanes.submit([MoveFor(old, near, 10, request("near")), MoveFor(old, far, 100, request("far"))])
        assert await assert_sound(dsn) == {old: 3, near: 10, far: 100}
    assert [balance_of(outcome) for outcome in outcomes] == [1, 10, 100, 3]
    assert again == outcomes[1:3]


async def test_a_command_is_handed_on_while_the_lanes_close() -> None:
    old, far = account(0), account(1)
    async with ledger_database() as dsn, open_lanes(dsn) as lanes:
        async with held(dsn, partition=0):
            waiting = asyncio.create_task(lanes.submit([MoveFor(old, far, 5)]))
            await asyncio.sleep(0)
            closing = asyncio.create_task(lanes.close())
            await asyncio.sleep(0)
        assert balance_of((await waiting)[0]) == 5
        await closing
