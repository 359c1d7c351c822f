"""What benefits tells of a member's records: what a merge, an unmerge or an erasure would do, and all there is."""

import json
from typing import Any

from tessera.records.v1 import member_records_pb2 as pb
from tests.benefits.builders import coupon, quota, start_benefits
from tests.benefits.merging import merge, unmerge


def effects(told: Any) -> list[tuple[str, str]]:
    """What would happen: its code, and to which benefit."""
    return [(effect.code, effect.details["benefit"]) for effect in told.effects]


async def test_a_merge_and_an_unmerge_do_what_was_told_before() -> None:
    async with start_benefits(coupon(at_merge="one"), coupon("tea"), quota(uses=4)) as benefits:
        survivor, merged = await benefits.enrol(2)
        account = await benefits.link(merged, "cafe")
        for member in (survivor, merged):
            await benefits.issue(member)
            await benefits.issue(member, "tea")
            await benefits.redeem(member, "delivery")
        records = benefits.suite.records("benefits")
        told = await records.PreviewMerge(pb.PreviewMergeRequest(survivor_id=survivor, merged_id=merged))
        assert effects(told) == [("ENTITLEMENT_REVOKED", "coffee"), ("QUOTA_UNITED", "delivery")]
        assert (told.effects[1].details["merged"], told.effects[1].details["together"]) == ("1", "2")
        assert (await benefits.check(merged, "coffee")).allowed, "a preview changes nothing"
        merge_id = await merge(benefits, survivor, merged, accounts=[account])
        (revoked,) = [each for each in await benefits.entitlements(survivor) if each.state == 4]
        assert revoked.entitlement_id == told.effects[0].details["entitlement_id"]
        await benefits.redeem(survivor, "delivery", account_id=account)
        request = pb.PreviewUnmergeRequest(
            merge_id=merge_id, holder_id=survivor, member_id=merged, account_ids=[account], whole=True
        )
        told = await records.PreviewUnmerge(request)
        assert effects(told) == [("ENTITLEMENT_RESTORED", "coffee")] + [("QUOTA_CHANGES", "delivery")] * 2
        used = {effect.details["member_id"]: 4 - int(effect.details["used"]) for effect in told.effects[1:]}
        await unmerge(benefits, merge_id, survivor, merged, accounts=[account])
        assert used == {member: (await benefits.check(member, "delivery")).uses_left for member in (survivor, merged)}


async def test_an_erasure_is_told_with_what_is_lost() -> None:
    async with start_benefits(coupon()) as benefits:
        survivor, merged = await benefits.enrol(2)
        for member in (survivor, merged):
            await benefits.issue(member)
        await merge(benefits, survivor, merged)
        await benefits.redeem(merged)
        told = await benefits.suite.records("benefits").PreviewErasure(pb.PreviewErasureRequest(member_id=merged))
        assert effects(told) == [("ENTITLEMENT_LOST", "coffee")]


async def test_everything_about_a_person_is_exported() -> None:
    async with start_benefits(coupon(), quota()) as benefits:
        survivor, merged = await benefits.enrol(2)
        issued = (await benefits.issue(merged, reference="spring")).entitlement
        await merge(benefits, survivor, merged)
        await benefits.redeem(survivor, "delivery")
        call = benefits.suite.records("benefits").ExportMember(pb.ExportMemberRequest(member_id=merged))
        told = [(one.service, one.kind, json.loads(one.record_json)) async for one in call]
        assert {service for service, _, _ in told} == {"benefits"}
        kinds = sorted(kind for _, kind, _ in told)
        assert kinds == ["entitlements", "links", "links", "members", "members", "quota_uses", "redemptions"]
        (entitlement,) = [record for _, kind, record in told if kind == "entitlements"]
        assert (entitlement["benefit"], entitlement["reference"]) == (issued.benefit, issued.reference)
