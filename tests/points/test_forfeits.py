"""Points are taken away for good: what is there and not held, and nothing twice."""

from datetime import timedelta

from tests.points.builders import (
    forfeit,
    grant,
    hold,
    local,
    open_shop,
    refusal_of,
    release,
    reverse,
    rule,
    someone,
    spend,
    unit,
)


async def test_a_forfeit_takes_what_is_available_and_pending_and_leaves_what_is_held() -> None:
    async with open_shop(unit(pending_days=5), rule()) as shop:
        member = await shop.enrol()
        await shop.points.Grant(grant(member, 70, merchant="cafe"))
        await shop.points.Grant(grant(member, 60))
        held = await shop.points.Hold(hold(member, 20, local("2026-01-03")))
        await shop.earn(member, 100)
        forfeited = await shop.points.Forfeit(forfeit(member))
        assert (forfeited.forfeited, forfeited.balance_after) == (210, 20)
        assert [part.amount for part in forfeited.lots] == [70, 40, 100]
        balance = await shop.balance(member)
        assert (balance.available, balance.pending, balance.held, len(balance.restricted)) == (0, 0, 20, 0)
        await shop.points.ReleaseHold(release(held.hold_id))
        assert await shop.available(member) == 20
        entries = await shop.entries(member)
        assert entries == [("grant", 70), ("grant", 60), ("earn", 100), ("forfeit", -210)]
        assert await shop.findings() == []


async def test_a_forfeit_takes_so_much_in_burn_order_or_is_refused() -> None:
    async with open_shop() as shop:
        member = await shop.enrol()
        later = (await shop.points.Grant(grant(member, 50, local("2026-06-01")))).lot_id
        sooner = (await shop.points.Grant(grant(member, 50, local("2026-03-01")))).lot_id
        forfeited = await shop.points.Forfeit(forfeit(member, 60, reference="case 7"))
        assert [(part.lot_id, part.amount) for part in forfeited.lots] == [(sooner, 50), (later, 10)]
        refusal = await refusal_of(shop.points.Forfeit(forfeit(member, 41)))
        assert (refusal.reason, refusal.metadata["available"]) == ("INSUFFICIENT_POINTS", "40")
        assert (await refusal_of(shop.points.Forfeit(forfeit(member, 1, reason="")))).reason == "INVALID_REQUEST"
        assert (await refusal_of(shop.points.Forfeit(forfeit(someone())))).reason == "MEMBER_UNKNOWN"


async def test_all_of_nothing_is_nothing() -> None:
    async with open_shop() as shop:
        forfeited = await shop.points.Forfeit(forfeit(await shop.enrol()))
        assert (forfeited.forfeit_id, forfeited.forfeited) == ("", 0)


async def test_what_was_forfeited_is_not_taken_again_when_its_activity_is_reversed() -> None:
    async with open_shop() as shop:
        member = await shop.enrol()
        earned = await shop.earn(member, 100)
        await shop.points.Forfeit(forfeit(member, 30))
        assert (await shop.points.ReverseActivity(reverse(earned.activity_id))).clawbacks[0].taken == 70
        assert await shop.available(member) == 0
        assert await shop.findings() == []


async def test_a_forfeit_leaves_what_will_pay_a_debt() -> None:
    async with open_shop(unit(pending_days=5), rule()) as shop:
        member = await shop.enrol()
        earned = await shop.earn(member, 50)
        await shop.jump_to("2026-01-10")
        await shop.points.Spend(spend(member, 50))
        await shop.points.ReverseActivity(reverse(earned.activity_id))
        await shop.earn(member, 80)
        assert (await shop.points.Forfeit(forfeit(member))).forfeited == 30
        await shop.jump_to("2026-02-01")
        assert await shop.available(member) == 0
        assert await shop.findings() == []


async def test_the_past_reads_right_after_pending_points_were_forfeited_and_their_activity_reversed() -> None:
    async with open_shop(unit(pending_days=5), rule()) as shop:
        member = await shop.enrol()
        earned = await shop.earn(member, 100)
        seen = {}
        for day, do in (
            ("2026-01-02", forfeit(member, 30)),
            ("2026-01-03", reverse(earned.activity_id)),
        ):
            before = await shop.now()
            seen[before + timedelta(hours=1)] = await shop.balance(member)
            await shop.jump_to(day)
            await getattr(shop.points, "Forfeit" if day == "2026-01-02" else "ReverseActivity")(do)
        seen[await shop.now() + timedelta(hours=1)] = await shop.balance(member)
        await shop.jump_to("2026-01-04")
        for at, then in seen.items():
            now = await shop.balance(member, at=at)
            assert (now.available, now.pending) == (then.available, then.pending)
        assert [balance.pending for balance in seen.values()] == [100, 70, 0]
