"""Several processes write to the same partitions: one at a time, in one order, without a gap and without a deadlock."""

import asyncio
import json
import sys
from collections import Counter
from collections.abc import Sequence
from uuid import UUID

import asyncpg
import pytest

from services.chassis import heads
from services.chassis.heads import Head
from services.chassis.lanes import Lanes
from tests.chassis.house import assert_sound, connection_to, ledger_database
from tests.chassis.ledger import Move, Transfer, balance_of
from tests.chassis.ledger_lanes import account, open_lanes, request
from tests.chassis.ledger_worker import ACCOUNTS, OPENING_BALANCE

FAST = (3, 240)
LONG = (6, 6000)
"""Processes, and commands of each."""


@pytest.mark.parametrize(
    ("processes", "commands"), [FAST, pytest.param(*LONG, marks=pytest.mark.reliability)], ids=["short", "long"]
)
async def test_transfers_of_several_processes_in_both_directions_are_exact(processes: int, commands: int) -> None:
    async with ledger_database() as dsn:
        async with open_lanes(dsn) as lanes:
            await lanes.submit([Move(account, OPENING_BALANCE) for account in ACCOUNTS])
        reasons = await _work(dsn, processes, commands)
        balances = await assert_sound(dsn)
        async with connection_to(dsn) as connection:
            kept = await connection.fetchval("SELECT count(*) FROM requests")
    assert set(reasons) == {"", "INSUFFICIENT"}, reasons
    assert sum(balances.values()) == OPENING_BALANCE * len(ACCOUNTS)
    assert kept == processes * commands, "a request was lost or carried out twice"


async def _work(dsn: str, processes: int, commands: int) -> Counter[str]:
    """What became of the commands of processes that begin at the same moment."""
    workers = [
        await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tests.chassis.ledger_worker", dsn, str(seed), str(commands)),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        for seed in range(processes)
    ]
    for worker in workers:
        assert worker.stdout is not None
        assert await worker.stdout.readline() == b"ready\n"
    reasons: Counter[str] = Counter()
    for output, _ in await asyncio.gather(*(worker.communicate(b"go\n") for worker in workers)):
        reasons.update(json.loads(output))
    return reasons


async def storm(dsn: str) -> None:
    """Two lane sets, as two processes would have them, on one partition; everything must be as if there was one."""
    owners = [account(), account()]
    async with open_lanes(dsn) as one, open_lanes(dsn) as another:
        outcomes = await asyncio.gather(
            *(
                _sequence(lanes, owner, f"{name}{owner}")
                for name, lanes in enumerate((one, another))
                for owner in owners
            )
        )
    assert await assert_sound(dsn) == dict.fromkeys(owners, 80)
    assert sorted(balance for balances in outcomes for balance in balances) == sorted([*range(1, 81)] * 2)


async def _sequence(lanes: Lanes, owner: UUID, name: str) -> list[int]:
    balances = []
    for number in range(40):
        balances += map(balance_of, await lanes.submit([Move(owner, 1, request(f"{name}-{number}"))]))
    return balances


async def test_two_processes_on_one_partition_are_as_good_as_one() -> None:
    async with ledger_database() as dsn:
        await storm(dsn)


async def test_without_the_lock_of_the_head_the_same_test_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    async def read_without_lock(
        connection: asyncpg.Connection, partitions: Sequence[int], also: heads.Also
    ) -> list[Head]:
        await connection.execute("BEGIN")
        return [await heads.read(connection, partition, also) for partition in sorted(partitions)]

    monkeypatch.setattr(heads, "lock", read_without_lock)
    async with ledger_database() as dsn:
        with pytest.raises(AssertionError):
            await storm(dsn)


async def test_opposite_transfers_of_two_lane_sets_do_not_wait_for_each_other_for_ever() -> None:
    left, right = account(0), account(1)
    async with ledger_database() as dsn, open_lanes(dsn) as one, open_lanes(dsn) as another:
        await one.submit([Move(left, 100), Move(right, 100)])
        outcomes = await asyncio.gather(
            *(one.one(Transfer(left, right, 1)) for _ in range(50)),
            *(another.one(Transfer(right, left, 1)) for _ in range(50)),
            *(lanes.one(Move(owner, 0)) for lanes in (one, another) for owner in (left, right) for _ in range(20)),
        )
        assert await assert_sound(dsn) == {left: 100, right: 100}
    assert all(balance_of(outcome) >= 0 for outcome in outcomes)
