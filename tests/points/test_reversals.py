"""An activity is reversed as a whole by what was recorded of it, whatever the rules say today."""

from datetime import date

from grpc import StatusCode

from tests.points.builders import (
    SCORE,
    hold,
    local,
    open_shop,
    programme,
    refund,
    refusal_of,
    release,
    reverse,
    rule,
    spend,
    unit,
)

GOLD_DOUBLES = {"ladder": "shopper", "by_level": {"gold": "2"}}


async def test_every_unit_is_taken_back_once() -> None:
    async with open_shop(unit(), rule(), *SCORE) as shop:
        member = await shop.enrol()
        earned = await shop.earn(member, 100)
        await shop.earn(member, 7)
        reversal = await shop.points.ReverseActivity(reverse(earned.activity_id))
        assert [(c.unit, c.earned, c.taken, c.balance_after) for c in reversal.clawbacks] == [
            ("points", 100, 100, 7),
            ("score", 100, 100, 7),
        ]
        refusal = await refusal_of(shop.points.ReverseActivity(reverse(earned.activity_id)))
        assert (refusal.reason, refusal.code) == ("ACTIVITY_ALREADY_REVERSED", StatusCode.FAILED_PRECONDITION)
        assert refusal.metadata == {"reversed_at": (await shop.now()).isoformat()}
        assert await shop.findings() == []


async def test_rules_level_and_multiplier_of_today_change_nothing() -> None:
    async with open_shop(unit(), rule(multiplier=GOLD_DOUBLES), *SCORE) as shop:
        member = await shop.enrol()
        await shop.raise_to(member, "gold", local("2025-01-01"))
        earned = await shop.earn(member, 100)
        assert earned.earnings[0].amount == 200
        await shop.raise_to(member, "silver", local("2025-01-01"))
        await shop.publish(rule(rate="5"), rule("score-per-fen", "score", rate="7"))
        reversal = await shop.points.ReverseActivity(reverse(earned.activity_id))
        assert {c.unit: c.taken for c in reversal.clawbacks} == {"points": 200, "score": 100}
        assert await shop.available(member) == 0


async def test_a_score_falls_below_zero_only_by_what_was_scored() -> None:
    async with open_shop(*SCORE) as shop:
        member = await shop.enrol()
        earned = await shop.earn(member, 1010)
        refunded = await shop.earn(member, 50)
        await shop.points.ReverseActivity(reverse(refunded.activity_id))
        assert await shop.available(member, "score") == 1010
        await shop.points.ReverseActivity(reverse(earned.activity_id))
        assert await shop.available(member, "score") == 0
        assert await shop.entries(member, "score") == [
            ("earn", 1010),
            ("earn", 50),
            ("clawback", -50),
            ("clawback", -1010),
        ]


async def test_its_own_points_are_taken_first_then_others_in_order() -> None:
    async with open_shop(unit(), rule(), at="2026-05-01") as shop:
        member = await shop.enrol()
        soon = await shop.lot(member, 50, date(2026, 6, 1))
        await shop.publish(unit(expiry={"policy": "duration", "days": 100}))
        earned = await shop.earn(member, 100)
        later = await shop.lot(member, 50, date(2026, 7, 1))
        await shop.points.Spend(spend(member, 50 + 50 + 40))
        own = earned.earnings[0].lot_id
        assert await shop.remaining(member) == {soon: 0, later: 0, own: 60}
        await shop.lot(member, 30, date(2026, 6, 15))
        await shop.points.ReverseActivity(reverse(earned.activity_id))
        assert (await shop.remaining(member))[own] == 0
        assert await shop.available(member) == -10
        assert await shop.findings() == []


async def test_what_expired_unused_is_not_taken_twice() -> None:
    async with open_shop(unit(), rule(), at="2026-05-01") as shop:
        member = await shop.enrol()
        await shop.publish(unit(expiry={"policy": "duration", "days": 30}))
        earned = await shop.earn(member, 100)
        await shop.points.Spend(spend(member, 30))
        await shop.go_to("2026-06-15")
        (clawback,) = (await shop.points.ReverseActivity(reverse(earned.activity_id))).clawbacks
        assert (clawback.earned, clawback.taken, clawback.balance_after) == (100, 30, -30)
        assert await shop.findings() == []


async def test_what_expired_whole_is_not_taken_at_all() -> None:
    async with open_shop(unit(), rule(), at="2026-05-01") as shop:
        member = await shop.enrol()
        await shop.publish(unit(expiry={"policy": "duration", "days": 30}))
        earned = await shop.earn(member, 100)
        await shop.jump_to("2026-06-15")
        (clawback,) = (await shop.points.ReverseActivity(reverse(earned.activity_id))).clawbacks
        assert (clawback.taken, clawback.balance_after) == (0, 0)
        assert await shop.entries(member) == [("earn", 100), ("expire", -100)]
        assert await shop.findings() == []


async def test_points_that_a_refund_gave_a_new_life_are_its_own_too() -> None:
    async with open_shop(unit(), rule(), at="2026-05-01") as shop:
        member = await shop.enrol()
        await shop.publish(unit(expiry={"policy": "duration", "days": 30}, refund="min-validity"))
        earned = await shop.earn(member, 100)
        spent = await shop.points.Spend(spend(member, 100))
        await shop.go_to("2026-06-15")
        await shop.points.RefundSpend(refund(spent.spend_id, 60))
        await shop.earn(member, 5)
        (clawback,) = (await shop.points.ReverseActivity(reverse(earned.activity_id))).clawbacks
        assert (clawback.taken, clawback.balance_after) == (100, -35)
        await shop.go_to("2026-08-01")
        assert await shop.available(member) == -35
        assert await shop.findings() == []


async def test_restored_points_that_expired_are_not_taken_twice() -> None:
    async with open_shop(unit(), rule(), at="2026-05-01") as shop:
        member = await shop.enrol()
        await shop.publish(unit(expiry={"policy": "duration", "days": 30}, refund="min-validity"))
        earned = await shop.earn(member, 100)
        spent = await shop.points.Spend(spend(member, 100))
        await shop.go_to("2026-06-15")
        await shop.points.RefundSpend(refund(spent.spend_id))
        await shop.go_to("2026-08-15")
        (clawback,) = (await shop.points.ReverseActivity(reverse(earned.activity_id))).clawbacks
        assert (clawback.taken, clawback.balance_after) == (0, 0)
        assert await shop.findings() == []


async def test_held_points_of_the_activity_stay_held_and_are_owed_until_they_come_back() -> None:
    async with open_shop() as shop:
        member = await shop.enrol()
        earned = await shop.earn(member, 100)
        held = await shop.points.Hold(hold(member, 80, local("2026-01-05")))
        await shop.points.ReverseActivity(reverse(earned.activity_id))
        balance = await shop.balance(member)
        assert (balance.available, balance.held) == (-80, 80)
        await shop.points.ReleaseHold(release(held.hold_id))
        balance = await shop.balance(member)
        assert (balance.available, balance.held) == (0, 0)
        assert await shop.findings() == []


async def test_a_hold_that_lets_go_by_itself_pays_the_debt_at_that_instant() -> None:
    async with open_shop(unit(), rule(), at="2026-06-01") as shop:
        member = await shop.enrol()
        earned = await shop.earn(member, 100)
        await shop.points.Hold(hold(member, 100, local("2026-06-10")))
        await shop.points.ReverseActivity(reverse(earned.activity_id))
        await shop.lot(member, 30, date(2026, 6, 20))
        assert await shop.available(member) == -70
        await shop.jump_to("2026-07-01")
        assert await shop.available(member) == 30, "the lot had paid 30 before it could expire, the hold's points 70"
        await shop.go_to("2026-07-02")
        assert await shop.available(member) == 30
        assert await shop.findings() == []


async def test_an_activity_of_a_unit_that_is_no_more_is_reversed_all_the_same() -> None:
    async with open_shop(unit(), rule(), *SCORE) as shop:
        member = await shop.enrol()
        earned = await shop.earn(member, 100)
        spent = await shop.points.Spend(spend(member, 60))
        await shop.publish_only(programme(), *SCORE)
        assert (await refusal_of(shop.points.Spend(spend(member, 1)))).reason == "UNIT_UNKNOWN"
        assert (await shop.points.RefundSpend(refund(spent.spend_id, 10))).balance_after == 50
        reversal = await shop.points.ReverseActivity(reverse(earned.activity_id))
        assert {c.unit: c.balance_after for c in reversal.clawbacks} == {"points": -50, "score": 0}
        assert await shop.findings() == []
