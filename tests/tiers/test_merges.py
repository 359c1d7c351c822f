"""Members are merged and unmerged: scores by the day, levels, old IDs; identity's events are given to lanes."""

from dataclasses import dataclass
from datetime import UTC, date, datetime
from uuid import UUID

import pytest

from services.chassis import ids
from tessera.events.v1 import event_feed_pb2, journal_pb2
from tessera.records.v1 import member_records_pb2 as records_pb
from tessera.tiers.v1 import event_pb2
from tests.support.merging import erased, merged, unmerged
from tests.support.suite import Suite
from tests.tiers.builders import Feeds, activity, at, history, ladder_document, programme, reversal, standing, summary

START = at(date(2026, 1, 1), 0)
MERGED_AT = at(date(2026, 2, 1))
UNMERGED_AT = at(date(2026, 2, 10))
ROUTINGS = [pytest.param(0, 1, id="two-partitions"), pytest.param(0, 8, id="one-partition")]


@dataclass(frozen=True, slots=True)
class One:
    """A member with two accounts."""

    feeds: Feeds
    member_id: UUID
    account_id: UUID
    other_account_id: UUID

    async def scores(self, when: datetime, amount: int, *, other: bool = False, none: bool = False) -> UUID:
        """Score through an account, through the other one, or through none."""
        activity_id = ids.new_id(ids.routing_of(self.member_id))
        account_id = None if none else self.other_account_id if other else self.account_id
        event = activity(self.member_id, when, amount, activity_id=activity_id, account_id=account_id)
        await self.feeds.points(ids.routing_of(self.member_id), [event])
        return activity_id

    async def takes_back(self, activity_id: UUID, earned_at: datetime, back_at: datetime, amount: int) -> None:
        """An activity of the first account comes back."""
        events = reversal(self.member_id, activity_id, earned_at, back_at, amount, account_id=self.account_id)
        await self.feeds.points(ids.routing_of(self.member_id), events)


async def one(feeds: Feeds, routing: int) -> One:
    """A new member."""
    member_id = await feeds.enrol(START, routing)
    return One(feeds, member_id, ids.new_id(routing), ids.new_id(routing))


async def told(suite: Suite, member_id: UUID) -> list[tuple[str, int]]:
    """The levels that were told of a member, and the score that decided each."""
    partition = ids.routing_of(member_id) & 7
    request = event_feed_pb2.ReadRequest(cursors=[event_feed_pb2.Cursor(partition=partition)], max_records=1000)
    found = []
    for record in (await suite.feed("tiers").Read(request)).records:
        for raw in journal_pb2.Journal.FromString(record.payload).events:
            changed = event_pb2.Event.FromString(raw).standing_changed
            if changed.member_id == member_id.bytes:
                found.append((changed.level, changed.score))
    return found


async def scored(suite: Suite) -> int:
    """The sum of all scores of all members."""
    pool = suite.running["tiers"].platform.pool
    return int(await pool.fetchval("SELECT coalesce(sum(amount), 0)::bigint FROM scores"))


def text(member_id: UUID) -> str:
    return ids.encode("member", member_id)


@pytest.mark.parametrize(("first", "second"), ROUTINGS)
async def test_scores_are_united_by_the_day(suite: Suite, feeds: Feeds, first: int, second: int) -> None:
    survivor, other = await one(feeds, first), await one(feeds, second)
    await survivor.scores(at(date(2026, 1, 10)), 60)
    await other.scores(at(date(2026, 1, 10)), 70)
    await other.scores(at(date(2026, 1, 20)), 180)
    await suite.advance(MERGED_AT)
    await feeds.identity_group(merged(survivor.member_id, other.member_id, MERGED_AT, [other.account_id]))
    for each in (survivor, other):
        now = await standing(suite, each.member_id)
        assert (now.level, now.score) == ("gold", 310)
        # 130 of it leave the window of 90 days first, with the tenth of January.
        assert now.valid_until.ToDatetime(UTC) == at(date(2026, 4, 11), 0)
    assert await told(suite, survivor.member_id) == [("gold", 310)]
    # Before the merge everything is as it was.
    before = await standing(suite, survivor.member_id, effective_at=at(date(2026, 1, 31)))
    assert (before.level, before.score) == ("bronze", 60)
    assert await history(suite, survivor.member_id) == [("bronze", START), ("gold", MERGED_AT)]
    assert await history(suite, other.member_id) == [("bronze", START), ("gold", MERGED_AT)]
    assert await scored(suite) == 310
    assert (await summary(suite))[0] == {"bronze": 0, "silver": 0, "gold": 1, "platinum": 0}


async def test_e68_the_higher_old_level_is_kept_until_the_next_evaluation(suite: Suite, feeds: Feeds) -> None:
    survivor, other = await one(feeds, 0), await one(feeds, 1)
    earned_at = at(date(2026, 1, 20))
    activity_id = await other.scores(earned_at, 320)
    # Gold is kept until the next evaluation, whatever is taken back.
    await suite.advance(at(date(2026, 2, 1), 1))
    await other.takes_back(activity_id, earned_at, at(date(2026, 2, 1), 1), 200)
    await survivor.scores(at(date(2026, 1, 21)), 50)
    await feeds.identity_group(merged(survivor.member_id, other.member_id, MERGED_AT, [other.account_id]))
    now = await standing(suite, survivor.member_id)
    assert (now.level, now.score, now.level_if_idle) == ("gold", 170, "silver")
    assert now.valid_until.ToDatetime(UTC) == at(date(2026, 2, 2), 0)
    await suite.advance(at(date(2026, 2, 2), 1))
    assert (await standing(suite, other.member_id)).level == "silver"
    assert await told(suite, survivor.member_id) == [("gold", 170), ("silver", 170)]


async def test_what_comes_to_an_old_id_counts_for_the_survivor(suite: Suite, feeds: Feeds) -> None:
    survivor, other = await one(feeds, 0), await one(feeds, 1)
    earned_at = at(date(2026, 1, 20))
    activity_id = await other.scores(earned_at, 90)
    await feeds.identity_group(merged(survivor.member_id, other.member_id, MERGED_AT, [other.account_id]))
    await other.scores(at(date(2026, 2, 3)), 20)
    assert (await standing(suite, survivor.member_id, effective_at=at(date(2026, 2, 3)))).level == "silver"
    await other.takes_back(activity_id, earned_at, at(date(2026, 2, 4)), 90)
    assert (await standing(suite, survivor.member_id)).score == 20
    assert await scored(suite) == 20


async def test_what_is_learnt_late_of_the_time_before_a_merge_acts_from_it_on(suite: Suite, feeds: Feeds) -> None:
    survivor, other = await one(feeds, 0), await one(feeds, 1)
    await survivor.scores(at(date(2026, 1, 20)), 60)
    await suite.advance(at(date(2026, 2, 3)))
    await feeds.identity_group(merged(survivor.member_id, other.member_id, MERGED_AT, [other.account_id]))
    await survivor.scores(at(date(2026, 1, 10)), 60)
    assert await history(suite, survivor.member_id) == [("bronze", START), ("silver", at(date(2026, 2, 3), 0))]


@pytest.mark.parametrize(("first", "second"), ROUTINGS)
async def test_an_unmerge_gives_back_what_came_through_the_accounts(
    suite: Suite, feeds: Feeds, first: int, second: int
) -> None:
    survivor, other = await one(feeds, first), await one(feeds, second)
    await survivor.scores(at(date(2026, 1, 10)), 110)
    await other.scores(at(date(2026, 1, 12)), 70)
    await other.scores(at(date(2026, 1, 12)), 40, none=True)
    await suite.advance(at(date(2026, 2, 10), 1))
    accounts = [other.account_id, other.other_account_id]
    await feeds.identity_group(merged(survivor.member_id, other.member_id, MERGED_AT, accounts))
    # Since the merge: through an account of either, and through none.
    own = One(feeds, survivor.member_id, other.account_id, survivor.account_id)
    await own.scores(at(date(2026, 2, 5)), 200)
    await own.scores(at(date(2026, 2, 5)), 10, other=True)
    await own.scores(at(date(2026, 2, 5)), 5, none=True)
    assert (await standing(suite, survivor.member_id)).score == 435
    await feeds.identity_group(unmerged(survivor.member_id, other.member_id, UNMERGED_AT, accounts))
    assert (await standing(suite, survivor.member_id)).score == 125
    assert (await standing(suite, other.member_id)).score == 310
    assert [level for level, _ in await history(suite, survivor.member_id)] == ["bronze", "silver", "gold", "silver"]
    assert [level for level, _ in await history(suite, other.member_id)] == ["bronze", "silver", "gold"]
    assert (await told(suite, other.member_id))[-1] == ("gold", 310)
    assert await scored(suite) == 435
    # Both before the merge: as it was recorded then.
    before = await standing(suite, other.member_id, effective_at=at(date(2026, 1, 31)))
    assert (before.level, before.score) == ("silver", 110)
    # A refund of what was bought since counts for whose the account is.
    await own.takes_back(ids.new_id(first), at(date(2026, 2, 5)), at(date(2026, 2, 11)), 200)
    assert (await standing(suite, survivor.member_id)).score == 125
    assert (await standing(suite, other.member_id)).score == 110


async def test_e71_a_partial_unmerge_moves_one_account_and_the_last_one_the_rest(suite: Suite, feeds: Feeds) -> None:
    survivor, other = await one(feeds, 0), await one(feeds, 1)
    await other.scores(at(date(2026, 1, 12)), 120)
    await other.scores(at(date(2026, 1, 12)), 30, other=True)
    await other.scores(at(date(2026, 1, 13)), 7, none=True)
    await suite.advance(at(date(2026, 2, 10), 1))
    accounts = [other.account_id, other.other_account_id]
    await feeds.identity_group(merged(survivor.member_id, other.member_id, MERGED_AT, accounts))
    await feeds.identity_group(
        unmerged(survivor.member_id, other.member_id, UNMERGED_AT, [other.account_id], whole=False)
    )
    assert [(await standing(suite, each.member_id)).score for each in (survivor, other)] == [37, 120]
    # What comes to the member through the account that stays is the survivor's.
    await other.scores(at(date(2026, 2, 10), 13), 3, other=True)
    assert [(await standing(suite, each.member_id)).score for each in (survivor, other)] == [40, 120]
    await feeds.identity_group(
        unmerged(survivor.member_id, other.member_id, UNMERGED_AT, [other.other_account_id], whole=True)
    )
    assert [(await standing(suite, each.member_id)).score for each in (survivor, other)] == [0, 160]
    assert [(await standing(suite, each.member_id)).level for each in (survivor, other)] == ["bronze", "silver"]
    # And merged again.
    again_at = at(date(2026, 2, 11))
    await feeds.identity_group(merged(survivor.member_id, other.member_id, again_at, accounts))
    assert (await standing(suite, other.member_id)).score == 160
    await feeds.identity_group(unmerged(survivor.member_id, other.member_id, at(date(2026, 2, 12)), accounts))
    assert [(await standing(suite, each.member_id)).score for each in (survivor, other)] == [0, 160]


async def test_e72_a_chain_leads_to_the_last_in_one_hop(suite: Suite, feeds: Feeds) -> None:
    a, b, c = [await one(feeds, routing) for routing in (0, 1, 2)]
    for each, amount in ((a, 100), (b, 20), (c, 3)):
        await each.scores(at(date(2026, 1, 12)), amount)
        await each.scores(at(date(2026, 1, 12)), amount, none=True)
    await suite.advance(at(date(2026, 2, 10), 1))
    await feeds.identity_group(merged(b.member_id, a.member_id, MERGED_AT, [a.account_id]))
    await feeds.identity_group(
        merged(c.member_id, b.member_id, at(date(2026, 2, 2)), [b.account_id, a.account_id], [a.member_id])
    )
    assert [(await standing(suite, each.member_id)).score for each in (a, b, c)] == [246, 246, 246]
    await a.scores(at(date(2026, 2, 3)), 1000)
    assert [(await standing(suite, each.member_id)).score for each in (a, b, c)] == [1246, 1246, 1246]
    # A out of C, then B.
    await feeds.identity_group(unmerged(c.member_id, a.member_id, UNMERGED_AT, [a.account_id]))
    assert [(await standing(suite, each.member_id)).score for each in (a, b, c)] == [1200, 46, 46]
    await feeds.identity_group(unmerged(c.member_id, b.member_id, UNMERGED_AT, [b.account_id]))
    assert [(await standing(suite, each.member_id)).score for each in (a, b, c)] == [1200, 40, 6]


async def test_e72_who_leaves_a_chain_takes_along_who_had_been_merged_into_it(suite: Suite, feeds: Feeds) -> None:
    a, b, c = [await one(feeds, routing) for routing in (0, 1, 2)]
    for each, amount in ((a, 100), (b, 20), (c, 3)):
        await each.scores(at(date(2026, 1, 12)), amount, none=True)
    await feeds.identity_group(merged(b.member_id, a.member_id, MERGED_AT, [a.account_id]))
    both = [b.account_id, a.account_id]
    await feeds.identity_group(merged(c.member_id, b.member_id, at(date(2026, 2, 2)), both, [a.member_id]))
    await feeds.identity_group(unmerged(c.member_id, b.member_id, UNMERGED_AT, both, [a.member_id]))
    assert [(await standing(suite, each.member_id)).score for each in (a, b, c)] == [120, 120, 3]
    await feeds.identity_group(unmerged(b.member_id, a.member_id, at(date(2026, 2, 11)), [a.account_id]))
    assert [(await standing(suite, each.member_id)).score for each in (a, b, c)] == [100, 20, 3]


async def test_evaluations_leave_a_merged_member_alone(suite: Suite, feeds: Feeds) -> None:
    survivor, other = await one(feeds, 0), await one(feeds, 1)
    await other.scores(at(date(2026, 1, 12)), 120)
    await feeds.identity_group(merged(survivor.member_id, other.member_id, MERGED_AT, [other.account_id]))
    # A new definition looks at everybody, and the score leaves the window.
    await suite.publish("tiers", programme(), ladder_document(levels={"bronze": 0, "silver": 50}))
    await suite.advance(at(date(2026, 6, 1)))
    assert await told(suite, other.member_id) == [("silver", 120)]
    assert [level for level, _ in await told(suite, survivor.member_id)] == ["silver", "bronze"]


async def test_nobody_scores_after_an_erasure(suite: Suite, feeds: Feeds) -> None:
    member = await one(feeds, 0)
    await member.scores(at(date(2026, 1, 12)), 120)
    preview = await suite.records("tiers").PreviewErasure(
        records_pb.PreviewErasureRequest(member_id=text(member.member_id))
    )
    assert [(effect.code, dict(effect.details)) for effect in preview.effects] == [
        ("STANDING_ENDS", {"ladder": "shopper", "level": "silver"})
    ]
    assert not preview.blockers
    await feeds.identity_group(erased(member.member_id, MERGED_AT))
    await member.scores(at(date(2026, 2, 12)), 500)
    await suite.advance(at(date(2026, 6, 1)))
    assert await told(suite, member.member_id) == [("silver", 120)]
    assert await scored(suite) == 120
    assert (await summary(suite))[0] == {"bronze": 0, "silver": 0, "gold": 0, "platinum": 0}


async def test_a_preview_tells_what_then_happens(suite: Suite, feeds: Feeds) -> None:
    survivor, other = await one(feeds, 0), await one(feeds, 1)
    await survivor.scores(at(date(2026, 1, 10)), 60)
    await other.scores(at(date(2026, 1, 10)), 250)
    await suite.advance(MERGED_AT)
    stub = suite.records("tiers")
    request = records_pb.PreviewMergeRequest(survivor_id=text(survivor.member_id), merged_id=text(other.member_id))
    effects = (await stub.PreviewMerge(request)).effects
    assert [(effect.code, dict(effect.details)) for effect in effects] == [
        (
            "SCORE_UNITED",
            {
                "unit": "score",
                "amount": "250",
                "days": "1",
                "from_member_id": text(other.member_id),
                "to_member_id": text(survivor.member_id),
            },
        ),
        (
            "LEVEL_CHANGED",
            {
                "member_id": text(survivor.member_id),
                "ladder": "shopper",
                "previous_level": "bronze",
                "level": "gold",
                "score": "310",
                "valid_until": "2026-04-10T16:00:00Z",
            },
        ),
    ]
    assert [(await standing(suite, each.member_id)).score for each in (survivor, other)] == [60, 250]
    await feeds.identity_group(merged(survivor.member_id, other.member_id, MERGED_AT, [other.account_id]))
    assert (await stub.PreviewMerge(request)).effects == []
    unmerge = records_pb.PreviewUnmergeRequest(
        merge_id=ids.encode("merge", ids.new_id(0)),
        holder_id=text(survivor.member_id),
        member_id=text(other.member_id),
        account_ids=[ids.encode("account", other.account_id)],
        whole=True,
    )
    given = (await stub.PreviewUnmerge(unmerge)).effects
    assert [effect.code for effect in given] == ["SCORE_GIVEN_BACK", "LEVEL_CHANGED", "LEVEL_KEPT"]
    assert [effect.details["level"] for effect in given[1:]] == ["bronze", "silver"]
    assert (await standing(suite, survivor.member_id)).level == "gold"


async def test_an_export_has_all_rows_of_a_person(suite: Suite, feeds: Feeds) -> None:
    survivor, other = await one(feeds, 0), await one(feeds, 1)
    await other.scores(at(date(2026, 1, 10)), 250)
    await feeds.identity_group(merged(survivor.member_id, other.member_id, MERGED_AT, [other.account_id]))
    request = records_pb.ExportMemberRequest(member_id=text(other.member_id))
    found = [record async for record in suite.records("tiers").ExportMember(request)]
    assert {record.service for record in found} == {"tiers"}
    kinds = [record.kind for record in found]
    assert {kind: kinds.count(kind) for kind in kinds} == {"links": 2, "members": 2, "scores": 2, "standings": 2}


async def test_a_member_that_was_never_heard_of_has_no_records(suite: Suite, feeds: Feeds) -> None:
    member = await one(feeds, 0)
    unknown = records_pb.PreviewMergeRequest(survivor_id=text(member.member_id), merged_id=text(ids.new_id(3)))
    assert [effect.code for effect in (await suite.records("tiers").PreviewMerge(unknown)).effects] == ["LEVEL_KEPT"]
