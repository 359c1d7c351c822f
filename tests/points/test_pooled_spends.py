"""Members of a group spend what they have together, and each gets its own back."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import date
from typing import Any
from uuid import UUID

import pytest
from grpc import StatusCode

from services.chassis import ids
from services.chassis.documents import Document, DocumentErrors
from services.points.documents import compile_documents
from services.points.heard import SUSPENDED, MemberHeard
from services.points.specs import MAX_AMOUNT
from tessera.points.v1 import event_pb2, group_pb2
from tessera.points.v1 import points_service_pb2 as pb
from tests.points.builders import (
    SCORE,
    Member,
    Shop,
    activity,
    connections,
    give,
    grant,
    in_group,
    open_shop,
    outcome,
    programme,
    record,
    refund,
    refusal_in,
    refusal_of,
    reverse,
    rule,
    spend,
    unit,
)

POOLED = {"pooling": {"order": "own-first"}}
BY_EXPIRY = {"pooling": {"order": "by-expiry"}}


@asynccontextmanager
async def household(*spec: dict[str, Any], have: tuple[int, ...] = (100, 100, 100)) -> AsyncIterator[Any]:
    """A shop, and a group of members in partitions of their own who have something each."""
    async with open_shop(unit(**(spec[0] if spec else POOLED)), rule(), at="2026-06-01") as shop:
        members = [await shop.enrol(routing=1 + 2 * number) for number in range(len(have))]
        for member, amount in zip(members, have, strict=True):
            if amount:
                await shop.earn(member, amount)
        yield shop, await shop.found(*members), members


def together(group_id: UUID, member: Member, amount: int, **fields: Any) -> pb.SpendRequest:
    return spend(member, amount, group_id=in_group(group_id), **fields)


async def available(shop: Shop, members: list[Member]) -> list[int]:
    return [await shop.available(member) for member in members]


def shares(answer: Any, members: list[Member]) -> list[tuple[int, int]]:
    """Who gave, or got back, how much, in order."""
    numbers = {member.member_id: number for number, member in enumerate(members)}
    return [(numbers[one.member_id], one.amount) for one in answer.contributions]


async def test_a_member_spends_what_the_group_has_its_own_first() -> None:
    async with household(have=(30, 100, 50)) as (shop, group, members):
        spent = await shop.points.Spend(together(group, members[0], 150, reference="tv"))
        assert (spent.amount, spent.balance_after) == (150, 0)
        assert shares(spent, members)[0] == (0, 30)
        assert sum(await available(shop, members)) == 30
        assert [part.amount for part in spent.lots] == [p.amount for one in spent.contributions for p in one.lots]
        for one in spent.contributions:
            assert await shop.points.ListEntries(
                pb.ListEntriesRequest(member_id=one.member_id, at_least=[one.position], source_id=one.spend_id)
            )
        assert await shop.findings() == []


async def test_the_share_of_an_order_is_used_up_by_what_its_member_spends_alone_and_with_the_group() -> None:
    limits = {**POOLED, "spend": {"max_order_share": "1/2", "minor_per_point": "1"}}
    async with household(limits) as (shop, group, members):
        order = {"reference": "tv", "order_minor": 400}
        together_spent = await shop.points.Spend(together(group, members[0], 130, **order))
        refusal = await refusal_of(shop.points.Spend(together(group, members[0], 71, **order)))
        assert refusal.metadata == {"limit": "max_order_share", "allowed": "70", "requested": "71"}
        await shop.points.RefundSpend(refund(together_spent.spend_id, 100))
        assert (await shop.points.Spend(spend(members[0], 200, up_to=True, **order))).amount == 70
        refusal = await refusal_of(shop.points.Spend(together(group, members[0], 101, **order)))
        assert refusal.metadata["allowed"] == "100"
        assert await shop.findings() == []


async def test_what_has_expired_of_a_member_who_gave_nothing_is_not_in_its_balance_after_a_refund() -> None:
    ending = {**POOLED, "expiry": {"policy": "duration", "days": 1}}
    async with household(ending, have=(0, 100)) as (shop, group, members):
        spent = await shop.points.Spend(together(group, members[0], 40))
        await shop.earn(members[0], 70)
        await shop.jump_to("2026-06-03")
        refunded = await shop.points.RefundSpend(refund(spent.spend_id))
        assert (refunded.refunded, refunded.expired, refunded.balance_after) == (40, 40, 0)
        assert await shop.findings() == []


async def test_each_wallet_keeps_a_spend_of_its_own() -> None:
    async with household() as (shop, group, members):
        await shop.points.Spend(together(group, members[0], 300))
        assert [await shop.entries(member) for member in members] == [[("earn", 100), ("spend", -100)]] * 3


@pytest.mark.parametrize(
    ("spec", "burnt"),
    [(POOLED, [(0, 100), (1, 10), (2, 20)]), (BY_EXPIRY, [(1, 10), (0, 40), (2, 20), (0, 60)])],
    ids=["own first", "by expiry"],
)
async def test_lots_burn_in_the_order_that_the_unit_names(spec: Any, burnt: Any) -> None:
    async with household(spec, have=(0, 0, 0)) as (shop, group, members):
        for number, amount, day in ((0, 40, 20), (0, 60, 28), (1, 10, 15), (2, 20, 25), (1, 50, 30)):
            await shop.lot(members[number], amount, date(2026, 6, day), **spec)
        spent = await shop.points.Spend(together(group, members[0], 130))
        assert shares(spent, members) == burnt
        back = await shop.points.RefundSpend(refund(spent.spend_id, 70))
        assert sum(amount for _, amount in shares(back, members)) == 70
        assert shares(back, members)[0][0] == burnt[-1][0]
        assert await shop.findings() == []


async def test_of_lots_that_are_alike_those_of_one_member_burn_after_the_other_own_ones_first() -> None:
    async with household(BY_EXPIRY, have=(10, 10, 10)) as (shop, group, members):
        for member in (*members, *members):
            await shop.earn(member, 10)
        spent = await shop.points.Spend(together(group, members[1], 90))
        own, *others = shares(spent, members)
        assert (own, sorted(others)) == ((1, 30), [(0, 30), (2, 30)])


async def test_refunds_go_back_to_the_very_lots_of_the_very_members_last_burnt_first() -> None:
    async with household(BY_EXPIRY, have=(0, 0, 0)) as (shop, group, members):
        for number, amount, day in ((0, 40, 20), (1, 10, 21), (0, 60, 22), (2, 20, 23)):
            await shop.lot(members[number], amount, date(2026, 6, day), **BY_EXPIRY)
        lots = [await shop.remaining(member) for member in members]
        spent = await shop.points.Spend(together(group, members[1], 130))
        for amount, back in ((25, [(2, 20), (0, 5)]), (60, [(0, 55), (1, 5)]), (45, [(1, 5), (0, 40)])):
            refunded = await shop.points.RefundSpend(refund(spent.spend_id, amount))
            assert shares(refunded, members) == back
        assert [await shop.remaining(member) for member in members] == lots
        refusal = await refusal_of(shop.points.RefundSpend(refund(spent.spend_id, 1)))
        assert (refusal.reason, refusal.metadata) == ("REFUND_EXCEEDS_SPEND", {"refundable": "0", "requested": "1"})
        assert await shop.findings() == []


async def test_refunds_of_an_order_come_to_all_that_was_spent() -> None:
    async with household() as (shop, group, members):
        spent = await shop.points.Spend(together(group, members[0], 200, order_minor=300))
        returned = [await shop.points.RefundSpend(refund(spent.spend_id, order_returned_minor=n)) for n in (1, 99, 200)]
        assert [answer.refunded for answer in returned] == [0, 66, 134]
        assert await available(shop, members) == [100, 100, 100]
        assert await shop.findings() == []


async def test_what_one_wallet_gave_is_refunded_with_the_whole_alone() -> None:
    async with household() as (shop, group, members):
        spent = await shop.points.Spend(together(group, members[0], 150))
        refusal = await refusal_of(shop.points.RefundSpend(refund(spent.contributions[1].spend_id)))
        assert (refusal.code, refusal.reason) == (StatusCode.FAILED_PRECONDITION, "SPEND_IS_CONTRIBUTION")
        assert refusal.metadata == {"pooled_spend_id": spent.spend_id}


async def test_who_left_spends_no_more_with_the_group_and_still_gets_its_own_back() -> None:
    async with household() as (shop, group, members):
        spent = await shop.points.Spend(together(group, members[0], 300))
        await shop.seat(group, members[2], left=True)
        refused = await refusal_of(shop.points.Spend(together(group, members[2], 1)))
        assert (refused.reason, refused.metadata) == ("NOT_IN_GROUP", {"group_id": in_group(group)})
        await shop.points.RefundSpend(refund(spent.spend_id))
        assert await available(shop, members) == [100, 100, 100]
        assert await outcome(shop.points.Spend(together(group, members[0], 201))) == "INSUFFICIENT_POINTS"
        await shop.seat(group, members[2])
        assert await outcome(shop.points.Spend(together(group, members[2], 300))) == ""


@pytest.mark.parametrize("status", [SUSPENDED, 3], ids=["suspended", "closed"])
async def test_the_wallet_of_a_member_who_is_not_served_gives_nothing_and_gets_its_own_back(status: int) -> None:
    async with household() as (shop, group, members):
        spent = await shop.points.Spend(together(group, members[0], 250))
        await shop.hear("identity", members[1].partition, MemberHeard(members[1].uuid, status))
        await shop.points.RefundSpend(refund(spent.spend_id))
        assert await available(shop, members) == [100, 100, 100]
        refusal = await refusal_of(shop.points.Spend(together(group, members[0], 201)))
        assert refusal.reason == "INSUFFICIENT_POINTS"
        assert refusal.metadata == {"available": "200", "needed": "201", "held": "0", "pending": "0"}
        assert await outcome(shop.points.Spend(together(group, members[1], 1))) != ""


async def test_what_a_member_owes_nobody_else_pays() -> None:
    async with household(have=(100, 0)) as (shop, group, members):
        earned = await shop.earn(members[1], 50)
        await shop.points.Spend(spend(members[1], 50))
        await shop.points.ReverseActivity(reverse(earned.activity_id))
        assert await available(shop, members) == [100, -50]
        assert (await shop.points.Spend(together(group, members[1], 60))).balance_after == -50
        assert await available(shop, members) == [40, -50]
        assert await shop.findings() == []


async def test_lots_of_one_merchant_burn_there_first_and_nowhere_else() -> None:
    async with household(BY_EXPIRY, have=(100, 100)) as (shop, group, members):
        await shop.points.Grant(grant(members[1], 30, merchant="cafe"))
        assert await outcome(shop.points.Spend(together(group, members[0], 201))) == "INSUFFICIENT_POINTS"
        spent = await shop.points.Spend(together(group, members[0], 40, merchant="cafe"))
        assert (shares(spent, members)[0][0], spent.lots[0].amount) == (1, 30)


async def test_limits_of_the_unit_count_for_the_member_who_spends() -> None:
    limits = {"spend": {"max_per_day": 120, "multiple_of": 10}, **POOLED}
    async with household(limits) as (shop, group, members):
        spent = await shop.points.Spend(together(group, members[0], 110))
        refusal = await refusal_of(shop.points.Spend(together(group, members[0], 20)))
        assert (refusal.reason, refusal.metadata["allowed"]) == ("SPEND_LIMIT_EXCEEDED", "10")
        as_much = await shop.points.Spend(together(group, members[1], 1_000, up_to=True))
        assert as_much.amount == 120
        await shop.points.RefundSpend(refund(spent.spend_id, 50))
        assert (await shop.points.Spend(together(group, members[0], 1_000, up_to=True))).amount == 60
        assert await shop.findings() == []


async def test_a_retry_and_a_dry_run_spend_nothing_more() -> None:
    async with household() as (shop, group, members):
        dry = await shop.points.Spend(together(group, members[0], 250, validate_only=True))
        assert (shares(dry, members)[0], await available(shop, members)) == ((0, 100), [100, 100, 100])
        same = together(group, members[0], 250)
        first = await shop.points.Spend(same)
        assert await shop.points.Spend(same) == first
        same.amount = 251
        assert (await refusal_of(shop.points.Spend(same))).reason == "REQUEST_ID_REUSED"
        again = refund(first.spend_id, 10, validate_only=True)
        await shop.points.RefundSpend(again)
        again = refund(first.spend_id, 10)
        assert await shop.points.RefundSpend(again) == await shop.points.RefundSpend(again)
        assert sum(await available(shop, members)) == 60


class TestRefusals:
    async def test_a_unit_that_does_not_say_so_is_not_spent_together(self) -> None:
        async with open_shop(unit(), rule(), *SCORE) as shop:
            member = await shop.enrol()
            group = await shop.found(member)
            refusal = await refusal_of(shop.points.Spend(together(group, member, 1)))
            assert (refusal.reason, refusal.metadata) == ("UNIT_NOT_POOLED", {"unit": "points"})
            assert await outcome(shop.points.Spend(together(group, member, 1, unit="score"))) == "UNIT_NOT_SPENDABLE"

    async def test_a_group_that_does_not_share_points_spends_none_together(self) -> None:
        async with open_shop(unit(**POOLED), rule()) as shop:
            member = await shop.enrol()
            group = await shop.found(member, shares=False)
            refusal = await refusal_of(shop.points.Spend(together(group, member, 1)))
            assert (refusal.reason, refusal.metadata) == ("GROUP_SHARES_NO_POINTS", {"group_id": in_group(group)})

    async def test_a_stranger_spends_nothing_of_a_group(self) -> None:
        async with household() as (shop, group, _):
            stranger = await shop.enrol(routing=4)
            assert await outcome(shop.points.Spend(together(group, stranger, 1))) == "NOT_IN_GROUP"
            assert await outcome(shop.points.Spend(together(ids.new_id(0), stranger, 1))) == "NOT_IN_GROUP"

    async def test_neighbours_of_a_refused_item_are_not_disturbed(self) -> None:
        async with household() as (shop, group, members):
            requests = [
                together(group, members[0], 100),
                together(ids.new_id(5), members[0], 1),
                spend(members[1], 40),
                together(group, members[2], 161),
                together(group, members[2], 160),
            ]
            results = (await shop.points.BulkSpend(pb.BulkSpendRequest(requests=requests))).results
            reasons = [refusal_in(r.error).reason if r.HasField("error") else "" for r in results]
            assert reasons == ["", "NOT_IN_GROUP", "", "INSUFFICIENT_POINTS", ""]
            assert await shop.findings() == []


async def test_e09_of_twenty_members_who_spend_the_last_of_the_pool_at_once_one_does() -> None:
    async with open_shop(unit(**POOLED), rule()) as shop, connections(shop) as stubs:
        members = [await shop.enrol(routing=number) for number in range(20)]
        for member in members:
            await shop.earn(member, 5)
        group = await shop.found(*members)
        spends = [together(group, member, 100) for member in members]
        outcomes = await asyncio.gather(*(outcome(stubs[n % 2].Spend(one)) for n, one in enumerate(spends)))
        assert Counter(outcomes) == {"": 1, "INSUFFICIENT_POINTS": 19}
        assert sum(await available(shop, members)) == 0
        assert await shop.findings() == []


async def test_spends_of_groups_and_gifts_in_all_directions_neither_block_nor_lose() -> None:
    async with household({"gift": {}, **POOLED}) as (shop, group, members), connections(shop) as stubs:
        calls = []
        for number in range(60):
            stub, (left, right) = stubs[number % 2], (members[number % 3], members[(number + 1) % 3])
            calls.append(stub.Gift(give(left, right, 1)) if number % 2 else stub.Spend(together(group, left, 2)))
        assert set(await asyncio.gather(*map(outcome, calls))) == {""}
        assert sum(await available(shop, members)) == 240
        assert await shop.findings() == []


async def test_what_a_pooled_spend_says_of_a_wallet_is_held_against_what_that_says_itself() -> None:
    async with household() as (shop, group, members):
        spent = await shop.points.Spend(together(group, members[0], 250))
        pool, other = shop.suite.running["points"].platform.pool, spent.contributions[-1]
        spend_id = ids.decode("spend", other.spend_id)
        for broken, mended in (("amount = amount + 1", "amount = amount - 1"), ("refunded = 1", "refunded = 0")):
            await pool.execute(f"UPDATE contributions SET {broken} WHERE spend_id = $1", spend_id)
            findings = await shop.findings()
            assert f"spend {spend_id}: is not what its pooled spend says of it" in findings
            assert any("its contributions do not come to what it says" in finding for finding in findings)
            await pool.execute(f"UPDATE contributions SET {mended} WHERE spend_id = $1", spend_id)
        assert await shop.findings() == []


@pytest.mark.parametrize(
    "document",
    [unit("score", "qualifying", **POOLED), unit(pooling={"order": "others-first"}), unit(pooling={"first": "own"})],
    ids=["a score", "another order", "another word"],
)
def test_what_no_unit_can_say_of_pooling_is_refused(document: dict[str, Any]) -> None:
    parsed = [Document(one["kind"], one["code"], one["programme"], one["spec"]) for one in (programme(), document)]
    with pytest.raises(DocumentErrors) as refused:
        compile_documents(parsed)
    assert "pooling" in str(refused.value) or "together" in str(refused.value)


async def test_a_bulk_call_for_many_groups_is_written_in_few_batches() -> None:
    async with open_shop(unit(**POOLED), rule(cap={"amount": 150, "period": "day", "per": "group"})) as shop:
        families = []
        for number in range(20):
            members = [await shop.enrol(routing=number), await shop.enrol(routing=number + 3)]
            families.append((await shop.found(*members, routing=number + 5), members))
        now, before = await shop.now(), await positions(shop)
        purchases = [record(activity(member, 100, now)) for _, members in families for member in members]
        recorded = await shop.points.BulkRecordActivities(pb.BulkRecordActivitiesRequest(requests=purchases))
        earned = [one.response.earnings[0].amount for one in recorded.results]
        assert [sum(earned[n : n + 2]) for n in range(0, 40, 2)] == [150] * 20
        spends = [together(group, members[1], 120) for group, members in families]
        spent = await shop.points.BulkSpend(pb.BulkSpendRequest(requests=spends))
        refunds = [refund(one.response.spend_id, 100) for one in spent.results]
        refunded = await shop.points.BulkRefundSpends(pb.BulkRefundSpendsRequest(requests=refunds))
        assert [one.response.refunded for one in refunded.results] == [100] * 20
        # Three calls; in each partition what needs no other one is written first, and then the rest.
        assert await positions(shop) - before <= 3 * 8 * 3
        assert await shop.findings() == []


async def positions(shop: Shop) -> int:
    """How many batches were written, counted in each partition."""
    pool = shop.suite.running["points"].platform.pool
    return int(await pool.fetchval("SELECT sum(position) FROM head WHERE partition >= 0"))


class TestReads:
    async def test_what_a_group_has_is_told_by_member(self) -> None:
        async with household(have=(30, 100, 50)) as (shop, group, members):
            await shop.points.Grant(grant(members[0], 7, merchant="cafe"))
            await shop.hear("identity", members[1].partition, MemberHeard(members[1].uuid, SUSPENDED))
            request = group_pb2.GetPoolBalanceRequest(group_id=in_group(group), unit="points")
            found = await shop.points.GetPoolBalance(request)
            assert found.available == 80
            told = {m.member_id: (m.role, m.available, m.contributes) for m in found.members}
            assert [told[member.member_id] for member in members] == [
                ("owner", 30, True),
                ("adult", 0, False),
                ("adult", 50, True),
            ]
            request.merchant = "cafe"
            assert (await shop.points.GetPoolBalance(request)).available == 87

    async def test_a_trace_tells_whose_points_a_pooled_spend_took(self) -> None:
        async with household() as (shop, group, members):
            spent = await shop.points.Spend(together(group, members[0], 250, reference="tv"))
            await shop.points.RefundSpend(refund(spent.spend_id, 20))
            traced = await shop.points.TraceSpend(pb.TraceSpendRequest(spend_id=spent.spend_id))
            assert (traced.group_id, traced.reference, traced.amount, traced.refunded) == (
                *(in_group(group), "tv"),
                *(250, 20),
            )
            assert [one.spend_id for one in traced.contributions] == [one.spend_id for one in spent.contributions]
            assert shares(traced, members) == shares(spent, members)
            assert [one.refunded for one in traced.contributions] == [0, 0, 20]
            assert [lot.amount for lot in traced.lots] == [100, 100, 50]
            assert [(one.funder, one.amount, one.refunded) for one in traced.fundings] == [("platform", 250, 20)]
            assert [one.amount for one in traced.refunds] == [20]
            own = await shop.points.TraceSpend(pb.TraceSpendRequest(spend_id=spent.contributions[1].spend_id))
            assert (own.pooled_spend_id, own.reference) == (spent.spend_id, spent.spend_id)

    async def test_a_statement_tells_contributions_by_the_domain_of_who_spent(self) -> None:
        async with household(have=(50, 50)) as (shop, group, members):
            traveller = await shop.enrol("travel", routing=6)
            await shop.seat(group, traveller)
            await shop.points.Spend(together(group, traveller, 100))
            for domain, kinds in (("travel", ["spend"]), ("fuel", ["earn"])):
                request = pb.ListEntriesRequest(member_id=members[0].member_id, unit="points", domain=domain)
                found = (await shop.points.ListEntries(request)).entries
                assert [event_pb2.EntryKind.Name(entry.kind)[11:].lower() for entry in found] == kinds

    async def test_nobody_tells_what_an_unknown_group_has(self) -> None:
        async with household() as (shop, _, _):
            unknown = in_group(ids.new_id(0))
            refusal = await refusal_of(
                shop.points.GetPoolBalance(group_pb2.GetPoolBalanceRequest(group_id=unknown, unit="points"))
            )
            assert (refusal.code, refusal.reason) == (StatusCode.NOT_FOUND, "GROUP_UNKNOWN")
            assert refusal.metadata == {"group_id": unknown}

    async def test_what_a_group_has_may_be_more_than_can_be_told(self) -> None:
        async with household(have=(1, 1)) as (shop, group_id, (first, second)):
            await shop.points.Grant(grant(first, MAX_AMOUNT - 1))
            asked = group_pb2.GetPoolBalanceRequest(group_id=in_group(group_id), unit="points")
            refusal = await refusal_of(shop.points.GetPoolBalance(asked))
            assert (refusal.code, refusal.reason) == (StatusCode.INVALID_ARGUMENT, "AMOUNT_OUT_OF_RANGE")
            await shop.points.Spend(spend(second, 1))
            assert (await shop.points.GetPoolBalance(asked)).available == MAX_AMOUNT
