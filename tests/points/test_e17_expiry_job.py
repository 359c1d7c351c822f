"""E17: the expiry job may crash on its way, run twice or not at all: reads are right, and each lot expires once."""

import asyncio
import itertools
from datetime import date, timedelta
from typing import Any

import pytest

from services.points import jobs
from tests.points.builders import Shop, hold, local, open_shop, rule, unit

FIND_DUE = jobs.due_members
END_OF_MONTH = {"policy": "end-of-month", "months": 0}


async def test_the_balance_is_right_before_the_job_and_the_job_books_each_lot_once() -> None:
    async with open_shop(unit(expiry=END_OF_MONTH), rule(), at="2026-03-10") as shop:
        member = await shop.enrol()
        for paid in (10, 20):
            await shop.earn(member, paid)
        await shop.jump_to("2026-04-02")
        assert await shop.available(member) == 0
        assert await shop.lots(member, closed=False) == []
        assert [lot.remaining for lot in await shop.lots(member)] == [0, 0]
        assert await shop.entries(member) == [("earn", 10), ("earn", 20)]
        for _ in range(2):
            await settle(shop)
            assert await shop.available(member) == 0
            assert sorted(await shop.entries(member))[2:] == [("expire", -20), ("expire", -10)]
        assert await shop.findings() == []


async def test_an_expiry_is_booked_at_the_instant_at_which_it_was() -> None:
    async with open_shop(unit(expiry=END_OF_MONTH), rule(), at="2026-03-10") as shop:
        member = await shop.enrol()
        await shop.earn(member, 10)
        await shop.jump_to("2026-06-20")
        await settle(shop)
        rows = await shop.suite.running["points"].platform.pool.fetch(
            "SELECT effective_at, recorded_at FROM entries WHERE kind = 4"
        )
        assert [tuple(row) for row in rows] == [(local("2026-04-01"), local("2026-06-20"))]


async def test_a_job_that_breaks_off_goes_on_where_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    async with open_shop(unit(expiry=END_OF_MONTH), rule(), at="2026-03-10") as shop:
        members = [await shop.enrol(routing=number) for number in range(20)]
        for member in members:
            await shop.earn(member, 10)
        await shop.jump_to("2026-04-01")
        monkeypatch.setattr(jobs, "MAX_MEMBERS", 1)
        with monkeypatch.context() as patched:
            patched.setattr(jobs, "due_members", crashing_after(2))
            with pytest.raises(RuntimeError, match="crash"):
                await settle(shop)
        assert 0 < await booked_expiries(shop) < 20
        assert [await shop.available(member) for member in members] == [0] * 20
        await settle(shop)
        assert [await shop.entries(member) for member in members] == [[("earn", 10), ("expire", -10)]] * 20
        assert await shop.findings() == []


async def test_two_jobs_at_once_book_each_lot_once(monkeypatch: pytest.MonkeyPatch) -> None:
    async with open_shop(unit(expiry=END_OF_MONTH), rule(), at="2026-03-10") as shop:
        members = [await shop.enrol(routing=number) for number in range(20)]
        for member in members:
            await shop.earn(member, 10)
        await shop.jump_to("2026-04-01")
        monkeypatch.setattr(jobs, "MAX_MEMBERS", 2)
        await asyncio.gather(settle(shop), settle(shop))
        assert [await shop.entries(member) for member in members] == [[("earn", 10), ("expire", -10)]] * 20


async def test_the_clock_runs_the_job_at_each_midnight_of_the_programme() -> None:
    async with open_shop(unit(), rule(), at="2026-06-01") as shop:
        member = await shop.enrol()
        await shop.lot(member, 100, date(2026, 6, 3))
        await shop.go_to("2026-06-03")
        assert await shop.entries(member) == [("earn", 100), ("expire", -100)]


async def test_a_wallet_with_many_lots_is_settled_beside_others(monkeypatch: pytest.MonkeyPatch) -> None:
    async with open_shop(unit(expiry=END_OF_MONTH), rule(), at="2026-03-10") as shop:
        monkeypatch.setattr(jobs, "MAX_PARTS", 3)
        members = [await shop.enrol() for _ in range(3)]
        for member in members:
            for _ in range(5):
                await shop.earn(member, 1)
        await shop.jump_to("2026-04-01")
        await settle(shop)
        assert await booked_expiries(shop) == 15


async def test_sliding_points_that_an_open_hold_holds_do_not_keep_the_job_busy(monkeypatch: pytest.MonkeyPatch) -> None:
    async with open_shop(unit(expiry={"policy": "sliding", "days": 10}), rule(), at="2026-03-01") as shop:
        monkeypatch.setattr(jobs, "MAX_MEMBERS", 1)
        member = await shop.enrol()
        await shop.earn(member, 100)
        await shop.points.Hold(hold(member, 100, local("2026-05-01")))
        await shop.jump_to("2026-04-01")
        async with asyncio.timeout(10):
            await settle(shop)
        balance = await shop.balance(member)
        assert (balance.available, balance.held) == (0, 100)
        await shop.jump_to(local("2026-05-01") + timedelta(hours=1))
        await settle(shop)
        assert await shop.entries(member) == [("earn", 100), ("expire", -100)]


def crashing_after(rounds: int) -> Any:
    """A way to find due members that breaks off."""
    found = itertools.count(1)

    async def due_members(*arguments: Any) -> dict[int, jobs.Due]:
        if next(found) > rounds:
            raise RuntimeError("crash")
        return await FIND_DUE(*arguments)

    return due_members


async def settle(shop: Shop) -> None:
    """What the job does at an instant."""
    await jobs.settle_everybody(shop.suite.running["points"].platform, await shop.now())


async def booked_expiries(shop: Shop) -> int:
    pool = shop.suite.running["points"].platform.pool
    number: int = await pool.fetchval("SELECT count(*) FROM entries WHERE kind = 4")
    return number
