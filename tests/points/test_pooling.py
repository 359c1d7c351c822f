"""A balance costs as little for thousands of lots as for ten, and is the one that every single lot comes to."""

from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import pytest

from services.points.wallets import reads
from services.points.wallets.balances import balance_at
from services.points.wallets.pooling import POOLED_LOTS
from tests.points.builders import Member, Shop, hold, local, open_shop, outcome, refund, reverse, rule, spend, unit

MANY = 2_000
_OPEN_MANY = """
    INSERT INTO lots (
        partition, member_id, lot_id, unit, amount, remaining, held, expired, available_at, expires_at, funder,
        source_id, slides
    )
    SELECT $1, $2, gen_random_uuid(), 'points', 10, 10, 0, 0, $3::timestamptz, $3 + make_interval(days => 1 + n % 300),
           'platform', gen_random_uuid(), false
    FROM generate_series(1, $4::int) AS n
"""


async def test_of_thousands_of_lots_no_more_is_read_than_a_balance_tells() -> None:
    async with open_shop(at="2026-05-01") as shop:
        few, many = await shop.enrol(routing=1), await shop.enrol(routing=2)
        pool, now = shop.suite.running["points"].platform.pool, await shop.now()
        for member, count in ((few, 10), (many, MANY)):
            await shop.earn(member, 10 * count)
            await pool.execute("DELETE FROM lots WHERE member_id = $1", member.uuid)
            await pool.execute(_OPEN_MANY, member.partition, member.uuid, now, count)
        for member, count in ((few, 10), (many, MANY)):
            found = await pool.fetch(POOLED_LOTS, [member.partition], [member.uuid], now, now, 6)
            assert len(found) == 7, "six expiries, and one lot for all that expires later"
            balance = await shop.balance(member)
            assert (balance.available, len(balance.expiries)) == (10 * count, 6)
        one_day = sum(1 for n in range(1, MANY + 1) if n % 300 == 1) * 10
        assert [e.amount for e in balance.expiries[1:]] == [one_day] * 5
        later = await shop.balance(many, at=now + timedelta(days=100))
        assert later.available == sum(10 for n in range(1, MANY + 1) if 1 + n % 300 > 100)
        assert later.expiries[0].expires_at.ToDatetime(UTC) == now + timedelta(days=101)


@pytest.mark.parametrize("seed", range(4))
async def test_pools_come_to_what_their_lots_come_to(seed: int) -> None:
    """With lots that wait, are held, slide, were restored or are owed for; now, and at instants to come."""
    random = Random(seed)
    sliding = unit("sliding", expiry={"policy": "sliding", "days": 6}, pending_days=2, refund="min-validity")
    policies: list[dict[str, Any]] = [
        {"expiry": {"policy": "duration", "days": days}, "pending_days": pending, "refund": "min-validity"}
        for days, pending in ((3, 0), (12, 4), (4, 2), (30, 0))
    ]
    async with open_shop(unit(), rule(), sliding, rule("slide", "sliding"), at="2026-05-01") as shop:
        member = await shop.enrol()
        earned, spent = [], []
        for step in range(30):
            if step % 3 == 0:
                await shop.publish(unit(**random.choice(policies)))
            earned.append((await shop.earn(member, random.randint(1, 60))).activity_id)
            await use(shop, member, random, earned, spent)
            await shop.jump_to(await shop.now() + timedelta(hours=random.randint(0, 30)))
            if step % 5 == 4:
                await check(shop, member, await shop.now())
        assert await shop.findings() == []


async def use(shop: Shop, member: Member, random: Random, earned: list[str], spent: list[str]) -> None:
    """Spend, hold, refund or reverse, if it can be."""
    of, now = random.choice(["points", "sliding"]), await shop.now()
    match random.randint(0, 3):
        case 0:
            call = shop.points.Spend(spend(member, random.randint(1, 80), unit=of))
            if not await outcome(call):
                spent.append((await call).spend_id)
        case 1:
            until = now + timedelta(hours=random.randint(1, 200))
            await outcome(shop.points.Hold(hold(member, random.randint(1, 40), until, unit=of)))
        case 2 if spent:
            await outcome(shop.points.RefundSpend(refund(random.choice(spent))))
        case 3:
            await outcome(shop.points.ReverseActivity(reverse(random.choice(earned))))


async def check(shop: Shop, member: Member, now: datetime) -> None:
    """At every instant the pools tell what the lots tell."""
    later = [now + timedelta(hours=hours) for hours in (0, 7, 50, 200, 1000)]
    async with shop.suite.running["points"].platform.pool.acquire() as connection, connection.transaction():
        whole = (await reads.wallets(connection, [member.partition], [member.uuid]))[member.uuid]
        for until in later:
            pooled = await reads.pooled_wallets(connection, [member.partition], [member.uuid], now, until)
            for at in later[: later.index(until) + 1]:
                for code, wallet in whole.items():
                    assert balance_at(pooled[member.uuid][code], at) == balance_at(wallet, at), (code, at)


async def test_a_balance_of_the_past_counts_what_time_did_and_nobody_booked() -> None:
    async with open_shop(unit(expiry={"policy": "duration", "days": 5}), rule(), at="2026-05-01") as shop:
        member = await shop.enrol()
        for _ in range(10):
            await shop.earn(member, 10)
            await shop.jump_to(await shop.now() + timedelta(days=1))
        assert await shop.available(member, at=local("2026-05-06")) == 50
        assert await shop.available(member, at=local("2026-05-05")) == 50
        assert await shop.available(member) == 40
