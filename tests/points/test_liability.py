"""What is owed to members, by unit, funder and month of expiry; it comes to what the books say."""

from datetime import date
from typing import Any

from tessera.points.v1 import points_service_pb2 as pb
from tests.points.builders import (
    SCORE,
    Shop,
    forfeit,
    hold,
    local,
    open_shop,
    refund,
    refusal_of,
    reverse,
    rule,
    spend,
    unit,
)
from tests.points.returns import complete

Lines = dict[tuple[str, str, str], tuple[int, int, int, int]]


async def liability(shop: Shop, of: str = "") -> tuple[Lines, dict[tuple[str, str], int]]:
    """The lines (outstanding, held, overdue, expired) and receivables, held against the summary of the ledger."""
    answers = [answer async for answer in shop.points.GetLiability(pb.GetLiabilityRequest(unit=of))]
    assert [p.partition for answer in answers for p in answer.positions] == list(range(8))
    lines = [line for answer in answers for line in answer.lines]
    receivables = {(r.unit, r.funder): r.amount for answer in answers for r in answer.receivables}
    keys = [(line.unit, line.funder, line.expiry_month) for line in lines]
    assert keys == sorted(set(keys), key=lambda key: (*key[:2], not key[2], key[2]))
    for sums in (await shop.points.GetLedgerSummary(pb.GetLedgerSummaryRequest())).units:
        if sums.unit == of or (not of and sums.unit != "score"):
            owed = sum(amount for (code, _), amount in receivables.items() if code == sums.unit)
            of_unit = [line for line in lines if line.unit == sums.unit]
            assert sum(line.outstanding for line in of_unit) == sums.in_lots
            assert sum(line.outstanding for line in of_unit) - owed == sums.outstanding
            assert sum(line.expired for line in of_unit) == sums.expired
    figures = [(line.outstanding, line.held, line.overdue, line.expired) for line in lines]
    return dict(zip(keys, figures, strict=True)), receivables


async def test_what_is_owed_is_told_by_funder_and_month_with_what_has_expired() -> None:
    async with open_shop(unit(), rule(funder="dairy"), *SCORE, at="2026-05-01") as shop:
        one, two = await shop.enrol(routing=1), await shop.enrol(routing=2)
        await shop.earn(one, 5)
        await shop.lot(one, 100, date(2026, 5, 20))
        await shop.lot(one, 40, date(2026, 6, 30))
        await shop.publish(rule(funder="bakery"))
        await shop.lot(two, 70, date(2026, 6, 1))
        await shop.points.Hold(hold(two, 30, local("2026-07-01")))
        await shop.points.Spend(spend(one, 60))
        lines, receivables = await liability(shop)
        assert receivables == {}
        assert lines == {
            ("points", "bakery", "2026-06"): (70, 30, 0, 0),
            ("points", "dairy", "2026-05"): (40, 0, 0, 0),
            ("points", "dairy", "2026-06"): (40, 0, 0, 0),
            ("points", "dairy", ""): (5, 0, 0, 0),
        }
        await shop.jump_to("2026-06-02")
        lines, _ = await liability(shop)
        assert lines["points", "dairy", "2026-05"] == (40, 0, 40, 0)
        assert lines["points", "bakery", "2026-06"] == (70, 30, 40, 0)
        await shop.go_to("2026-06-04")
        lines, _ = await liability(shop)
        assert lines["points", "dairy", "2026-05"] == (0, 0, 0, 40)
        assert lines["points", "bakery", "2026-06"] == (30, 30, 0, 40)


async def test_months_are_civil_in_the_programmes_zone() -> None:
    async with open_shop(at="2026-05-01") as shop:
        member = await shop.enrol()
        await shop.lot(member, 10, date(2026, 6, 1))
        lines, _ = await liability(shop)
        assert lines == {("points", "platform", "2026-06"): (10, 0, 0, 0)}, "in UTC it is still May"


async def test_what_was_forfeited_is_no_breakage() -> None:
    terms = {"expiry": {"policy": "duration", "days": 10}}
    async with open_shop(unit(**terms), rule(), at="2026-05-25") as shop:
        member = await shop.enrol()
        await shop.earn(member, 100)
        await shop.points.Forfeit(forfeit(member, 60))
        await shop.points.Forfeit(forfeit(member, 10))
        lines, _ = await liability(shop)
        assert lines == {("points", "platform", "2026-06"): (30, 0, 0, 0)}
        await shop.go_to("2026-06-05")
        lines, _ = await liability(shop)
        assert lines == {("points", "platform", "2026-06"): (0, 0, 0, 30)}


async def test_what_waits_for_its_activity_expires_in_no_month_yet() -> None:
    sliding = unit(expiry={"policy": "sliding", "days": 20})
    async with open_shop(sliding, rule(pending="until-completed"), at="2026-05-01") as shop:
        stay = await shop.earn(await shop.enrol(), 100)
        lines, _ = await liability(shop)
        assert lines == {("points", "platform", ""): (100, 0, 0, 0)}
        await shop.points.CompleteActivity(complete(stay.activity_id))
        lines, _ = await liability(shop)
        assert lines == {("points", "platform", "2026-05"): (100, 0, 0, 0)}


async def test_what_members_owe_stands_apart() -> None:
    async with open_shop() as shop:
        one, two = await shop.enrol(routing=1), await shop.enrol(routing=2)
        earned = await shop.earn(one, 100)
        await shop.points.Spend(spend(one, 80))
        await shop.points.ReverseActivity(reverse(earned.activity_id))
        await shop.earn(two, 30)
        lines, receivables = await liability(shop)
        assert lines == {("points", "platform", ""): (30, 0, 0, 0)}
        assert receivables == {("points", "platform"): 80}


async def test_points_that_slide_are_in_the_month_in_which_they_slid_away_whatever_comes_later() -> None:
    async with open_shop(unit(expiry={"policy": "sliding", "days": 30}), rule(), at="2026-05-10") as shop:
        member = await shop.enrol()
        await shop.earn(member, 100)
        spent = await shop.points.Spend(spend(member, 25))
        assert (await liability(shop))[0] == {("points", "platform", "2026-06"): (75, 0, 0, 0)}
        await shop.go_to("2026-06-20")
        await shop.points.RefundSpend(refund(spent.spend_id))
        assert (await liability(shop))[0] == {("points", "platform", "2026-06"): (0, 0, 0, 100)}
        await shop.earn(member, 7)
        assert (await liability(shop))[0] == {
            ("points", "platform", "2026-06"): (0, 0, 0, 100),
            ("points", "platform", "2026-07"): (7, 0, 0, 0),
        }


async def test_one_unit_can_be_asked_for_and_others_are_refused() -> None:
    miles = [unit("miles"), rule("miles-per-fen", "miles")]
    async with open_shop(unit(), rule(), *miles) as shop:
        await shop.earn(await shop.enrol(), 10)
        assert list((await liability(shop, "miles"))[0]) == [("miles", "platform", "")]
        assert len((await liability(shop))[0]) == 2

        async def ask(of: str) -> Any:
            return [answer async for answer in shop.points.GetLiability(pb.GetLiabilityRequest(unit=of))]

        assert (await refusal_of(ask("beans"))).reason == "UNIT_UNKNOWN"
