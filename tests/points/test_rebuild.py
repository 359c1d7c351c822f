"""Balances and lots follow from what was booked: rebuilt from the journal alone they are the same."""

import asyncio
from typing import Any

import pytest
import pytest_asyncio
from grpc import StatusCode

from tessera.points.v1 import rebuild_pb2, seal_pb2
from tests.points import eventful
from tests.points.builders import Shop, open_shop, refusal_of, spend

pytestmark = pytest.mark.asyncio(loop_scope="module")
TABLES = ("lots", "balances", "lot_uses", "clawbacks", "cap_uses")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shop() -> Any:
    """A shop in which everything has happened once."""
    async with open_shop(*eventful.DOCUMENTS, at=eventful.OPENING) as opened:
        await eventful.live(opened)
        yield opened


async def rebuild(shop: Shop, **fields: Any) -> Any:
    """The last answer about partition 0."""
    request = rebuild_pb2.RebuildLedgerRequest(partition=0, **fields)
    answer = [answer async for answer in shop.points.RebuildLedger(request)][-1]
    assert answer.done
    return answer


def pool_of(shop: Shop) -> Any:
    return shop.suite.running["points"].platform.pool


async def tables(shop: Shop) -> dict[str, list[Any]]:
    return {table: await pool_of(shop).fetch(f"SELECT * FROM {table} ORDER BY 1, 2, 3, 4") for table in TABLES}


async def test_what_is_rebuilt_is_what_stands(shop: Shop) -> None:
    answers = [answer async for answer in shop.points.RebuildLedger(rebuild_pb2.RebuildLedgerRequest())]
    assert [answer.partition for answer in answers if answer.done] == list(range(8))
    assert all(answer.position == answer.head_position for answer in answers if answer.done)
    assert [difference for answer in answers for difference in answer.differences] == []


@pytest.mark.parametrize(
    ("change", "count"),
    [
        ("UPDATE balances SET balance = balance + 1, debt = debt + 1", None),
        ("DELETE FROM balances", None),
        ("UPDATE lots SET remaining = 0, held = 0, expired = 0, funder = 'x', expires_at = NULL", None),
        ("UPDATE lots SET lot_id = member_id WHERE lot_id = (SELECT min(lot_id::text)::uuid FROM lots)", 2),
        ("DELETE FROM lots", None),
        ("UPDATE lot_uses SET ordinal = ordinal + 10", None),
        ("UPDATE clawbacks SET owed = owed + 1, taken_at = taken_at + interval '1 day'", None),
        ("UPDATE cap_uses SET used = used + 1, period_start = period_start + 1", None),
        ("DELETE FROM cap_uses; DELETE FROM lots; DELETE FROM lot_uses; DELETE FROM clawbacks", None),
    ],
)
async def test_what_was_corrupted_is_told_and_put_right(shop: Shop, change: str, count: int | None) -> None:
    before = await tables(shop)
    await pool_of(shop).execute(change)
    wrong = await tables(shop)
    told = await rebuild(shop)
    assert told.difference_count == (count or told.difference_count) > 0
    assert told.repaired == 0
    assert await tables(shop) == wrong
    repaired = await rebuild(shop, write=True)
    assert repaired.repaired == repaired.difference_count == told.difference_count
    assert await tables(shop) == before
    assert (await rebuild(shop)).difference_count == 0
    assert await shop.findings() == []


async def test_a_difference_says_what_is_and_what_must_be() -> None:
    async with open_shop() as shop:
        member = await shop.enrol()
        await shop.earn(member, 10)
        await pool_of(shop).execute("UPDATE balances SET balance = 11")
        told = await rebuild(shop)
        assert list(told.differences) == [f"balances {member.uuid} points: balance is 11 and must be 10"]
        await pool_of(shop).execute("DELETE FROM balances")
        assert list((await rebuild(shop)).differences) == [f"balances {member.uuid} points: is missing"]


async def test_a_repair_among_those_who_spend_loses_nothing() -> None:
    async with open_shop() as shop:
        broken, busy = await shop.enrol(), await shop.enrol()
        await shop.earn(broken, 100)
        await shop.earn(busy, 1_000)
        await pool_of(shop).execute("UPDATE lots SET remaining = 50 WHERE member_id = $1", broken.uuid)
        spends = [shop.points.Spend(spend(busy, 1)) for _ in range(50)]
        await asyncio.gather(rebuild(shop, write=True), *spends)
        assert await shop.available(busy) == 950
        assert await shop.available(broken) == 100
        assert await shop.findings() == []


async def test_what_is_archived_cannot_be_rebuilt_from() -> None:
    async with open_shop() as shop:
        await shop.earn(await shop.enrol(), 10)
        (answer,) = await shop.seal(partition=0)
        seal = answer.seal
        await shop.points.TrimLedger(
            seal_pb2.TrimLedgerRequest(partition=0, position=seal.position, chain_hash=seal.chain_hash)
        )
        refusal = await refusal_of(rebuild(shop))
        assert (refusal.reason, refusal.code) == ("JOURNAL_ARCHIVED", StatusCode.FAILED_PRECONDITION)
