"""Members are merged and unmerged: entitlements, quotas, old IDs; identity's events are given to lanes."""

from datetime import timedelta
from typing import Any

import grpc
import pytest

from services.chassis import ids
from tessera.benefits.v1 import benefits_service_pb2 as pb
from tessera.errors import error_of_call
from tessera.records.v1 import member_records_pb2 as records_pb
from tests.benefits.builders import NOON, Benefits, coupon, quota, raw, start_benefits
from tests.support.merging import erased

DAY = timedelta(days=1)
GIFT: dict[str, Any] = {"issue": [{"when": "level-up", "ladder": "shopper", "gifts": "all-crossed"}]}
EVERY_RISE: dict[str, Any] = {"issue": [{**GIFT["issue"][0], "gifts": "every-rise", "levels": ["gold"]}]}
GRANTED, REDEEMED, REVOKED = (
    pb.ENTITLEMENT_STATE_GRANTED,
    pb.ENTITLEMENT_STATE_REDEEMED,
    pb.ENTITLEMENT_STATE_REVOKED,
)


async def reason(call: Any) -> str:
    """Why a call is refused."""
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await call
    return str(error_of_call(refused.value).reason)


async def states(benefits: Benefits, member: str) -> list[int]:
    return sorted(entitlement.state for entitlement in await benefits.entitlements(member))


async def used(benefits: Benefits, member: str) -> int:
    """How much a member used of a quota of 4."""
    answer = await benefits.check(member, "delivery")
    return 4 - int(answer.uses_left) if answer.allowed else 4


class TestQuotas:
    @pytest.mark.parametrize("period", ["month", "once"])
    async def test_what_both_used_adds_up(self, period: str) -> None:
        async with start_benefits(quota(uses=2, period=period)) as benefits:
            one, other = await benefits.enrol(2)
            await benefits.redeem(one, "delivery")
            await benefits.redeem(other, "delivery")
            await benefits.merge(one, other)
            for member in (one, other):
                assert not (await benefits.check(member, "delivery")).allowed
                assert await reason(benefits.redeem(member, "delivery")) == "QUOTA_EXHAUSTED"

    async def test_what_was_used_in_an_earlier_period_does_not(self) -> None:
        async with start_benefits(quota(uses=2, period="day")) as benefits:
            one, other = await benefits.enrol(2)
            await benefits.redeem(other, "delivery")
            await benefits.advance(NOON + DAY)
            await benefits.redeem(one, "delivery")
            await benefits.merge(one, other)
            assert (await benefits.check(other, "delivery")).uses_left == 1

    async def test_a_use_is_taken_back_by_whichever_id(self) -> None:
        async with start_benefits(quota()) as benefits:
            one, other = await benefits.enrol(2)
            before = await benefits.redeem(other, "delivery")
            await benefits.redeem(one, "delivery")
            await benefits.merge(one, other)
            since = await benefits.redeem(other, "delivery")
            assert await used(benefits, one) == 3
            await benefits.reverse(before.redemption_id)
            await benefits.reverse(since.redemption_id)
            assert await used(benefits, one) == 1
            assert await reason(benefits.reverse(before.redemption_id)) == "REDEMPTION_ALREADY_REVERSED"
            await benefits.unmerge(one, other)
            assert [await used(benefits, each) for each in (one, other)] == [1, 0]

    async def test_e71_uses_go_back_with_the_account_that_they_came_through(self) -> None:
        async with start_benefits(quota()) as benefits:
            one, other = await benefits.enrol(2)
            first, second = await benefits.link(other, "cafe"), await benefits.link(other, "cafe")
            made = await benefits.redeem(other, "delivery", account_id=first)
            await benefits.redeem(other, "delivery")
            await benefits.merge(one, other, first, second)
            since = await benefits.redeem(one, "delivery", account_id=first)
            await benefits.redeem(one, "delivery", account_id=second)
            assert await used(benefits, other) == 4
            await benefits.unmerge(one, other, first, whole=False)
            assert [await used(benefits, each) for each in (one, other)] == [2, 2]
            assert await reason(benefits.redeem(one, "delivery", account_id=first)) == "ACCOUNT_MISMATCH"
            await benefits.redeem(one, "delivery", account_id=second)
            # What is taken back now is given back to whose the account is.
            await benefits.reverse(made.redemption_id)
            await benefits.reverse(since.redemption_id)
            assert [await used(benefits, each) for each in (one, other)] == [3, 0]
            await benefits.unmerge(one, other, second, whole=True)
            assert [await used(benefits, each) for each in (one, other)] == [0, 3]

    async def test_who_is_merged_again_and_taken_out_again_has_what_it_had(self) -> None:
        async with start_benefits(quota()) as benefits:
            one, other = await benefits.enrol(2)
            account = await benefits.link(other, "cafe")
            await benefits.redeem(other, "delivery", account_id=account)
            for _ in range(3):
                await benefits.merge(one, other, account)
                assert await used(benefits, one) == 1
                await benefits.unmerge(one, other, account)
                assert [await used(benefits, each) for each in (one, other)] == [0, 1]


class TestEntitlements:
    async def test_they_go_along_with_their_terms_and_back(self) -> None:
        async with start_benefits(coupon(validity={"days": 5}, uses=3)) as benefits:
            one, other = await benefits.enrol(2)
            issued = (await benefits.issue(other, reference="r")).entitlement
            used_one = await benefits.redeem(other)
            await benefits.merge(one, other)
            assert (await benefits.check(one, "coffee")).entitlement_id == issued.entitlement_id
            (moved,) = await benefits.entitlements(one)
            assert (moved.valid_until, moved.uses_left) == (issued.valid_until, 2)
            assert await benefits.entitlements(other) == [moved]
            # By its ID, sent to the old ID.
            await benefits.redeem(other, entitlement_id=issued.entitlement_id)
            # What was used before the merge comes back to it, too.
            await benefits.reverse(used_one.redemption_id)
            assert (await benefits.check(other, "coffee")).uses_left == 2
            await benefits.unmerge(one, other)
            assert await benefits.entitlements(one) == []
            (back,) = await benefits.entitlements(other)
            assert (back.member_id, back.uses_left) == (other, 2)
            assert await reason(benefits.redeem(one)) == "NOT_ENTITLED"
            await benefits.redeem(other)

    async def test_what_is_used_of_it_since_the_merge_comes_back_to_whom_it_went(self) -> None:
        async with start_benefits(coupon()) as benefits:
            one, other = await benefits.enrol(2)
            await benefits.issue(other)
            await benefits.merge(one, other)
            made = await benefits.redeem(one)
            await benefits.unmerge(one, other)
            assert await states(benefits, other) == [REDEEMED]
            await benefits.reverse(made.redemption_id)
            assert await states(benefits, other) == [GRANTED]
            assert await reason(benefits.redeem(one)) == "NOT_ENTITLED"

    async def test_a_reference_is_known_whoever_it_was_issued_to(self) -> None:
        async with start_benefits(coupon()) as benefits:
            one, other = await benefits.enrol(2)
            await benefits.issue(other, reference="letter-7")
            await benefits.merge(one, other)
            assert await reason(benefits.issue(one, reference="letter-7")) == "ALREADY_ISSUED"
            assert await reason(benefits.issue(other, reference="letter-7")) == "ALREADY_ISSUED"
            to_old_id = (await benefits.issue(other, reference="letter-8")).entitlement
            assert to_old_id.member_id == one

    async def test_who_left_before_keeps_who_was_merged_into_it_when_the_rest_follows(self) -> None:
        async with start_benefits(coupon()) as benefits:
            one, other, before, since = await benefits.enrol(4)
            first, second = await benefits.link(other, "cafe"), await benefits.link(other, "cafe")
            await benefits.merge(other, before)
            await benefits.merge(one, other, first, second, absorbed=[before])
            await benefits.unmerge(one, other, first, whole=False)
            await benefits.issue(since, reference="r")
            await benefits.merge(other, since)
            await benefits.unmerge(one, other, second, absorbed=[before])
            assert await reason(benefits.issue(other, reference="r")) == "ALREADY_ISSUED"

    async def test_a_request_to_an_old_id_is_known_for_ever(self) -> None:
        async with start_benefits(quota()) as benefits:
            one, other = await benefits.enrol(2)
            before = await benefits.redeem(other, "delivery", request_id="before")
            await benefits.merge(one, other)
            assert await benefits.redeem(other, "delivery", request_id="before") == before
            since = await benefits.redeem(other, "delivery", request_id="since")
            assert await benefits.redeem(other, "delivery", request_id="since") == since
            assert await used(benefits, one) == 2
            await benefits.unmerge(one, other)
            assert await benefits.redeem(other, "delivery", request_id="since") == since
            assert await benefits.redeem(other, "delivery", request_id="before") == before
            assert [await used(benefits, each) for each in (one, other)] == [1, 1]

    async def test_expiry_and_counts_are_those_of_the_rows(self) -> None:
        async with start_benefits(coupon(validity={"days": 5})) as benefits:
            one, other = await benefits.enrol(2)
            await benefits.issue(one)
            await benefits.issue(other)
            await benefits.merge(one, other)
            await benefits.advance(NOON + 10 * DAY)
            assert await benefits.summary() == {"coffee": {"issued": 2, "expired": 2}}
            await benefits.unmerge(one, other)
            assert [await states(benefits, each) for each in (one, other)] == [[pb.ENTITLEMENT_STATE_EXPIRED]] * 2
            assert await benefits.summary() == {"coffee": {"issued": 2, "expired": 2}}


class TestRisesOfBefore:
    """Tiers may tell of a rise that a member made before its merge when that is known here already."""

    @pytest.mark.parametrize("late", [False, True])
    async def test_a_gift_for_every_rise_is_the_survivors_whatever_is_heard_first(self, late: bool) -> None:
        async with start_benefits(coupon(**EVERY_RISE)) as benefits:
            one, other = await benefits.enrol(2)
            await benefits.stand(one, "gold")
            if not late:
                await benefits.stand(other, "gold")
            await benefits.merge(one, other)
            if late:
                await benefits.stand(other, "gold")
                await benefits.stand(other, "gold")
            assert await states(benefits, one) == [GRANTED, GRANTED]
            await benefits.unmerge(one, other)
            assert [await states(benefits, each) for each in (one, other)] == [[GRANTED], [GRANTED]]

    async def test_a_gift_for_life_stays_once(self) -> None:
        async with start_benefits(coupon(**GIFT)) as benefits:
            one, other = await benefits.enrol(2)
            await benefits.stand(one, "silver")
            await benefits.merge(one, other)
            await benefits.stand(other, "silver")
            assert await states(benefits, one) == [GRANTED, REVOKED]


class TestOnceInALife:
    async def test_e66_when_one_was_used_the_other_is_revoked(self) -> None:
        async with start_benefits(coupon(merged="keep-one")) as benefits:
            one, other = await benefits.enrol(2)
            await benefits.issue(one, reference="a")
            await benefits.issue(other, reference="b")
            await benefits.redeem(other)
            await benefits.merge(one, other)
            assert await states(benefits, one) == [REDEEMED, REVOKED]
            assert await reason(benefits.redeem(one)) == "NOT_ENTITLED"
            assert [kind for kind, _ in await benefits.told()].count("entitlement_revoked") == 1
            await benefits.unmerge(one, other)
            assert [await states(benefits, each) for each in (one, other)] == [[GRANTED], [REDEEMED]]
            assert [kind for kind, _ in await benefits.told()].count("entitlement_restored") == 1

    async def test_e66_of_two_that_were_not_used_one_is_left(self) -> None:
        async with start_benefits(coupon(merged="keep-one")) as benefits:
            one, other = await benefits.enrol(2)
            await benefits.issue(one, reference="a")
            await benefits.issue(other, reference="b")
            await benefits.merge(one, other)
            assert await states(benefits, other) == [GRANTED, REVOKED]
            await benefits.redeem(other)
            assert await reason(benefits.redeem(one)) == "NOT_ENTITLED"

    async def test_e66_two_ordinary_coupons_both_stay(self) -> None:
        async with start_benefits(coupon()) as benefits:
            one, other = await benefits.enrol(2)
            await benefits.issue(one, reference="a")
            await benefits.issue(other, reference="a")
            await benefits.merge(one, other)
            assert await states(benefits, one) == [GRANTED, GRANTED]

    @pytest.mark.parametrize(("merged", "expected"), [(None, [GRANTED, GRANTED, REVOKED]), ("keep-all", [GRANTED] * 3)])
    async def test_a_level_gift_for_life_stays_once(self, merged: str | None, expected: list[int]) -> None:
        spec = GIFT if merged is None else {**GIFT, "merged": merged}
        async with start_benefits(coupon(**spec)) as benefits:
            one, other = await benefits.enrol(2)
            await benefits.stand(one, "silver")
            await benefits.stand(other, "gold")
            await benefits.merge(one, other)
            assert await states(benefits, one) == expected
            # The survivor rises to where the other one stood: that was given.
            await benefits.stand(one, "gold", NOON + DAY)
            assert await states(benefits, one) == expected

    async def test_a_quota_cannot_say_what_stays(self) -> None:
        async with start_benefits() as benefits:
            with pytest.raises(grpc.aio.AioRpcError):
                await benefits.publish(quota(merged="keep-one"))


async def test_e72_a_chain_leads_to_the_last_in_one_hop() -> None:
    async with start_benefits(coupon(), quota()) as benefits:
        a, b, c = await benefits.enrol(3)
        account = await benefits.link(a, "cafe")
        made = await benefits.redeem(a, "delivery", account_id=account)
        await benefits.issue(a)
        await benefits.issue(b)
        await benefits.redeem(a)
        await benefits.merge(b, a, account)
        await benefits.merge(c, b, account, absorbed=[a])
        assert [await used(benefits, each) for each in (a, b, c)] == [1, 1, 1]
        assert [await states(benefits, each) for each in (a, b, c)] == [[GRANTED, REDEEMED]] * 3
        await benefits.unmerge(c, a, account)
        assert [await used(benefits, each) for each in (a, b, c)] == [1, 0, 0]
        assert [await states(benefits, each) for each in (a, b, c)] == [[REDEEMED], [GRANTED], [GRANTED]]
        await benefits.reverse(made.redemption_id)
        assert [await used(benefits, each) for each in (a, b, c)] == [0, 0, 0]
        await benefits.unmerge(c, b)
        assert [await states(benefits, each) for each in (a, b, c)] == [[REDEEMED], [GRANTED], []]


async def test_e72_who_leaves_a_chain_takes_along_who_had_been_merged_into_it() -> None:
    async with start_benefits(coupon(), quota()) as benefits:
        a, b, c = await benefits.enrol(3)
        made = await benefits.redeem(a, "delivery")
        await benefits.issue(a)
        await benefits.merge(b, a)
        await benefits.merge(c, b, absorbed=[a])
        await benefits.unmerge(c, b, absorbed=[a])
        assert [await used(benefits, each) for each in (a, b, c)] == [1, 1, 0]
        assert [await states(benefits, each) for each in (a, b, c)] == [[GRANTED], [GRANTED], []]
        await benefits.reverse(made.redemption_id)
        assert [await used(benefits, each) for each in (a, b, c)] == [0, 0, 0]
        await benefits.unmerge(b, a)
        assert [await states(benefits, each) for each in (a, b, c)] == [[GRANTED], [], []]


async def test_nothing_is_issued_to_a_merged_member_by_the_month() -> None:
    async with start_benefits(coupon(issue=[{"when": "month"}])) as benefits:
        one, other = await benefits.enrol(2)
        await benefits.merge(one, other)
        await benefits.advance(NOON + 30 * DAY)
        assert await states(benefits, other) == [GRANTED]
        await benefits.unmerge(one, other)
        assert [await states(benefits, each) for each in (one, other)] == [[GRANTED], []]
        await benefits.advance(NOON + 60 * DAY)
        assert [await states(benefits, each) for each in (one, other)] == [[GRANTED] * 2, [GRANTED]]


async def test_an_erased_member_has_and_gets_nothing() -> None:
    async with start_benefits(coupon(issue=[{"when": "listed"}, {"when": "month"}])) as benefits:
        (member,) = await benefits.enrol()
        await benefits.issue(member)
        request = records_pb.PreviewErasureRequest(member_id=member)
        preview = await benefits.suite.records("benefits").PreviewErasure(request)
        assert [effect.code for effect in preview.effects] == ["ENTITLEMENT_REVOKED"]
        assert not preview.blockers
        assert await states(benefits, member) == [GRANTED]
        await benefits.rearrange(erased(raw(member), NOON))
        assert await states(benefits, member) == [REVOKED]
        assert await reason(benefits.issue(member, reference="more")) == "MEMBER_CLOSED"
        await benefits.advance(NOON + 30 * DAY)
        assert await states(benefits, member) == [REVOKED]


async def test_a_preview_tells_what_then_happens() -> None:
    async with start_benefits(coupon(merged="keep-one"), quota()) as benefits:
        one, other = await benefits.enrol(2)
        await benefits.issue(one, reference="a")
        used_up = (await benefits.issue(other, reference="b")).entitlement
        await benefits.redeem(other)
        await benefits.redeem(one, "delivery")
        await benefits.redeem(other, "delivery")
        stub = benefits.suite.records("benefits")
        request = records_pb.PreviewMergeRequest(survivor_id=one, merged_id=other)
        effects = (await stub.PreviewMerge(request)).effects
        (mine,) = await benefits.entitlements(one)
        expected = [
            ("ENTITLEMENTS_MOVE", {"benefit": "coffee", "count": "1"}),
            ("ENTITLEMENT_REVOKED", {"entitlement_id": mine.entitlement_id}),
            ("QUOTA_UNITED", {"benefit": "delivery", "moved": "1", "used": "2"}),
        ]
        assert [(effect.code, dict(effect.details)) for effect in effects] == expected
        assert await used(benefits, one) == 1
        assert [e.entitlement_id for e in await benefits.entitlements(other)] == [used_up.entitlement_id]
        await benefits.merge(one, other)
        assert (await stub.PreviewMerge(request)).effects == []
        unmerge = records_pb.PreviewUnmergeRequest(
            merge_id=ids.encode("merge", ids.new_id(0)), holder_id=one, member_id=other, whole=True
        )
        assert [(effect.code, dict(effect.details)) for effect in (await stub.PreviewUnmerge(unmerge)).effects] == [
            ("ENTITLEMENTS_GIVEN_BACK", {"benefit": "coffee", "count": "1"}),
            ("ENTITLEMENT_RESTORED", {"entitlement_id": mine.entitlement_id}),
            ("QUOTA_GIVEN_BACK", {"benefit": "delivery", "moved": "1", "used": "1"}),
        ]
        assert await used(benefits, other) == 2


async def test_an_export_has_all_rows_of_a_person() -> None:
    async with start_benefits(coupon()) as benefits:
        one, other = await benefits.enrol(2)
        await benefits.issue(other)
        await benefits.merge(one, other)
        request = records_pb.ExportMemberRequest(member_id=other)
        found = [record async for record in benefits.suite.records("benefits").ExportMember(request)]
        assert {record.service for record in found} == {"benefits"}
        assert sorted(record.kind for record in found) == ["entitlements", "members", "members"]
