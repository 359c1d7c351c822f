"""What points tells of a member's records: what a merge, an unmerge or an erasure would do, and all there is."""

import json
from datetime import timedelta

from services.chassis import ids
from tessera.records.v1 import member_records_pb2 as pb
from tests.points.builders import SCORE, hold, open_shop, rule, someone, spend, unit
from tests.points.merging import merge
from tests.points.test_merges import balances, two


async def test_a_merge_is_told_before_it_is_made() -> None:
    async with open_shop(*SCORE, unit(), rule()) as shop:
        survivor, merged = await two(shop, 100, 30)
        request = pb.PreviewMergeRequest(survivor_id=survivor.member_id, merged_id=merged.member_id)
        told = await shop.suite.records("points").PreviewMerge(request)
        assert [(effect.code, dict(effect.details)) for effect in told.effects] == [
            ("WALLETS_UNITED", {"unit": of, "survivor": "100", "merged": "30", "together": "130"})
            for of in ("points", "score")
        ]
        assert await balances(shop, survivor, merged) == [100, 30]


async def test_an_unmerge_is_told_with_what_stands_in_its_way() -> None:
    async with open_shop() as shop:
        survivor, merged = await two(shop, 100, 30)
        merge_id = await merge(shop, survivor, merged)
        request = pb.PreviewUnmergeRequest(
            merge_id=ids.encode("merge", merge_id),
            holder_id=survivor.member_id,
            member_id=merged.member_id,
            account_ids=[merged.account_id],
            whole=True,
        )
        records = shop.suite.records("points")
        assert await records.PreviewUnmerge(request) == pb.PreviewUnmergeResponse(), "each has its own still"
        placed = await shop.points.Hold(hold(survivor, 120, await shop.now() + timedelta(days=1)))
        told = await records.PreviewUnmerge(request)
        assert [(blocker.code, blocker.details["hold_id"]) for blocker in told.blockers] == [
            ("HOLD_OPEN", placed.hold_id)
        ]


async def test_an_erasure_is_told_with_what_is_forfeited_and_what_is_open() -> None:
    async with open_shop() as shop:
        survivor, merged = await two(shop, 100, 30)
        placed = await shop.points.Hold(hold(merged, 10, await shop.now() + timedelta(days=1)))
        await merge(shop, survivor, merged)
        told = await shop.suite.records("points").PreviewErasure(pb.PreviewErasureRequest(member_id=merged.member_id))
        assert sorted(effect.details["amount"] for effect in told.effects) == ["100", "20"]
        assert [blocker.details["hold_id"] for blocker in told.blockers] == [placed.hold_id]


async def test_everything_about_a_person_is_exported() -> None:
    async with open_shop() as shop:
        survivor, merged = await two(shop, 100, 30)
        await merge(shop, survivor, merged)
        await shop.points.Spend(spend(survivor, 120))
        request = pb.ExportMemberRequest(member_id=merged.member_id)
        exported = [record async for record in shop.suite.records("points").ExportMember(request)]
        kinds: dict[str, int] = {}
        for record in exported:
            assert record.service == "points"
            kinds[record.kind] = kinds.get(record.kind, 0) + 1
        assert kinds["activities"] == 2
        assert kinds["spends"] == 1
        assert kinds["balances"] == 2
        assert kinds["entries"] == 2 + 2 + 1
        activities = [json.loads(record.record_json) for record in exported if record.kind == "activities"]
        assert all(each["body"]["reference"] for each in activities)
        nobody = pb.ExportMemberRequest(member_id=someone().member_id)
        assert [record async for record in shop.suite.records("points").ExportMember(nobody)] == []
