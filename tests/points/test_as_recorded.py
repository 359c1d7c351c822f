"""What we knew then: balances as a past instant would have told them, whatever was learnt since."""

from datetime import datetime, timedelta
from random import Random
from typing import Any

import pytest
from grpc import StatusCode

from services.chassis.instants import timestamp
from tessera.points.v1 import points_service_pb2 as pb
from tests.points.builders import (
    SCORE,
    Member,
    Shop,
    capture,
    forfeit,
    hold,
    local,
    open_shop,
    outcome,
    refund,
    refusal_in,
    refusal_of,
    reverse,
    rule,
    spend,
    unit,
)
from tests.points.returns import complete, returning

Figures = tuple[int, int, int]


def question(member: Member, recorded_by: datetime, effective_at: datetime | None = None) -> pb.GetBalanceRequest:
    request = pb.GetBalanceRequest(member_id=member.member_id, unit="points", recorded_by=timestamp(recorded_by))
    if effective_at is not None:
        request.effective_at.CopyFrom(timestamp(effective_at))
    return request


async def known(shop: Shop, member: Member, recorded_by: datetime, effective_at: datetime | None = None) -> Figures:
    """Available, pending and held, as recorded by an instant."""
    answer = await shop.points.GetBalance(question(member, recorded_by, effective_at))
    return figures(answer.balances[0])


def figures(balance: Any) -> Figures:
    return balance.available, balance.pending, balance.held


async def test_what_is_pending_is_known_less_what_came_back_and_was_forfeited_by_then() -> None:
    async with open_shop(unit(pending_days=9), rule(), at="2026-05-01") as shop:
        member = await shop.enrol()
        earned = await shop.earn(member, 100)
        told = {await shop.now(): figures(await shop.balance(member))}
        for day, method, request in (
            ("2026-05-02", "RefundActivity", returning(earned.activity_id, amount_minor=30)),
            ("2026-05-03", "Forfeit", forfeit(member, 20)),
            ("2026-05-04", "ReverseActivity", reverse(earned.activity_id)),
        ):
            await shop.jump_to(day)
            await getattr(shop.points, method)(request)
            told[await shop.now()] = figures(await shop.balance(member))
        await shop.jump_to("2026-05-06")
        assert [pending for _, pending, _ in told.values()] == [100, 70, 50, 0]
        assert {at: await known(shop, member, at) for at in told} == told


async def test_a_late_activity_counts_at_its_time_and_was_not_known_then() -> None:
    async with open_shop(unit(), rule(), *SCORE, at="2026-05-01") as shop:
        member = await shop.enrol()
        await shop.earn(member, 100)
        await shop.jump_to("2026-05-10")
        await shop.earn(member, 30, at=local("2026-05-03"))
        assert await shop.available(member, at=local("2026-05-05")) == 130
        assert await known(shop, member, local("2026-05-05")) == (100, 0, 0)
        assert await known(shop, member, local("2026-05-10"), local("2026-05-05")) == (130, 0, 0)
        assert await known(shop, member, local("2026-05-09"), local("2026-05-05")) == (100, 0, 0)
        score = question(member, local("2026-05-05"))
        score.unit = "score"
        assert (await shop.points.GetBalance(score)).balances[0].available == 100


async def test_what_time_had_done_was_known_though_it_was_booked_later() -> None:
    async with open_shop(unit(expiry={"policy": "duration", "days": 10}), rule(), at="2026-05-01") as shop:
        member = await shop.enrol()
        await shop.earn(member, 100)
        await shop.jump_to("2026-05-20")
        assert await known(shop, member, local("2026-05-12")) == (0, 0, 0)
        await shop.earn(member, 40, at=local("2026-05-02"))
        for _ in ("before a job has run", "and after"):
            assert await known(shop, member, local("2026-05-12")) == (0, 0, 0)
            assert await known(shop, member, local("2026-05-05")) == (100, 0, 0)
            assert await shop.available(member, at=local("2026-05-05")) == 140
            await shop.go_to("2026-05-22")
        assert await shop.findings() == []


async def test_a_late_activity_was_not_pending_before_it_was_recorded() -> None:
    async with open_shop(unit(pending_days=14), rule(), at="2026-05-01") as shop:
        member = await shop.enrol()
        await shop.earn(member, 100)
        await shop.jump_to("2026-05-10")
        await shop.earn(member, 30, at=local("2026-05-03"))
        assert figures(await shop.balance(member, at=local("2026-05-05"))) == (0, 130, 0)
        assert await known(shop, member, local("2026-05-05")) == (0, 100, 0)


async def test_recorded_by_now_or_later_is_what_is_known_now() -> None:
    async with open_shop(at="2026-05-01") as shop:
        member = await shop.enrol()
        await shop.earn(member, 100)
        for recorded_by in (await shop.now(), local("2026-07-01")):
            assert await known(shop, member, recorded_by) == (100, 0, 0)
        future = question(member, local("2026-07-01"), local("2026-06-01"))
        assert (await shop.points.GetBalance(future)).balances[0].available == 100


async def test_nothing_is_told_of_a_time_after_that_of_knowing() -> None:
    async with open_shop(at="2026-05-01") as shop:
        member = await shop.enrol()
        await shop.earn(member, 100)
        await shop.jump_to("2026-05-10")
        wrong = question(member, local("2026-05-05"), local("2026-05-06"))
        refusal = await refusal_of(shop.points.GetBalance(wrong))
        assert (refusal.reason, refusal.code) == ("TIME_OUT_OF_RANGE", StatusCode.INVALID_ARGUMENT)
        assert refusal.metadata == {"field": "effective_at"}
        items = [question(member, local("2026-05-05")), wrong, question(member, local("2026-04-01"))]
        good, bad, before = (await shop.points.BulkGetBalances(pb.BulkGetBalancesRequest(requests=items))).results
        assert refusal_in(bad.error).reason == "TIME_OUT_OF_RANGE"
        assert figures(good.response.balances[0]) == (100, 0, 0)
        assert figures(before.response.balances[0]) == (0, 0, 0)
        early = question(member, datetime(1969, 12, 31, tzinfo=local("2026-05-01").tzinfo))
        assert (await refusal_of(shop.points.GetBalance(early))).metadata == {"field": "recorded_by"}


@pytest.mark.parametrize("seed", range(3))
async def test_a_past_instant_is_told_as_it_told_itself(seed: int) -> None:
    """Whatever happens, and whatever is learnt late: what was answered once is what is answered as recorded by then."""
    random = Random(seed)
    documents = [unit(expiry={"policy": "duration", "days": 9}, pending_days=2), rule()]
    async with open_shop(*documents, at="2026-05-01") as shop:
        member = await shop.enrol()
        told: dict[datetime, Figures] = {}
        earned, spent, held = [], [], []
        for _ in range(25):
            now = await shop.now()
            earned.append((await shop.earn(member, random.randint(1, 90))).activity_id)
            late = now - timedelta(hours=random.randint(1, 400))
            earned.append((await shop.earn(member, random.randint(1, 20), at=late)).activity_id)
            await use(shop, member, random, earned, spent, held)
            told[now] = figures(await shop.balance(member))
            await (shop.go_to if random.random() < 0.2 else shop.jump_to)(now + timedelta(hours=random.randint(5, 40)))
        for at, expected in told.items():
            assert await known(shop, member, at) == expected, at


async def use(shop: Shop, member: Member, random: Random, earned: list[str], spent: list[str], held: list[str]) -> None:
    """Spend, hold, capture, refund or reverse what can be."""
    match random.randint(0, 4):
        case 0:
            call = shop.points.Spend(spend(member, random.randint(1, 80)))
            if not await outcome(call):
                spent.append((await call).spend_id)
        case 1:
            until = await shop.now() + timedelta(hours=random.randint(1, 200))
            call = shop.points.Hold(hold(member, random.randint(1, 40), until))
            if not await outcome(call):
                held.append((await call).hold_id)
        case 2 if spent:
            await outcome(shop.points.RefundSpend(refund(random.choice(spent))))
        case 3 if held:
            await outcome(shop.points.CaptureHold(capture(random.choice(held))))
        case 4:
            await outcome(shop.points.ReverseActivity(reverse(random.choice(earned[-4:]))))


async def test_that_a_stay_was_over_is_not_known_before_it_is_told() -> None:
    rules = (rule(), rule("stays", rate="1", pending="until-completed"))
    async with open_shop(unit(expiry={"policy": "duration", "days": 4}), *rules, at="2026-03-01 12:00") as shop:
        member = await shop.enrol()
        stay = await shop.earn(member, 100)
        await shop.go_to("2026-03-03 12:00")
        await shop.points.Forfeit(forfeit(member, 130))
        before = await shop.now()
        told = figures(await shop.balance(member))
        assert told == (0, 70, 0)
        await shop.go_to("2026-03-10 12:00")
        late = await shop.now()
        assert figures(await shop.balance(member)) == (0, 70, 0)
        await shop.go_to("2026-03-11 12:00")
        await shop.points.CompleteActivity(complete(stay.activity_id, local("2026-03-01 12:00")))
        assert await known(shop, member, before) == told
        assert await known(shop, member, late) == (0, 70, 0), "by what is known now it has expired"
        assert figures(await shop.balance(member, at=before)) == (70, 0, 0)
        assert figures(await shop.balance(member, at=late)) == (0, 0, 0)
        assert await shop.findings() == []
