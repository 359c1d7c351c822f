"""Points of a sliding unit expire together, some time after the member's last activity."""

from datetime import UTC, date, timedelta

from tests.points.builders import local, open_shop, refund, rule, spend, unit

TEN_DAYS = {"policy": "sliding", "days": 10}


async def test_activity_keeps_everything_alive() -> None:
    async with open_shop(unit(expiry=TEN_DAYS), rule(), at="2026-03-01 12:00") as shop:
        member = await shop.enrol()
        (earning,) = (await shop.earn(member, 100)).earnings
        assert earning.expires_at.ToDatetime(UTC) == local("2026-03-11")
        await shop.go_to("2026-03-10 23:00")
        await shop.earn(member, 1)
        await shop.jump_to("2026-03-19 23:59")
        assert await shop.available(member) == 101
        (expiry,) = (await shop.balance(member)).expiries
        assert (expiry.expires_at.ToDatetime(UTC), expiry.amount) == (local("2026-03-20"), 101)
        await shop.jump_to("2026-03-20")
        assert await shop.available(member) == 0
        assert await shop.findings() == []


async def test_activity_after_the_expiry_brings_nothing_back_whether_or_not_the_job_ran() -> None:
    async with open_shop(unit(expiry=TEN_DAYS), rule(), at="2026-03-01 12:00") as shop:
        with_job, without_job = await shop.enrol(), await shop.enrol(routing=1)
        for member in (with_job, without_job):
            await shop.earn(member, 100)
        await shop.jump_to("2026-03-11")
        await shop.earn(without_job, 7)
        await shop.go_to("2026-03-11 01:00")
        await shop.earn(with_job, 7)
        for member in (with_job, without_job):
            assert await shop.available(member) == 7
            assert await shop.entries(member) == [("earn", 100), ("expire", -100), ("earn", 7)]
        assert await shop.findings() == []


async def test_activity_that_earns_nothing_counts_too() -> None:
    async with open_shop(unit(expiry=TEN_DAYS), rule(), at="2026-03-01 12:00") as shop:
        member = await shop.enrol()
        await shop.earn(member, 100)
        await shop.go_to("2026-03-05")
        await shop.earn(member, 0, type="check-in")
        await shop.jump_to("2026-03-14 23:59")
        assert await shop.available(member) == 100
        assert await shop.findings() == []


async def test_a_late_report_does_not_shorten_their_life() -> None:
    async with open_shop(unit(expiry=TEN_DAYS), rule(), at="2026-03-10 12:00") as shop:
        member = await shop.enrol()
        await shop.earn(member, 100)
        await shop.earn(member, 1, at=local("2026-03-02"))
        await shop.jump_to("2026-03-19 23:59")
        assert await shop.available(member) == 101


async def test_what_a_refund_restores_slides_on_and_lives_at_least_its_minimum() -> None:
    async with open_shop(
        unit(expiry=TEN_DAYS, refund="min-validity", min_validity_days=30), rule(), at="2026-03-01 12:00"
    ) as shop:
        member = await shop.enrol()
        await shop.earn(member, 100)
        spent = await shop.points.Spend(spend(member, 60))
        await shop.go_to("2026-03-02 12:00")
        await shop.points.RefundSpend(refund(spent.spend_id, 50))
        await shop.jump_to("2026-03-11")
        assert await shop.available(member) == 50, "what was not spent is gone"
        await shop.go_to("2026-03-28")
        await shop.earn(member, 1)
        await shop.jump_to("2026-04-06 23:59")
        assert await shop.available(member) == 51, "activity keeps it beyond the minimum, which was 04-01"
        await shop.jump_to("2026-04-07")
        assert await shop.available(member) == 0
        assert await shop.findings() == []


async def test_points_keep_the_terms_they_were_earned_on_when_the_unit_changes() -> None:
    async with open_shop(unit(), rule(), at="2026-03-01 12:00") as shop:
        member = await shop.enrol()
        await shop.earn(member, 1)
        await shop.lot(member, 10, date(2026, 4, 1))
        await shop.publish(unit(expiry=TEN_DAYS))
        await shop.earn(member, 100)
        await shop.publish(unit())
        await shop.earn(member, 1000)
        await shop.jump_to("2026-03-10 23:59")
        assert await shop.available(member) == 1111
        await shop.jump_to("2026-03-11")
        assert await shop.available(member) == 1011, "those that slide are gone, those that never expire are not"
        await shop.go_to("2026-04-01")
        assert await shop.available(member) == 1001
        await shop.publish(unit(expiry=TEN_DAYS))
        await shop.earn(member, 5)
        await shop.jump_to("2027-03-01")
        assert await shop.available(member) == 1001
        assert await shop.findings() == []


async def test_the_expiry_of_lots_is_read_as_it_slides() -> None:
    async with open_shop(unit(expiry=TEN_DAYS), rule(), at="2026-03-01 12:00") as shop:
        member = await shop.enrol()
        await shop.earn(member, 100)
        await shop.go_to("2026-03-04 12:00")
        await shop.earn(member, 50)
        assert [lot.expires_at.ToDatetime(UTC) for lot in await shop.lots(member)] == [local("2026-03-14")] * 2
        burnt = (await shop.points.Spend(spend(member, 120))).lots
        assert [part.amount for part in burnt] == [100, 20], "the oldest burns first"
        assert (await shop.now()) + timedelta(days=9) < local("2026-03-14")


async def test_what_cannot_be_spent_yet_lives_a_term_from_when_it_can() -> None:
    async with open_shop(unit(expiry=TEN_DAYS, pending_days=20), rule(), at="2026-03-01 12:00") as shop:
        member = await shop.enrol()
        (earning,) = (await shop.earn(member, 100)).earnings
        assert earning.available_at.ToDatetime(UTC) == local("2026-03-21")
        assert earning.expires_at.ToDatetime(UTC) == local("2026-03-31")
        await shop.go_to("2026-03-21")
        assert await shop.available(member) == 100
        await shop.jump_to("2026-03-31")
        assert await shop.available(member) == 0
        assert await shop.findings() == []
