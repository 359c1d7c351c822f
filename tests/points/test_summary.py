"""The sums of the ledger: what came, what went, what is left, and that it adds up."""

from typing import Any

from tessera.points.v1 import points_service_pb2 as pb
from tests.points import eventful
from tests.points.builders import (
    SCORE,
    Shop,
    conversion,
    convert,
    forfeit,
    grant,
    hold,
    line,
    local,
    open_shop,
    refund,
    reverse,
    rule,
    spend,
    unit,
)


async def summary(shop: Shop) -> tuple[dict[str, Any], int, int]:
    answer = await shop.points.GetLedgerSummary(pb.GetLedgerSummaryRequest())
    for sums in answer.units:
        came = sums.earned + sums.granted + sums.converted + sums.adjusted
        assert came - sums.spent - sums.expired - sums.clawed_back - sums.forfeited == sums.outstanding
    return {sums.unit: sums for sums in answer.units}, answer.activities, answer.lines


async def test_what_came_and_went_is_summed_by_unit_over_all_members() -> None:
    async with open_shop(unit(expiry={"policy": "end-of-month", "months": 0}), rule(), *SCORE, at="2026-03-10") as shop:
        rich, poor = await shop.enrol(routing=1), await shop.enrol(routing=2)
        await shop.earn(rich, [line(60), line(40)])
        spent = await shop.points.Spend(spend(rich, 50))
        await shop.points.RefundSpend(refund(spent.spend_id, 10))
        await shop.points.Hold(hold(rich, 25, local("2026-04-20")))
        overspent = await shop.earn(poor, 30)
        await shop.points.Spend(spend(poor, 30))
        await shop.points.ReverseActivity(reverse(overspent.activity_id))
        await shop.go_to("2026-04-05")
        units, activities, lines = await summary(shop)
        assert (activities, lines) == (2, 3)
        points = units["points"]
        assert (points.earned, points.spent, points.expired, points.clawed_back) == (130, 70, 35, 30)
        assert (points.outstanding, points.in_lots, points.receivable) == (-5, 25, 30)
        score = units["score"]
        assert (score.earned, score.clawed_back, score.outstanding, score.in_lots) == (130, 30, 100, 0)
        assert await shop.findings() == []


async def test_empty_books_sum_to_nothing() -> None:
    async with open_shop() as shop:
        units, activities, lines = await summary(shop)
        assert (units, activities, lines) == ({}, 0, 0)


async def test_what_was_forgiven_or_deducted_is_not_owed() -> None:
    async with open_shop(unit(negative_balance="forgive"), rule()) as shop:
        member = await shop.enrol()
        earned = await shop.earn(member, 30)
        await shop.points.Spend(spend(member, 30))
        await shop.points.ReverseActivity(reverse(earned.activity_id))
        units, _, _ = await summary(shop)
        assert (units["points"].clawed_back, units["points"].outstanding, units["points"].receivable) == (0, 0, 0)


async def test_movements_are_summed_by_what_they_were() -> None:
    async with open_shop(unit(), unit("miles"), rule(), conversion()) as shop:
        member = await shop.enrol()
        await shop.points.Grant(grant(member, 100))
        await shop.points.Forfeit(forfeit(member, 10))
        await shop.points.Convert(convert(member, 31))
        units, _, _ = await summary(shop)
        points, miles = units["points"], units["miles"]
        assert (points.granted, points.forfeited, points.converted, points.outstanding) == (100, 10, -30, 60)
        assert (miles.granted, miles.forfeited, miles.converted, miles.in_lots) == (0, 0, 10, 10)


async def test_what_a_life_in_which_everything_happens_comes_to_adds_up() -> None:
    async with open_shop(*eventful.DOCUMENTS, at=eventful.OPENING) as shop:
        await eventful.live(shop)
        answer = await shop.points.GetLedgerSummary(pb.GetLedgerSummaryRequest())
        units = {unit.unit: unit for unit in answer.units}
        assert units["points"].adjusted == -10
        for sums in units.values():
            came = sums.earned + sums.granted + sums.converted + sums.adjusted
            assert came - sums.spent - sums.expired - sums.clawed_back - sums.forfeited == sums.outstanding
