"""Members that were merged: what a person may use, by whichever ID, and what each has again when they part."""

import uuid

from services.benefits.values import EntitlementState
from tests.benefits.builders import Benefits, coupon, quota, start_benefits
from tests.benefits.merging import merge, unmerge
from tests.support.refusals import refusal_of

ONCE = [{"when": "level-up", "ladder": "shopper", "gifts": "all-crossed"}]


async def used(benefits: Benefits, *members: str, benefit: str = "delivery") -> list[int]:
    """What is left of a quota, as a check by each ID says."""
    return [(await benefits.check(member, benefit)).uses_left for member in members]


async def states(benefits: Benefits, member: str) -> list[str]:
    """The states of all entitlements that a member sees, in the order of their names."""
    found = await benefits.entitlements(member)
    return sorted(EntitlementState(entitlement.state).name for entitlement in found)


async def test_entitlements_of_both_are_the_persons_by_either_id() -> None:
    async with start_benefits(coupon()) as benefits:
        survivor, merged = await benefits.enrol(2)
        own = (await benefits.issue(survivor, reference="a")).entitlement
        brought = (await benefits.issue(merged, reference="b")).entitlement
        await merge(benefits, survivor, merged)
        both = {own.entitlement_id, brought.entitlement_id}
        for member in (survivor, merged):
            assert {each.entitlement_id for each in await benefits.entitlements(member)} == both
            assert (await benefits.check(member, "coffee")).uses_left == 2
        redeemed = await benefits.redeem(merged, entitlement_id=brought.entitlement_id)
        assert redeemed.entitlement_id == brought.entitlement_id
        assert (await benefits.redeem(survivor)).entitlement_id == own.entitlement_id
        assert (await benefits.check(survivor, "coffee")).reason == "NOT_ENTITLED"
        await benefits.reverse(redeemed.redemption_id)
        assert (await benefits.check(survivor, "coffee")).entitlement_id == brought.entitlement_id


async def test_quota_usage_adds_up_and_parts_again_by_account() -> None:
    async with start_benefits(quota(uses=4)) as benefits:
        survivor, merged = await benefits.enrol(2)
        account = await benefits.link(merged, "cafe")
        await benefits.redeem(survivor, "delivery")
        await benefits.redeem(merged, "delivery", account_id=account)
        merge_id = await merge(benefits, survivor, merged, accounts=[account])
        assert await used(benefits, survivor, merged) == [2, 2]
        await benefits.redeem(survivor, "delivery", account_id=account)
        last = await benefits.redeem(merged, "delivery")
        assert last.uses_left == 0
        assert (await benefits.check(merged, "delivery")).reason == "QUOTA_EXHAUSTED"
        await unmerge(benefits, merge_id, survivor, merged, accounts=[account])
        # Of the merged one are its use of before, and the one through its account since.
        assert await used(benefits, survivor, merged) == [2, 2]
        await benefits.reverse(last.redemption_id)
        assert await used(benefits, survivor, merged) == [3, 2]


async def test_a_use_through_an_account_that_left_is_given_back_to_whom_it_left_with() -> None:
    async with start_benefits(quota(uses=4)) as benefits:
        survivor, merged = await benefits.enrol(2)
        account = await benefits.link(merged, "cafe")
        merge_id = await merge(benefits, survivor, merged, accounts=[account])
        made = await benefits.redeem(survivor, "delivery", account_id=account)
        await unmerge(benefits, merge_id, survivor, merged, accounts=[account])
        assert await used(benefits, survivor, merged) == [4, 3]
        await benefits.reverse(made.redemption_id)
        assert await used(benefits, survivor, merged) == [4, 4]


async def test_a_quota_of_once_in_a_life_stays_used() -> None:
    async with start_benefits(quota(uses=1, period="once")) as benefits:
        survivor, merged = await benefits.enrol(2)
        await benefits.redeem(merged, "delivery")
        await merge(benefits, survivor, merged)
        assert (await benefits.check(survivor, "delivery")).reason == "QUOTA_EXHAUSTED"


async def test_the_unused_right_goes_where_the_other_was_used_and_is_there_again_when_they_part() -> None:
    async with start_benefits(coupon(at_merge="one")) as benefits:
        survivor, merged = await benefits.enrol(2)
        for member in (survivor, merged):
            await benefits.issue(member, reference=member)
        await benefits.redeem(merged)
        merge_id = await merge(benefits, survivor, merged)
        assert await states(benefits, survivor) == ["REDEEMED", "REVOKED"]
        assert (await benefits.check(survivor, "coffee")).reason == "NOT_ENTITLED"
        await unmerge(benefits, merge_id, survivor, merged)
        assert await states(benefits, survivor) == ["GRANTED"]
        assert await states(benefits, merged) == ["REDEEMED"]
        told = [kind for kind, _ in await benefits.told()]
        assert [kind for kind in told if kind in ("entitlement_revoked", "entitlement_restored")] == [
            "entitlement_revoked",
            "entitlement_restored",
        ]


async def test_of_two_unused_rights_to_what_comes_once_in_a_life_one_is_left() -> None:
    async with start_benefits(coupon("gift", issue=ONCE)) as benefits:
        survivor, merged = await benefits.enrol(2)
        await benefits.stand(survivor, "silver")
        await benefits.stand(merged, "gold")
        await merge(benefits, survivor, merged)
        # Silver's gift both had; gold's the merged one alone.
        assert await states(benefits, survivor) == ["GRANTED", "GRANTED", "REVOKED"]
        await benefits.stand(survivor, "gold")
        assert await states(benefits, survivor) == ["GRANTED", "GRANTED", "REVOKED"], "the person had gold's"
        await benefits.stand(survivor, "platinum")
        assert await states(benefits, survivor) == ["GRANTED", "GRANTED", "GRANTED", "REVOKED"]


async def test_two_ordinary_coupons_both_stay() -> None:
    async with start_benefits(coupon()) as benefits:
        survivor, merged = await benefits.enrol(2)
        for member in (survivor, merged):
            await benefits.issue(member)
        await merge(benefits, survivor, merged)
        assert await states(benefits, merged) == ["GRANTED", "GRANTED"]


async def test_a_reference_of_either_is_known_of_the_person() -> None:
    async with start_benefits(coupon()) as benefits:
        survivor, merged = await benefits.enrol(2)
        issued = await benefits.issue(merged, reference="spring")
        await merge(benefits, survivor, merged)
        for member in (survivor, merged):
            refusal = await refusal_of(benefits.issue(member, reference="spring"))
            assert (refusal.reason, refusal.metadata["entitlement_id"]) == (
                "ALREADY_ISSUED",
                issued.entitlement.entitlement_id,
            )


async def test_what_is_repeated_to_an_old_id_is_known_before_a_merge_and_after_an_unmerge() -> None:
    async with start_benefits(quota(uses=4)) as benefits:
        survivor, merged = await benefits.enrol(2)
        first, second = str(uuid.uuid4()), str(uuid.uuid4())
        before = await benefits.redeem(merged, "delivery", request_id=first)
        merge_id = await merge(benefits, survivor, merged)
        assert await benefits.redeem(merged, "delivery", request_id=first) == before
        forwarded = await benefits.redeem(merged, "delivery", request_id=second)
        assert await benefits.redeem(merged, "delivery", request_id=second) == forwarded
        await unmerge(benefits, merge_id, survivor, merged)
        assert await benefits.redeem(merged, "delivery", request_id=second) == forwarded
        assert await used(benefits, survivor, merged) == [3, 3]


async def test_chains_resolve_in_one_hop_and_part_in_the_middle() -> None:
    async with start_benefits(coupon()) as benefits:
        a, b, c = await benefits.enrol(3)
        for member in (a, b, c):
            await benefits.issue(member, reference=member)
        await merge(benefits, b, a)
        second = await merge(benefits, c, b, a)
        for member in (a, b, c):
            assert (await benefits.check(member, "coffee")).uses_left == 3
        await unmerge(benefits, second, c, b, a)
        assert [(await benefits.check(member, "coffee")).uses_left for member in (a, b, c)] == [2, 2, 1]


async def test_a_month_brings_a_person_one() -> None:
    async with start_benefits(coupon(issue=[{"when": "month"}])) as benefits:
        survivor, merged = await benefits.enrol(2)
        await merge(benefits, survivor, merged)
        await benefits.advance((await benefits.platform.clock.now()).replace(month=4, day=1, hour=12))
        assert len(await benefits.entitlements(merged)) == 1


async def test_a_status_told_of_the_survivor_is_the_persons() -> None:
    async with start_benefits(coupon()) as benefits:
        survivor, merged = await benefits.enrol(2)
        await merge(benefits, survivor, merged)
        await benefits.set_status(survivor, "suspended")
        assert (await benefits.check(merged, "coffee")).reason == "MEMBER_SUSPENDED"
