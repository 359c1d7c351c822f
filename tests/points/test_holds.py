"""A hold puts points aside: their expiry waits for it, and it lets go by itself."""

from datetime import UTC, date, timedelta

import pytest
from grpc import StatusCode

from tests.points.builders import (
    capture,
    extend,
    hold,
    local,
    open_shop,
    refund,
    refusal_of,
    release,
    rule,
    spend,
    unit,
)


async def test_held_points_outlive_their_lot_and_can_be_captured_after_its_expiry() -> None:
    async with open_shop(unit(), rule(), at="2026-06-01") as shop:
        member = await shop.enrol()
        await shop.lot(member, 100, date(2026, 6, 10))
        held = await shop.points.Hold(hold(member, 60, local("2026-06-20")))
        await shop.go_to("2026-06-15")
        balance = await shop.balance(member)
        assert (balance.available, balance.held) == (0, 60)
        captured = await shop.points.CaptureHold(capture(held.hold_id))
        assert (captured.captured, captured.released, captured.balance_after) == (60, 0, 0)
        assert await shop.entries(member) == [("earn", 100), ("expire", -40), ("spend", -60)]
        assert await shop.findings() == []


async def test_what_is_released_after_its_lots_expiry_expires_then() -> None:
    async with open_shop(unit(), rule(), at="2026-06-01") as shop:
        member = await shop.enrol()
        await shop.lot(member, 100, date(2026, 6, 10))
        held = await shop.points.Hold(hold(member, 60, local("2026-06-20")))
        await shop.go_to("2026-06-15")
        released = await shop.points.ReleaseHold(release(held.hold_id))
        assert (released.released, released.expired) == (60, 60)
        assert await shop.available(member) == 0
        assert await shop.entries(member) == [("earn", 100), ("expire", -40), ("expire", -60)]
        assert await shop.findings() == []


async def test_a_hold_lets_go_by_itself_before_any_job_ran() -> None:
    async with open_shop(unit(), rule(), at="2026-06-01") as shop:
        member = await shop.enrol()
        await shop.earn(member, 100)
        until = local("2026-06-01 10:30")
        held = await shop.points.Hold(hold(member, 60, until))
        await shop.jump_to(until - timedelta(microseconds=1))
        assert (await shop.balance(member)).held == 60
        await shop.jump_to(until)
        balance = await shop.balance(member)
        assert (balance.available, balance.held) == (100, 0)
        for call in (
            shop.points.CaptureHold(capture(held.hold_id)),
            shop.points.ReleaseHold(release(held.hold_id)),
        ):
            refusal = await refusal_of(call)
            assert (refusal.reason, refusal.metadata) == ("HOLD_NOT_OPEN", {"state": "expired"})
        assert (await shop.points.Spend(spend(member, 100))).balance_after == 0
        assert await shop.findings() == []


async def test_an_expired_hold_of_expired_points_leaves_nothing_whether_or_not_a_job_ran() -> None:
    async with open_shop(unit(), rule(), at="2026-06-01") as shop:
        member = await shop.enrol()
        await shop.lot(member, 100, date(2026, 6, 10))
        await shop.points.Hold(hold(member, 60, local("2026-06-20")))
        await shop.jump_to("2026-06-25")
        balance = await shop.balance(member)
        assert (balance.available, balance.held) == (0, 0)
        assert await shop.available(member, at=local("2026-06-22")) == 0
        before = await shop.balance(member, at=local("2026-06-15"))
        assert (before.available, before.held) == (0, 60)
        assert [(lot.remaining, lot.held) for lot in await shop.lots(member)] == [(0, 0)]
        await shop.go_to("2026-06-26")
        assert await shop.entries(member) == [("earn", 100), ("expire", -40), ("expire", -60)]
        before = await shop.balance(member, at=local("2026-06-15"))
        assert (before.available, before.held) == (0, 60)


async def test_a_part_is_captured_first_lot_first_and_the_rest_goes_back() -> None:
    async with open_shop(unit(), rule(), at="2026-06-01") as shop:
        member = await shop.enrol()
        first = await shop.lot(member, 100, date(2026, 6, 10))
        second = await shop.lot(member, 100, date(2026, 7, 10))
        held = await shop.points.Hold(hold(member, 150, local("2026-06-05")))
        captured = await shop.points.CaptureHold(capture(held.hold_id, 120))
        assert (captured.captured, captured.released, captured.balance_after) == (120, 30, 80)
        assert await shop.remaining(member) == {first: 0, second: 80}
        refunded = await shop.points.RefundSpend(refund(captured.spend_id))
        assert [(part.lot_id, part.amount) for part in refunded.lots] == [(second, 20), (first, 100)]
        assert await shop.findings() == []


async def test_a_hold_is_captured_once() -> None:
    async with open_shop() as shop:
        member = await shop.enrol()
        await shop.earn(member, 100)
        held = await shop.points.Hold(hold(member, 60, local("2026-01-02")))
        await shop.points.CaptureHold(capture(held.hold_id, 10))
        refusal = await refusal_of(shop.points.CaptureHold(capture(held.hold_id, 10)))
        assert (refusal.reason, refusal.metadata) == ("HOLD_NOT_OPEN", {"state": "captured"})


async def test_no_more_is_captured_than_is_held() -> None:
    async with open_shop() as shop:
        member = await shop.enrol()
        await shop.earn(member, 100)
        held = await shop.points.Hold(hold(member, 60, local("2026-01-02")))
        refusal = await refusal_of(shop.points.CaptureHold(capture(held.hold_id, 61)))
        assert (refusal.reason, refusal.metadata) == ("CAPTURE_EXCEEDS_HOLD", {"held": "60", "requested": "61"})
        assert (await shop.balance(member)).held == 60


@pytest.mark.parametrize("until", ["2026-01-01 00:00", "2025-12-31", "2027-01-02 00:01", "9998-01-01"])
async def test_a_hold_ends_in_the_future_and_within_a_year(until: str) -> None:
    async with open_shop() as shop:
        member = await shop.enrol()
        await shop.earn(member, 100)
        refusal = await refusal_of(shop.points.Hold(hold(member, 60, local(until))))
        assert (refusal.reason, refusal.code) == ("TIME_OUT_OF_RANGE", StatusCode.INVALID_ARGUMENT)
        assert refusal.metadata == {
            "field": "expires_at",
            "after": local("2026-01-01").isoformat(),
            "latest": local("2027-01-02").isoformat(),
        }


async def test_a_hold_may_last_a_year() -> None:
    async with open_shop() as shop:
        member = await shop.enrol()
        await shop.earn(member, 100)
        await shop.points.Hold(hold(member, 60, local("2027-01-02")))
        assert await shop.available(member) == 40


async def test_held_points_are_in_the_balance_of_the_books() -> None:
    async with open_shop() as shop:
        member = await shop.enrol()
        await shop.earn(member, 100)
        await shop.points.Hold(hold(member, 60, local("2026-01-02")))
        assert (await shop.points.Spend(spend(member, 40))).balance_after == 60
        assert [(lot.remaining, lot.held) for lot in await shop.lots(member, closed=False)] == [(0, 60)]


async def test_an_extended_hold_holds_until_its_new_end_and_still_freezes_the_expiry() -> None:
    async with open_shop(unit(expiry={"policy": "duration", "days": 3}), rule()) as shop:
        member = await shop.enrol()
        await shop.earn(member, 100)
        held = await shop.points.Hold(hold(member, 60, local("2026-01-02")))
        extended = await shop.points.ExtendHold(extend(held.hold_id, local("2026-01-09")))
        assert extended.expires_at.ToDatetime(UTC) == local("2026-01-09")
        await shop.go_to("2026-01-08")
        assert (await shop.balance(member)).held == 60
        await shop.points.CaptureHold(capture(held.hold_id, 50))
        assert await shop.entries(member) == [("earn", 100), ("expire", -40), ("spend", -50), ("expire", -10)]
        assert await shop.findings() == []


async def test_a_hold_is_extended_beyond_its_end_and_at_most_a_year_from_now() -> None:
    async with open_shop() as shop:
        member = await shop.enrol()
        await shop.earn(member, 100)
        held = await shop.points.Hold(hold(member, 60, local("2026-01-05")))
        await shop.jump_to("2026-01-03")
        for until in ("2025-12-31", "2026-01-04 23:59", "2026-01-05", "2027-01-04 00:01"):
            refusal = await refusal_of(shop.points.ExtendHold(extend(held.hold_id, local(until))))
            assert (refusal.reason, refusal.code) == ("TIME_OUT_OF_RANGE", StatusCode.INVALID_ARGUMENT)
            assert refusal.metadata == {
                "field": "expires_at",
                "after": local("2026-01-05").isoformat(),
                "latest": local("2027-01-04").isoformat(),
            }


async def test_only_an_open_hold_of_an_allowed_domain_is_extended() -> None:
    async with open_shop() as shop:
        member = await shop.enrol("food")
        await shop.earn(member, 100)
        held = await shop.points.Hold(hold(member, 60, local("2026-01-02")))
        longer = local("2026-01-10")
        refusal = await refusal_of(shop.as_caller("fuel").ExtendHold(extend(held.hold_id, longer)))
        assert refusal.reason == "DOMAIN_NOT_ALLOWED"
        await shop.jump_to("2026-01-02")
        refusal = await refusal_of(shop.points.ExtendHold(extend(held.hold_id, longer)))
        assert (refusal.reason, refusal.metadata) == ("HOLD_NOT_OPEN", {"state": "expired"})
        nowhere = held.hold_id[:-6] + "000000"
        assert (await refusal_of(shop.points.ExtendHold(extend(nowhere, longer)))).reason == "HOLD_UNKNOWN"
        assert await shop.available(member) == 100
