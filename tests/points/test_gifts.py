"""Members give points to each other: what leaves the one's lots arrives in lots of the other's."""

import asyncio
from collections import Counter
from datetime import UTC, date
from typing import Any

import pytest
from grpc import StatusCode

from services.chassis import ids
from services.points.heard import SUSPENDED, MemberHeard
from tessera.points.v1 import points_service_pb2 as pb
from tests.points.builders import (
    SCORE,
    Member,
    Shop,
    accept,
    capture,
    connections,
    decline,
    extend,
    give,
    local,
    open_shop,
    outcome,
    refusal_of,
    release,
    request_id,
    reverse,
    rule,
    someone,
    take_back,
    unit,
)

TO_ACCEPT = {"acceptance": "required", "acceptance_days": 7}


async def two(shop: Shop) -> tuple[Member, Member]:
    """A giver and a receiver, in partitions of their own."""
    return await shop.enrol(routing=1), await shop.enrol(routing=6, domain="travel")


async def state_of(shop: Shop, gift_id: str) -> str:
    gift = (await shop.points.GetGift(pb.GetGiftRequest(gift_id=gift_id))).gift
    return pb.GiftState.Name(gift.state).removeprefix("GIFT_STATE_").lower()


@pytest.mark.parametrize("routing", [1, 6], ids=["across partitions", "within one"])
async def test_a_gift_moves_points_with_their_funders_and_expiries(routing: int) -> None:
    async with open_shop(unit(gift={}), rule(), at="2026-06-01") as shop:
        giver, receiver = await shop.enrol(routing=routing), await shop.enrol(routing=6)
        await shop.lot(giver, 100, date(2026, 6, 30), gift={})
        await shop.lot(giver, 200, date(2026, 12, 31), gift={})
        given = await shop.points.Gift(give(giver, receiver, 150))
        assert (given.state, given.balance_after) == (pb.GIFT_STATE_ACCEPTED, 150)
        assert [part.amount for part in given.lots] == [100, 50]
        lots = [(lot.remaining, lot.expires_at.ToDatetime(UTC), lot.funder) for lot in await shop.lots(receiver)]
        assert lots == [(100, local("2026-06-30"), "platform"), (50, local("2026-12-31"), "platform")]
        assert await shop.entries(giver) == [("earn", 100), ("earn", 200), ("gift_out", -150)]
        assert await shop.entries(receiver) == [("gift_in", 150)]
        assert await state_of(shop, given.gift_id) == "accepted"
        await shop.go_to("2026-07-01")
        assert (await shop.available(giver), await shop.available(receiver)) == (150, 50)
        assert await shop.findings() == []


async def test_what_was_given_can_be_spent_given_on_and_pays_debts() -> None:
    async with open_shop(unit(gift={}), rule()) as shop:
        (first, second), third = await two(shop), await shop.enrol(routing=3)
        await shop.earn(first, 100)
        earned = await shop.earn(third, 30)
        await shop.points.Gift(give(third, first, 30))
        await shop.points.ReverseActivity(reverse(earned.activity_id))
        assert await shop.available(third) == -30
        await shop.points.Gift(give(first, second, 130))
        await shop.points.Gift(give(second, third, 90))
        assert [await shop.available(member) for member in (first, second, third)] == [0, 40, 60]
        assert await shop.findings() == []


async def test_the_answer_says_where_both_halves_are_committed() -> None:
    async with open_shop(unit(gift={}), rule()) as shop:
        giver, receiver = await two(shop)
        await shop.earn(giver, 100)
        given = await shop.points.Gift(give(giver, receiver, 10))
        assert (given.position.partition, given.to_position.partition) == (giver.partition, receiver.partition)
        for member, position in ((giver, given.position), (receiver, given.to_position)):
            request = pb.ListEntriesRequest(member_id=member.member_id, at_least=[position])
            newest = (await shop.points.ListEntries(request)).entries[0]
            assert newest.position == position


async def test_a_retry_and_a_dry_run_give_nothing_more() -> None:
    async with open_shop(unit(gift={}), rule()) as shop:
        giver, receiver = await two(shop)
        await shop.earn(giver, 100)
        dry = await shop.points.Gift(give(giver, receiver, 10, validate_only=True))
        assert (dry.balance_after, await shop.available(giver), await shop.entries(receiver)) == (90, 100, [])
        same = give(giver, receiver, 10)
        assert await shop.points.Gift(same) == await shop.points.Gift(same)
        same.amount = 11
        refusal = await refusal_of(shop.points.Gift(same))
        assert (refusal.code, refusal.reason) == (StatusCode.ALREADY_EXISTS, "REQUEST_ID_REUSED")
        assert (await shop.available(giver), await shop.available(receiver)) == (90, 10)


async def test_e09_of_twenty_parallel_gifts_of_everything_one_arrives() -> None:
    async with open_shop(unit(gift={}), rule()) as shop, connections(shop) as stubs:
        giver = await shop.enrol()
        await shop.earn(giver, 100)
        receivers = [await shop.enrol(routing=number) for number in range(20)]
        outcomes = await asyncio.gather(
            *(outcome(stubs[n % 2].Gift(give(giver, to, 100))) for n, to in enumerate(receivers))
        )
        assert Counter(outcomes) == {"": 1, "INSUFFICIENT_POINTS": 19}
        assert sum([await shop.available(receiver) for receiver in receivers]) == 100
        assert await shop.findings() == []


async def test_gifts_in_opposite_directions_at_once_neither_block_nor_lose() -> None:
    async with open_shop(unit(gift={}), rule()) as shop, connections(shop) as stubs:
        left, right = await two(shop)
        await shop.earn(left, 100)
        await shop.earn(right, 100)
        gifts = [give(left, right, 3) if n % 2 else give(right, left, 2) for n in range(60)]
        assert set(await asyncio.gather(*(outcome(stubs[n % 2].Gift(gift)) for n, gift in enumerate(gifts)))) == {""}
        assert (await shop.available(left), await shop.available(right)) == (70, 130)
        assert await shop.findings() == []


async def test_what_is_sliding_lives_as_long_with_a_receiver_who_was_never_active() -> None:
    sliding = {"expiry": {"policy": "sliding", "days": 10}, "gift": {}}
    async with open_shop(unit(**sliding), rule(), at="2026-06-01") as shop:
        giver, receiver = await two(shop)
        await shop.earn(giver, 100)
        await shop.go_to("2026-06-05")
        await shop.points.Gift(give(giver, receiver, 40))
        assert await shop.available(receiver, at=local("2026-06-10 23:59")) == 40
        assert await shop.available(receiver, at=local("2026-06-11")) == 0
        await shop.go_to("2026-06-12")
        assert await shop.entries(receiver) == [("gift_in", 40), ("expire", -40)]
        assert await shop.findings() == []


class TestLimits:
    async def test_a_unit_that_does_not_say_so_cannot_be_given(self) -> None:
        async with open_shop(unit(), rule(), *SCORE) as shop:
            giver, receiver = await two(shop)
            refusal = await refusal_of(shop.points.Gift(give(giver, receiver, 1)))
            assert (refusal.code, refusal.reason) == (StatusCode.FAILED_PRECONDITION, "UNIT_NOT_TRANSFERABLE")
            assert await outcome(shop.points.Gift(give(giver, receiver, 1, unit="score"))) == "UNIT_NOT_SPENDABLE"
            assert await outcome(shop.points.Gift(give(giver, receiver, 1, unit="miles"))) == "UNIT_UNKNOWN"

    async def test_each_limit_is_told_with_what_would_be_allowed(self) -> None:
        limits = {"minimum": 5, "max_per_gift": 50, "max_per_day": 70}
        async with open_shop(unit(gift=limits), rule(), at="2026-06-01 12:00") as shop:
            giver, receiver = await two(shop)
            await shop.earn(giver, 1000)
            for amount, limit, allowed in ((4, "minimum", "5"), (51, "max_per_gift", "50")):
                refusal = await refusal_of(shop.points.Gift(give(giver, receiver, amount)))
                assert refusal.reason == "GIFT_LIMIT_EXCEEDED"
                assert refusal.metadata == {"limit": limit, "allowed": allowed, "requested": str(amount)}
            await shop.points.Gift(give(giver, receiver, 50))
            refusal = await refusal_of(shop.points.Gift(give(giver, receiver, 21)))
            assert refusal.metadata == {"limit": "max_per_day", "allowed": "20", "requested": "21"}
            await shop.points.Gift(give(giver, receiver, 20))
            await shop.jump_to("2026-06-02")
            await shop.points.Gift(give(giver, receiver, 50))

    async def test_what_was_declined_or_taken_back_does_not_count_on_its_day(self) -> None:
        terms = {"max_per_day": 70, "acceptance": "required", "acceptance_days": 3}
        async with open_shop(unit(gift=terms), rule(), at="2026-06-01 12:00") as shop:
            giver, receiver = await two(shop)
            await shop.earn(giver, 1000)
            declined = await shop.points.Gift(give(giver, receiver, 40))
            await shop.points.Gift(give(giver, receiver, 30))
            await shop.points.CancelGift(decline(declined.gift_id))
            taken_back = await shop.points.Gift(give(giver, receiver, 40))
            assert await outcome(shop.points.Gift(give(giver, receiver, 1))) == "GIFT_LIMIT_EXCEEDED"
            await shop.jump_to("2026-06-02")
            await shop.points.Gift(give(giver, receiver, 70))
            await shop.points.CancelGift(take_back(taken_back.gift_id))
            refusal = await refusal_of(shop.points.Gift(give(giver, receiver, 1)))
            assert refusal.metadata["allowed"] == "0", "it counted on the day before"
            await shop.jump_to("2026-06-04")
            await shop.points.Gift(give(giver, receiver, 70))
            assert await shop.findings() == []

    async def test_nobody_gives_to_oneself(self) -> None:
        async with open_shop(unit(gift={}), rule()) as shop:
            member = await shop.enrol()
            refusal = await refusal_of(shop.points.Gift(give(member, member, 1)))
            assert (refusal.code, refusal.reason) == (StatusCode.INVALID_ARGUMENT, "GIFT_TO_ONESELF")

    async def test_a_receiver_whose_balance_would_leave_the_range_is_refused_and_nothing_moves(self) -> None:
        async with open_shop(unit(gift={}), rule(rate="9000000")) as shop:
            giver, receiver = await two(shop)
            for member in (giver, receiver):
                await shop.earn(member, 1_000_000_000_000)
            refusal = await refusal_of(shop.points.Gift(give(giver, receiver, 9 * 10**17)))
            assert refusal.reason == "AMOUNT_OUT_OF_RANGE"
            assert await shop.available(giver) == 9 * 10**18

    async def test_nobody_receives_more_than_the_unit_lets_anybody_have(self) -> None:
        async with open_shop(unit(gift={}, max_balance=100), rule()) as shop:
            giver, receiver = await two(shop)
            await shop.earn(giver, 150)
            refusal = await refusal_of(shop.points.Gift(give(giver, receiver, 101)))
            assert refusal.reason == "BALANCE_LIMIT_EXCEEDED"
            assert refusal.metadata == {"limit": "100", "balance": "0", "amount": "101"}
            await shop.points.Gift(give(giver, receiver, 100))

    @pytest.mark.parametrize("side", ["giver", "receiver"])
    async def test_both_must_be_known_and_active(self, side: str) -> None:
        async with open_shop(unit(gift={}), rule()) as shop:
            giver, receiver = await two(shop)
            await shop.earn(giver, 10)
            there, stranger = {"giver": giver, "receiver": receiver}, {"giver": giver, "receiver": receiver}
            stranger[side] = someone()
            refusal = await refusal_of(shop.points.Gift(give(stranger["giver"], stranger["receiver"], 1)))
            assert (refusal.reason, refusal.may_retry) == ("MEMBER_UNKNOWN", True)
            await shop.hear("identity", there[side].partition, MemberHeard(there[side].uuid, SUSPENDED))
            assert await outcome(shop.points.Gift(give(giver, receiver, 1))) == "MEMBER_SUSPENDED"


class TestAcceptance:
    async def test_an_offer_holds_the_points_until_it_is_accepted(self) -> None:
        async with open_shop(unit(gift=TO_ACCEPT), rule(), at="2026-06-01 12:00") as shop:
            giver, receiver = await two(shop)
            await shop.earn(giver, 100)
            offered = await shop.points.Gift(give(giver, receiver, 60))
            assert (offered.state, offered.balance_after) == (pb.GIFT_STATE_OFFERED, 100)
            assert offered.expires_at.ToDatetime(UTC) == local("2026-06-08")
            assert not offered.HasField("to_position")
            balance = await shop.balance(giver)
            assert (balance.available, balance.held, await shop.available(receiver)) == (40, 60, 0)
            accepted = await shop.points.AcceptGift(accept(offered.gift_id, receiver))
            assert (accepted.amount, accepted.balance_after) == (60, 60)
            assert [lot.lot_id for lot in await shop.lots(receiver)] == [part.lot_id for part in accepted.lots]
            assert await shop.entries(giver) == [("earn", 100), ("gift_out", -60)]
            refusal = await refusal_of(shop.points.AcceptGift(accept(offered.gift_id, receiver)))
            assert (refusal.reason, refusal.metadata) == ("GIFT_NOT_OPEN", {"state": "accepted"})
            assert await shop.findings() == []

    @pytest.mark.parametrize(("end", "state"), [(take_back, "cancelled"), (decline, "declined")])
    async def test_an_offer_that_is_ended_gives_the_points_back(self, end: Any, state: str) -> None:
        async with open_shop(unit(gift=TO_ACCEPT), rule()) as shop:
            giver, receiver = await two(shop)
            await shop.earn(giver, 100)
            offered = await shop.points.Gift(give(giver, receiver, 60))
            ended = await shop.points.CancelGift(end(offered.gift_id))
            assert (ended.released, ended.expired, await shop.available(giver)) == (60, 0, 100)
            assert await state_of(shop, offered.gift_id) == state
            refusal = await refusal_of(shop.points.AcceptGift(accept(offered.gift_id, receiver)))
            assert (refusal.reason, refusal.metadata) == ("GIFT_NOT_OPEN", {"state": state})
            assert await shop.findings() == []

    async def test_of_thirty_who_accept_decline_and_take_back_at_once_one_ends_the_offer(self) -> None:
        async with open_shop(unit(gift=TO_ACCEPT), rule()) as shop:
            giver, receiver = await two(shop)
            await shop.earn(giver, 100)
            for _ in range(4):
                gift_id = (await shop.points.Gift(give(giver, receiver, 10))).gift_id
                before = (await shop.available(giver), await shop.available(receiver))
                calls = [
                    *(shop.points.CancelGift(end(gift_id)) for end in (take_back, decline) * 10),
                    *(shop.points.AcceptGift(accept(gift_id, receiver)) for _ in range(10)),
                ]
                outcomes = Counter(await asyncio.gather(*map(outcome, calls)))
                assert outcomes == {"": 1, "GIFT_NOT_OPEN": 29}
                accepted = 10 * (await state_of(shop, gift_id) == "accepted")
                assert await shop.available(giver) == before[0] + 10 - accepted
                assert await shop.available(receiver) == before[1] + accepted
            assert await shop.findings() == []

    @pytest.mark.parametrize("with_jobs", [True, False])
    async def test_an_offer_that_nobody_accepts_expires_by_itself(self, with_jobs: bool) -> None:
        async with open_shop(unit(gift=TO_ACCEPT), rule(), at="2026-06-01") as shop:
            giver, receiver = await two(shop)
            await shop.earn(giver, 100)
            offered = await shop.points.Gift(give(giver, receiver, 60))
            await (shop.go_to("2026-06-08") if with_jobs else shop.jump_to("2026-06-08"))
            assert await shop.available(giver) == 100
            assert await state_of(shop, offered.gift_id) == "expired"
            for late in (
                shop.points.AcceptGift(accept(offered.gift_id, receiver)),
                shop.points.CancelGift(take_back(offered.gift_id)),
            ):
                refusal = await refusal_of(late)
                assert (refusal.reason, refusal.metadata) == ("GIFT_NOT_OPEN", {"state": "expired"})
            assert await shop.findings() == []

    async def test_an_offer_ends_when_the_first_of_its_lots_expires(self) -> None:
        async with open_shop(unit(gift=TO_ACCEPT), rule(), at="2026-06-01") as shop:
            giver, receiver = await two(shop)
            await shop.lot(giver, 10, date(2026, 6, 4), gift=TO_ACCEPT)
            await shop.lot(giver, 100, date(2026, 12, 31), gift=TO_ACCEPT)
            offered = await shop.points.Gift(give(giver, receiver, 60))
            assert offered.expires_at.ToDatetime(UTC) == local("2026-06-04")
            await shop.go_to("2026-06-04")
            assert await shop.available(giver) == 100
            assert await shop.findings() == []

    async def test_only_its_receiver_accepts_it_and_nobody_captures_it(self) -> None:
        async with open_shop(unit(gift=TO_ACCEPT), rule()) as shop:
            giver, receiver = await two(shop)
            other = await shop.enrol()
            await shop.earn(giver, 100)
            offered = await shop.points.Gift(give(giver, receiver, 60))
            for wrong in (
                shop.points.AcceptGift(accept(offered.gift_id, other)),
                shop.points.AcceptGift(accept(offered.gift_id.replace("gift_0", "gift_1"), receiver)),
                shop.points.GetGift(pb.GetGiftRequest(gift_id=offered.gift_id.replace("gift_0", "gift_1"))),
            ):
                refusal = await refusal_of(wrong)
                assert (refusal.code, refusal.reason) == (StatusCode.NOT_FOUND, "GIFT_UNKNOWN")
            held = await shop.suite.running["points"].platform.pool.fetchval("SELECT hold_id FROM holds")
            hold_id = ids.encode("hold", held)
            for wrong in (
                shop.points.CaptureHold(capture(hold_id)),
                shop.points.ReleaseHold(release(hold_id)),
                shop.points.ExtendHold(extend(hold_id, local("2026-06-30"))),
            ):
                assert (await refusal_of(wrong)).reason == "HOLD_UNKNOWN"

    async def test_each_side_is_ended_and_accepted_by_callers_of_its_own_domain(self) -> None:
        async with open_shop(unit(gift=TO_ACCEPT), rule()) as shop:
            giver, receiver = await two(shop)
            await shop.earn(giver, 100)
            offered = await shop.points.Gift(give(giver, receiver, 60, request_id=request_id()))
            fuel = shop.as_caller("fuel")
            for wrong in (
                fuel.AcceptGift(accept(offered.gift_id, receiver)),
                fuel.CancelGift(decline(offered.gift_id)),
                fuel.Gift(give(receiver, giver, 1)),
            ):
                assert (await refusal_of(wrong)).reason == "DOMAIN_NOT_ALLOWED"
            await fuel.CancelGift(take_back(offered.gift_id))
