"""Members that were merged: where a person stands, by whichever ID, and where each does when they part."""

import json
from datetime import date, datetime
from uuid import UUID

import pytest

from services.chassis import ids
from tessera.records.v1 import member_records_pb2 as pb
from tests.support.suite import Suite
from tests.tiers.builders import Feeds, activity, at, history, reversal, standing, summary

JAN_1 = date(2026, 1, 1)
START = at(JAN_1, 0)
MERGED_AT = at(date(2026, 1, 20))
UNMERGED_AT = at(date(2026, 2, 10))


async def where(suite: Suite, *members: UUID) -> list[tuple[str, int]]:
    """The level and the score of members."""
    found = [await standing(suite, member) for member in members]
    return [(one.level, one.score) for one in found]


def account_of(member: UUID) -> UUID:
    """An account of a member."""
    return ids.new_id(ids.routing_of(member))


@pytest.mark.parametrize("routing", [0, 8, 1], ids=["one partition", "one partition, other bits", "two partitions"])
async def test_scores_are_united_by_the_day_from_the_merge_on(suite: Suite, feeds: Feeds, routing: int) -> None:
    survivor, merged = await feeds.enrol(START), await feeds.enrol(START, routing)
    await suite.advance(MERGED_AT)
    await feeds.score(survivor, at(date(2026, 1, 10)), 60)
    await feeds.score(merged, at(date(2026, 1, 12)), 60)
    assert await where(suite, survivor, merged) == [("bronze", 60)] * 2
    await feeds.merge(survivor, merged, merged_at=MERGED_AT)
    assert await where(suite, survivor, merged) == [("silver", 120)] * 2
    for member in (survivor, merged):
        assert await history(suite, member) == [("bronze", START), ("silver", MERGED_AT)]
    # They leave the window on their own days: the 90 days that end on 9 April begin on 10 January.
    await suite.advance(at(date(2026, 4, 10)))
    assert await where(suite, merged) == [("silver", 60)], "the evaluation of the 10th looked at those of the 9th"
    await suite.advance(at(date(2026, 4, 11)))
    assert await where(suite, merged) == [("bronze", 60)]


async def test_what_is_told_of_an_old_id_later_counts_for_whom_it_leads_to(suite: Suite, feeds: Feeds) -> None:
    survivor, merged = await feeds.enrol(START), await feeds.enrol(START, 1)
    await suite.advance(MERGED_AT)
    await feeds.score(survivor, at(date(2026, 1, 10)), 60)
    await feeds.merge(survivor, merged, merged_at=MERGED_AT)
    await feeds.score(merged, at(date(2026, 1, 15)), 60)
    assert await where(suite, survivor, merged) == [("silver", 120)] * 2
    assert await history(suite, survivor) == [("bronze", START), ("silver", at(date(2026, 1, 15)))]


async def test_the_higher_level_is_kept_until_the_next_evaluation(suite: Suite, feeds: Feeds) -> None:
    survivor, merged = await feeds.enrol(START), await feeds.enrol(START, 1)
    await suite.advance(MERGED_AT)
    activity_id, done_at = ids.new_id(1), at(date(2026, 1, 20), 8)
    await feeds.points(1, [activity(merged, done_at, 100, activity_id=activity_id)])
    await feeds.points(1, reversal(merged, activity_id, done_at, at(date(2026, 1, 20), 9), 100))
    await feeds.score(survivor, at(date(2026, 1, 10)), 10)
    assert await where(suite, survivor, merged) == [("bronze", 10), ("silver", 0)]
    await feeds.merge(survivor, merged, merged_at=MERGED_AT)
    assert await where(suite, survivor, merged) == [("silver", 10)] * 2
    await suite.advance(at(date(2026, 1, 21)))
    assert await where(suite, survivor, merged) == [("bronze", 10)] * 2
    assert [level for level, _ in await history(suite, survivor)] == ["bronze", "silver", "bronze"]


async def test_an_unmerge_gives_back_by_account(suite: Suite, feeds: Feeds) -> None:
    survivor, merged = await feeds.enrol(START), await feeds.enrol(START, 1)
    own, brought = account_of(survivor), account_of(merged)
    await suite.advance(MERGED_AT)
    await feeds.score(survivor, at(date(2026, 1, 10)), 60, own)
    await feeds.score(merged, at(date(2026, 1, 12)), 60, brought)
    await feeds.merge(survivor, merged, merged_at=MERGED_AT)
    await suite.advance(UNMERGED_AT)
    await feeds.score(survivor, at(date(2026, 2, 1)), 50, brought)
    await feeds.score(survivor, at(date(2026, 2, 1)), 5, own)
    assert await where(suite, survivor) == [("silver", 175)]
    await feeds.unmerge(survivor, merged, unmerged_at=UNMERGED_AT, accounts=[brought])
    assert await where(suite, survivor, merged) == [("bronze", 65), ("silver", 110)]
    assert await history(suite, merged) == [("bronze", START), ("silver", UNMERGED_AT)]
    await feeds.score(merged, at(date(2026, 2, 9)), 1, brought)
    assert await where(suite, survivor, merged) == [("bronze", 65), ("silver", 111)]


async def test_account_by_account_and_then_the_rest(suite: Suite, feeds: Feeds) -> None:
    survivor, merged = await feeds.enrol(START), await feeds.enrol(START, 1)
    first, second = account_of(merged), account_of(merged)
    await suite.advance(MERGED_AT)
    await feeds.score(merged, at(date(2026, 1, 10)), 30, first)
    await feeds.score(merged, at(date(2026, 1, 11)), 20, second)
    await feeds.score(merged, at(date(2026, 1, 12)), 7)
    await feeds.score(survivor, at(date(2026, 1, 13)), 1)
    await feeds.merge(survivor, merged, merged_at=MERGED_AT)
    await suite.advance(UNMERGED_AT)
    assert await where(suite, survivor, merged) == [("bronze", 58)] * 2
    await feeds.unmerge(survivor, merged, unmerged_at=UNMERGED_AT, accounts=[first], whole=False)
    assert await where(suite, survivor, merged) == [("bronze", 28), ("bronze", 30)]
    await feeds.unmerge(survivor, merged, unmerged_at=UNMERGED_AT, accounts=[second])
    assert await where(suite, survivor, merged) == [("bronze", 1), ("bronze", 57)]
    await feeds.merge(survivor, merged, merged_at=UNMERGED_AT)
    assert await where(suite, survivor, merged) == [("bronze", 58)] * 2
    await feeds.unmerge(survivor, merged, unmerged_at=UNMERGED_AT, accounts=[first, second])
    assert await where(suite, survivor, merged) == [("bronze", 1), ("bronze", 57)]


@pytest.mark.parametrize("leaving", ["first", "middle", "last"])
async def test_chains_resolve_in_one_hop_and_part_anywhere(suite: Suite, feeds: Feeds, leaving: str) -> None:
    a, b, c = [await feeds.enrol(START, routing) for routing in (0, 1, 2)]
    accounts = [account_of(member) for member in (a, b, c)]
    await suite.advance(MERGED_AT)
    for member, account, amount in zip((a, b, c), accounts, (100, 20, 3), strict=True):
        await feeds.score(member, at(date(2026, 1, 10)), amount, account)
    await feeds.merge(b, a, merged_at=MERGED_AT)
    await feeds.merge(c, b, a, merged_at=MERGED_AT)
    assert await where(suite, a, b, c) == [("silver", 123)] * 3
    await suite.advance(UNMERGED_AT)
    if leaving == "first":
        await feeds.unmerge(c, a, unmerged_at=UNMERGED_AT, accounts=accounts[:1])
        assert await where(suite, a, b, c) == [("silver", 100), ("bronze", 23), ("bronze", 23)]
        await feeds.unmerge(c, b, unmerged_at=UNMERGED_AT, accounts=accounts[1:2])
        assert await where(suite, a, b, c) == [("silver", 100), ("bronze", 20), ("bronze", 3)]
    elif leaving == "middle":
        await feeds.unmerge(c, b, a, unmerged_at=UNMERGED_AT, accounts=accounts[:2])
        assert await where(suite, a, b, c) == [("silver", 120), ("silver", 120), ("bronze", 3)]
    else:
        await feeds.unmerge(c, b, unmerged_at=UNMERGED_AT, accounts=accounts[1:2], whole=False)
        assert await where(suite, a, b, c) == [("silver", 103), ("bronze", 20), ("silver", 103)]


async def test_a_person_is_counted_once(suite: Suite, feeds: Feeds) -> None:
    survivor, merged = await feeds.enrol(START), await feeds.enrol(START, 1)
    await suite.advance(MERGED_AT)
    await feeds.score(merged, at(date(2026, 1, 10)), 100)
    assert (await summary(suite))[0] == {"bronze": 1, "silver": 1, "gold": 0, "platinum": 0}
    await feeds.merge(survivor, merged, merged_at=MERGED_AT)
    assert (await summary(suite))[0] == {"bronze": 0, "silver": 1, "gold": 0, "platinum": 0}
    await suite.advance(at(date(2026, 6, 1)))
    assert (await summary(suite))[0] == {"bronze": 1, "silver": 0, "gold": 0, "platinum": 0}


async def test_what_will_be_done_is_told_before(suite: Suite, feeds: Feeds) -> None:
    survivor, merged = await feeds.enrol(START), await feeds.enrol(START, 1)
    brought = account_of(merged)
    await suite.advance(MERGED_AT)
    await feeds.score(survivor, at(date(2026, 1, 10)), 60)
    await feeds.score(merged, at(date(2026, 1, 12)), 60, brought)
    records = suite.records("tiers")
    names = {member: ids.encode("member", member) for member in (survivor, merged)}
    request = pb.PreviewMergeRequest(survivor_id=names[survivor], merged_id=names[merged])
    told = await records.PreviewMerge(request)
    assert changes(told) == [("SCORE_CHANGES", "60", "120"), ("LEVEL_CHANGES", "bronze", "silver")]
    assert await where(suite, survivor, merged) == [("bronze", 60)] * 2, "a preview changes nothing"
    await feeds.merge(survivor, merged, merged_at=MERGED_AT)
    undo = pb.PreviewUnmergeRequest(
        merge_id=ids.encode("merge", ids.new_id(0)),
        holder_id=names[survivor],
        member_id=names[merged],
        account_ids=[ids.encode("account", brought)],
        whole=True,
    )
    told = await records.PreviewUnmerge(undo)
    assert changes(told) == [("SCORE_CHANGES", "120", "60"), ("LEVEL_CHANGES", "silver", "bronze")]
    lost = await records.PreviewErasure(pb.PreviewErasureRequest(member_id=names[merged]))
    assert [dict(effect.details) for effect in lost.effects] == [{"ladder": "shopper", "level": "silver"}]


def changes(told: pb.PreviewMergeResponse) -> list[tuple[str, str, str]]:
    """What changes: its code, and from what to what."""
    return [(effect.code, effect.details["from"], effect.details["to"]) for effect in told.effects]


async def test_everything_about_a_person_is_exported(suite: Suite, feeds: Feeds) -> None:
    survivor, merged = await feeds.enrol(START), await feeds.enrol(START, 1)
    await suite.advance(MERGED_AT)
    await feeds.score(merged, at(date(2026, 1, 12)), 100)
    await feeds.merge(survivor, merged, merged_at=MERGED_AT)
    request = pb.ExportMemberRequest(member_id=ids.encode("member", merged))
    told = [
        (one.service, one.kind, json.loads(one.record_json))
        async for one in suite.records("tiers").ExportMember(request)
    ]
    assert sorted(kind for _, kind, _ in told) == ["links"] * 2 + ["members"] * 2 + ["scores"] * 2 + ["standings"] * 2
    assert [record["level"] for _, kind, record in told if kind == "standings"] == ["silver", "silver"]


async def test_a_late_day_is_no_later_than_the_instant(suite: Suite, feeds: Feeds) -> None:
    """A merge that is followed late acts from when it was made."""
    survivor, merged = await feeds.enrol(START), await feeds.enrol(START, 1)
    await suite.advance(UNMERGED_AT)
    await feeds.score(merged, at(date(2026, 1, 12)), 100)
    await feeds.score(survivor, at(date(2026, 2, 5)), 1)
    await feeds.merge(survivor, merged, merged_at=MERGED_AT)
    levels: list[tuple[str, datetime]] = await history(suite, survivor)
    assert levels == [("bronze", START), ("silver", MERGED_AT)]
