"""Points are given outside an activity, in a lot of their own."""

from datetime import UTC, timedelta
from typing import Any

from grpc import StatusCode

from tessera.points.v1 import movement_pb2
from tests.points.builders import (
    SCORE,
    adjust,
    funder,
    grant,
    hold,
    local,
    open_shop,
    outcome,
    partner,
    programme,
    refund,
    refusal_in,
    refusal_of,
    reverse,
    rule,
    someone,
    spend,
    unit,
)

MONTHLY = {"policy": "end-of-month", "months": 1}


async def test_a_grant_is_a_lot_of_its_own_that_expires_by_the_policy_of_its_unit() -> None:
    async with open_shop(unit(expiry=MONTHLY), rule(), funder("partner"), at="2026-01-10 12:00") as shop:
        member = await shop.enrol()
        granted = await shop.points.Grant(grant(member, 100, funder="partner", reference="sorry"))
        assert (granted.balance_after, granted.expires_at.ToDatetime(UTC)) == (100, local("2026-03-01"))
        (lot,) = await shop.lots(member)
        assert (lot.lot_id, lot.source_id, lot.activity_id) == (granted.lot_id, granted.grant_id, "")
        assert (lot.funder, lot.remaining) == ("partner", 100)
        assert lot.source_id.startswith("grant_")
        assert await shop.entries(member) == [("grant", 100)]
        await shop.go_to("2026-03-01")
        assert await shop.entries(member) == [("grant", 100), ("expire", -100)]
        assert await shop.findings() == []


async def test_a_grant_may_say_when_it_expires_but_not_in_the_past() -> None:
    async with open_shop(unit(expiry=MONTHLY), rule(), at="2026-01-10 12:00") as shop:
        member = await shop.enrol()
        until = local("2026-01-12 18:00")
        granted = await shop.points.Grant(grant(member, 100, until))
        assert granted.expires_at.ToDatetime(UTC) == until
        refusal = await refusal_of(shop.points.Grant(grant(member, 100, await shop.now())))
        assert (refusal.reason, refusal.code) == ("TIME_OUT_OF_RANGE", StatusCode.INVALID_ARGUMENT)
        assert await shop.available(member, at=until) == 0


async def test_a_grant_of_a_sliding_unit_lives_a_term_and_longer_after_activity() -> None:
    sliding = unit(expiry={"policy": "sliding", "days": 30})
    async with open_shop(sliding, rule(), at="2026-01-01") as shop:
        idle, active = await shop.enrol(), await shop.enrol()
        for member in (idle, active):
            await shop.earn(member, 1)
        await shop.jump_to("2026-03-01")
        for member in (idle, active):
            granted = await shop.points.Grant(grant(member, 100))
            assert granted.expires_at.ToDatetime(UTC) == local("2026-03-31")
        await shop.jump_to("2026-03-20")
        await shop.earn(active, 1)
        assert await shop.available(idle, at=local("2026-03-31")) == 0
        assert await shop.available(active, at=local("2026-04-18 23:59")) == 101
        assert await shop.findings() == []


async def test_a_grant_pays_what_is_owed() -> None:
    async with open_shop() as shop:
        member = await shop.enrol()
        earned = await shop.earn(member, 100)
        await shop.points.Spend(spend(member, 100))
        await shop.points.ReverseActivity(reverse(earned.activity_id))
        granted = await shop.points.Grant(grant(member, 130))
        assert granted.balance_after == await shop.available(member) == 30
        assert await shop.findings() == []


async def test_a_grant_never_brings_a_balance_above_the_limit_of_its_unit() -> None:
    async with open_shop(unit(max_balance=150), rule()) as shop:
        member = await shop.enrol()
        await shop.earn(member, 100)
        refusal = await refusal_of(shop.points.Grant(grant(member, 51)))
        assert refusal.reason == "BALANCE_LIMIT_EXCEEDED"
        assert refusal.metadata == {"limit": "150", "balance": "100", "amount": "51"}
        await shop.points.Grant(grant(member, 50))
        await shop.earn(member, 100)
        assert await shop.available(member) == 250


async def test_whoever_a_document_names_may_fund_what_is_given_by_hand() -> None:
    rules = (rule(funder="dairy"), rule("shared", funders={"platform": 60, "bakery": 40}))
    async with open_shop(unit(), *rules, funder("courier"), partner("skyline")) as shop:
        member = await shop.enrol()
        for name in ("platform", "dairy", "bakery", "courier", "skyline"):
            await shop.points.Grant(grant(member, 5, funder=name))
            await shop.points.Adjust(adjust(member, 1, funder=name))
        for request in (grant(member, 5, funder="nobody"), adjust(member, 1, funder="nobody")):
            call = shop.points.Grant if isinstance(request, movement_pb2.GrantRequest) else shop.points.Adjust
            refusal = await refusal_of(call(request))
            assert (refusal.code, refusal.reason) == (StatusCode.INVALID_ARGUMENT, "FUNDER_UNKNOWN")
            assert refusal.metadata == {"funder": "nobody"}
        assert await shop.available(member) == 25
        await shop.publish_only(programme(), unit(), rule())
        assert await outcome(shop.points.Grant(grant(member, 5, funder="courier"))) == "FUNDER_UNKNOWN"
        assert await shop.findings() == []


async def test_what_cannot_be_granted_is_refused_and_its_neighbours_are_not() -> None:
    refused: list[tuple[dict[str, Any], str]] = [
        ({"unit": "miles"}, "UNIT_UNKNOWN"),
        ({"unit": "score"}, "UNIT_NOT_SPENDABLE"),
        ({"domain": "food"}, "ACCOUNT_OF_ANOTHER_DOMAIN"),
        ({"member_id": someone().member_id}, "MEMBER_UNKNOWN"),
        ({"account_id": someone().account_id}, "ACCOUNT_UNKNOWN"),
        ({"amount": 0}, "INVALID_REQUEST"),
        ({"funder": "No Code"}, "INVALID_REQUEST"),
        ({"funder": "nobody"}, "FUNDER_UNKNOWN"),
        ({"merchant": "a" * 65}, "INVALID_REQUEST"),
        ({"merchant": "\0"}, "INVALID_REQUEST"),
    ]
    async with open_shop(unit(), rule(), *SCORE) as shop:
        member = await shop.enrol()
        bad = [grant(member, **{"amount": 5, **fields}) for fields, _ in refused]
        request = movement_pb2.BulkGrantRequest(requests=[grant(member, 1), *bad, grant(member, 2)])
        first, *between, last = (await shop.points.BulkGrant(request)).results
        assert (first.response.balance_after, last.response.balance_after) == (1, 3)
        assert [refusal_in(result.error).reason for result in between] == [reason for _, reason in refused]


async def test_more_than_int64_holds_is_refused() -> None:
    async with open_shop() as shop:
        member = await shop.enrol()
        await shop.points.Grant(grant(member, (1 << 63) - 1))
        assert (await refusal_of(shop.points.Grant(grant(member, 1)))).reason == "AMOUNT_OUT_OF_RANGE"


async def test_a_restricted_lot_is_spent_at_its_merchant_only_and_first() -> None:
    async with open_shop() as shop:
        member = await shop.enrol()
        free = (await shop.earn(member, 100)).earnings[0].lot_id
        bound = (await shop.points.Grant(grant(member, 50, merchant="cafe"))).lot_id
        balance = await shop.balance(member)
        assert (balance.available, [(r.merchant, r.available) for r in balance.restricted]) == (100, [("cafe", 50)])
        for elsewhere in ("", "shop"):
            refusal = await refusal_of(shop.points.Spend(spend(member, 101, merchant=elsewhere)))
            assert (refusal.reason, refusal.metadata["available"]) == ("INSUFFICIENT_POINTS", "100")
        spent = await shop.points.Spend(spend(member, 120, merchant="cafe"))
        assert [(part.lot_id, part.amount) for part in spent.lots] == [(bound, 50), (free, 70)]
        lots = {lot.lot_id: lot.merchant for lot in await shop.lots(member)}
        assert lots == {bound: "cafe", free: ""}
        assert await shop.findings() == []


async def test_what_comes_back_to_a_restricted_lot_stays_restricted() -> None:
    async with open_shop(unit(refund="min-validity", min_validity_days=30), rule()) as shop:
        member = await shop.enrol()
        await shop.points.Grant(grant(member, 50, local("2026-01-10"), merchant="cafe"))
        await shop.points.Grant(grant(member, 50, local("2026-12-31"), merchant="cafe"))
        spent = await shop.points.Spend(spend(member, 60, merchant="cafe"))
        held = await shop.points.Hold(hold(member, 40, local("2026-01-05"), merchant="cafe"))
        assert held.available_after == 0
        await shop.jump_to("2026-02-01")
        await shop.points.RefundSpend(refund(spent.spend_id))
        balance = await shop.balance(member)
        assert (balance.available, [(r.merchant, r.available) for r in balance.restricted]) == (0, [("cafe", 100)])
        assert {lot.merchant for lot in await shop.lots(member)} == {"cafe"}
        assert await shop.findings() == []


async def test_a_clawback_leaves_restricted_lots_alone() -> None:
    async with open_shop() as shop:
        member = await shop.enrol()
        earned = await shop.earn(member, 100)
        await shop.points.Spend(spend(member, 100))
        await shop.points.Grant(grant(member, 40, merchant="cafe"))
        await shop.points.ReverseActivity(reverse(earned.activity_id))
        balance = await shop.balance(member)
        assert (balance.available, balance.restricted[0].available) == (-100, 40)
        assert (await refusal_of(shop.points.Spend(spend(member, 1, merchant="cafe")))).reason == "INSUFFICIENT_POINTS"
        await shop.earn(member, 100)
        assert (await shop.points.Spend(spend(member, 40, merchant="cafe"))).balance_after == 0
        assert await shop.findings() == []


async def test_a_restricted_lot_expires_like_any_other() -> None:
    async with open_shop() as shop:
        member = await shop.enrol()
        until = local("2026-01-10")
        await shop.points.Grant(grant(member, 40, until, merchant="cafe"))
        assert list((await shop.balance(member, at=until)).restricted) == []
        assert (await shop.balance(member, at=until - timedelta(seconds=1))).restricted[0].available == 40
        await shop.go_to("2026-01-11")
        assert await shop.entries(member) == [("grant", 40), ("expire", -40)]


async def test_what_slides_is_gone_one_term_later_where_nothing_else_ever_slid() -> None:
    sliding = unit(expiry={"policy": "sliding", "days": 10}, approval_above=100)
    async with open_shop(sliding, rule(), at="2026-06-01") as shop:
        for request, give in ((grant, shop.points.Grant), (adjust, shop.points.Adjust)):
            member = await shop.enrol()
            await give(request(member, 40))
            assert await shop.available(member, at=local("2026-06-10 23:59")) == 40
            assert await shop.available(member, at=local("2026-06-11")) == 0
        await shop.go_to("2026-06-12")
        assert await shop.entries(member) == [("adjust", 40), ("expire", -40)]
        assert await shop.findings() == []
