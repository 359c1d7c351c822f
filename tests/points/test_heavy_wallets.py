"""A wallet of ten thousand lots: a batch of commands looks at those that it moves, not at all of them each time."""

from collections.abc import Sequence
from typing import Any

import pytest

from tessera.points.v1 import points_service_pb2 as pb
from tests.points.builders import Member, Shop, hold, local, open_shop, refund, refusal_in, release, rule, spend, unit

LOTS = 10_000
COMMANDS = 500
_OPEN_MANY = """
    INSERT INTO lots (
        partition, member_id, lot_id, unit, amount, remaining, held, expired, available_at, expires_at, funder,
        source_id, slides
    )
    SELECT $1, $2, gen_random_uuid(), 'points', 10, 10, 0, 0, $3::timestamptz, $3 + make_interval(days => 2 + n % 300),
           'platform', gen_random_uuid(), false
    FROM generate_series(1, $4::int) AS n
"""


async def heavy(shop: Shop) -> Member:
    """A member who has many lots, of which the first have expired and nobody has booked it."""
    member, pool = await shop.enrol(), shop.suite.running["points"].platform.pool
    await shop.earn(member, 10 * LOTS)
    await pool.execute("DELETE FROM lots WHERE member_id = $1", member.uuid)
    await pool.execute(_OPEN_MANY, member.partition, member.uuid, await shop.now(), LOTS)
    await shop.jump_to("2026-05-05")
    return member


def done(results: Sequence[Any]) -> list[Any]:
    """The answers, none of which is a refusal."""
    assert [refusal_in(result.error).reason for result in results if result.HasField("error")] == []
    return [result.response for result in results]


@pytest.fixture
def documents() -> list[dict[str, Any]]:
    return [unit(expiry={"policy": "duration", "days": 3000}), rule()]


async def test_hundreds_of_spends_and_refunds_of_it_fit_into_a_batch(documents: list[dict[str, Any]]) -> None:
    async with open_shop(*documents, at="2026-05-01") as shop:
        member = await heavy(shop)
        spends = pb.BulkSpendRequest(requests=[spend(member, 15) for _ in range(COMMANDS)])
        spent = done((await shop.points.BulkSpend(spends)).results)
        assert all(sum(lot.amount for lot in answer.lots) == 15 for answer in spent)
        refunds = pb.BulkRefundSpendsRequest(requests=[refund(answer.spend_id, 0) for answer in spent])
        done((await shop.points.BulkRefundSpends(refunds)).results)
        expired = 10 * sum(1 for n in range(1, LOTS + 1) if n % 300 in (0, 1, 2))
        assert (await shop.balance(member)).available == 10 * LOTS - expired


async def test_hundreds_of_holds_of_it_fit_into_a_batch(documents: list[dict[str, Any]]) -> None:
    async with open_shop(*documents, at="2026-05-01") as shop:
        member = await heavy(shop)
        holds = pb.BulkHoldRequest(requests=[hold(member, 15, local("2026-06-01")) for _ in range(COMMANDS)])
        held = done((await shop.points.BulkHold(holds)).results)
        assert (await shop.balance(member)).held == 15 * COMMANDS
        releases = pb.BulkReleaseHoldsRequest(requests=[release(answer.hold_id) for answer in held])
        done((await shop.points.BulkReleaseHolds(releases)).results)
        assert (await shop.balance(member)).held == 0


async def test_hundreds_of_refusals_of_it_fit_into_a_batch(documents: list[dict[str, Any]]) -> None:
    async with open_shop(*documents, at="2026-05-01") as shop:
        member = await heavy(shop)
        spends = pb.BulkSpendRequest(requests=[spend(member, 10 * LOTS + 1) for _ in range(COMMANDS)])
        results = (await shop.points.BulkSpend(spends)).results
        assert {refusal_in(result.error).reason for result in results} == {"INSUFFICIENT_POINTS"}
