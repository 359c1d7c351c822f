"""Standings as callers see them: scores come by the feed of points, time passes, reads are right before any job."""

from datetime import UTC, date, datetime, timedelta

import pytest

from services.chassis import ids
from services.chassis.instants import timestamp
from tessera.errors import error_of_status
from tessera.tiers.v1 import tiers_service_pb2 as pb
from tests.support.refusals import refusal_of
from tests.support.suite import Suite, start_suite
from tests.tiers.builders import (
    NEW_YORK,
    Feeds,
    at,
    enrolled,
    history,
    ladder_document,
    new_member,
    programme,
    reversal,
    standing,
    summary,
    suspended,
)
from tests.tiers.builders import activity as activity_event

JAN_1 = date(2026, 1, 1)
START = at(JAN_1, 0)


async def test_a_member_who_never_did_anything_stands_on_the_lowest_level_since_the_enrolment(
    suite: Suite, feeds: Feeds
) -> None:
    member = await feeds.enrol(at(JAN_1, 9))
    found = await standing(suite, member)
    assert (found.ladder, found.level, found.rank, found.score) == ("shopper", "bronze", 0, 0)
    assert found.since.ToDatetime(UTC) == at(JAN_1, 9)
    assert not found.HasField("valid_until")
    assert found.level_if_idle == "bronze"
    assert (found.progress.next_level, found.progress.unit) == ("silver", "score")
    assert (found.progress.needed, found.progress.missing) == (100, 100)


async def test_a_score_raises_the_level_at_once_from_the_activity_on(suite: Suite, feeds: Feeds) -> None:
    member = await feeds.enrol(START)
    await suite.advance(at(JAN_1, 18))
    await feeds.score(member, at(JAN_1, 10), 60)
    await feeds.score(member, at(JAN_1, 11), 60)
    found = await standing(suite, member)
    assert (found.level, found.score, found.since.ToDatetime(UTC)) == ("silver", 120, at(JAN_1, 11))
    assert found.valid_until.ToDatetime(UTC) == at(date(2026, 4, 2), 0)
    assert (found.progress.next_level, found.progress.missing) == ("gold", 180)
    assert await history(suite, member) == [("bronze", START), ("silver", at(JAN_1, 11))]


async def test_the_highest_level_has_nothing_to_progress_to(suite: Suite, feeds: Feeds) -> None:
    member = await feeds.enrol(START)
    await feeds.score(member, START, 1000)
    found = await standing(suite, member)
    assert found.level == "platinum"
    assert not found.HasField("progress")


async def test_a_level_falls_at_midnight_when_the_window_has_moved_on(suite: Suite, feeds: Feeds) -> None:
    member = await feeds.enrol(START)
    await feeds.score(member, at(JAN_1), 350)
    await feeds.score(member, at(date(2026, 1, 1), 13), 0)
    await suite.advance(at(date(2026, 2, 1)))
    await feeds.score(member, at(date(2026, 2, 1)), 150)
    await suite.advance(at(date(2026, 4, 2), 0))
    assert (await standing(suite, member)).level == "silver"
    await suite.advance(at(date(2026, 6, 1)))
    assert await history(suite, member) == [
        ("bronze", START),
        ("gold", at(JAN_1)),
        ("silver", at(date(2026, 4, 2), 0)),
        ("bronze", at(date(2026, 5, 3), 0)),
    ]
    assert await summary(suite) == ({"bronze": 1, "silver": 0, "gold": 0, "platinum": 0}, 1, 2)


async def test_reads_are_right_before_the_evaluation_has_run(suite: Suite, feeds: Feeds) -> None:
    """The time of a read may be past an evaluation that has not run: `effective_at` ahead of the clock shows it."""
    member = await feeds.enrol(START)
    await feeds.score(member, at(JAN_1), 350)
    before = await standing(suite, member, at(date(2026, 4, 1), 23))
    assert (before.level, before.level_if_idle) == ("gold", "bronze")
    after = await standing(suite, member, at(date(2026, 4, 2), 0))
    assert (after.level, after.since.ToDatetime(UTC)) == ("bronze", at(date(2026, 4, 2), 0))
    assert not after.HasField("valid_until")


async def test_the_population_is_counted_right_before_the_evaluation_has_run(suite: Suite, feeds: Feeds) -> None:
    members = [await feeds.enrol(START, routing) for routing in range(3)]
    await feeds.score(members[0], at(JAN_1), 350)
    await _without_jobs(suite, at(date(2026, 4, 2), 1))
    assert await summary(suite) == ({"bronze": 3, "silver": 0, "gold": 0, "platinum": 0}, 1, 1)
    assert (await standing(suite, members[0])).level == "bronze"


async def _without_jobs(suite: Suite, to: datetime) -> None:
    """Let the clock stand later although nothing has run, as it does for an instant on every real clock."""
    await suite.running["tiers"].platform.pool.execute("UPDATE clock SET now = $1", to)


async def test_the_past_is_answered_as_it_was(suite: Suite, feeds: Feeds) -> None:
    member = await feeds.enrol(START)
    await feeds.score(member, at(JAN_1, 10), 60)
    await feeds.score(member, at(JAN_1, 11), 60)
    await suite.advance(at(date(2026, 1, 20)))
    await feeds.score(member, at(date(2026, 1, 20)), 300)
    early = await standing(suite, member, at(JAN_1, 10, 30))
    assert (early.level, early.score, early.progress.missing) == ("bronze", 60, 40)
    later = await standing(suite, member, at(date(2026, 1, 19)))
    assert (later.level, later.score, later.since.ToDatetime(UTC)) == ("silver", 120, at(JAN_1, 11))
    assert later.valid_until.ToDatetime(UTC) == at(date(2026, 1, 20))


async def test_e21_the_zone_of_the_programme_decides_when_a_level_ends(feeds: Feeds, suite: Suite) -> None:
    """15:59:59Z is still the old day in Shanghai, 16:00:00Z is the new one, wherever the member is."""
    member = await feeds.enrol(START)
    await feeds.score(member, at(JAN_1), 350)
    await suite.advance(at(date(2026, 4, 3)))
    assert (await standing(suite, member, datetime.fromisoformat("2026-04-01T15:59:59Z"))).level == "gold"
    assert (await standing(suite, member, datetime.fromisoformat("2026-04-01T16:00:00Z"))).level == "bronze"


async def test_a_score_counts_on_its_civil_day(suite: Suite, feeds: Feeds) -> None:
    """One second before midnight in Shanghai it leaves the window a day earlier than one second later."""
    early, late = await feeds.enrol(START), await feeds.enrol(START)
    await suite.advance(at(date(2026, 1, 2)))
    await feeds.score(early, datetime.fromisoformat("2026-01-01T15:59:59Z"), 100)
    await feeds.score(late, datetime.fromisoformat("2026-01-01T16:00:00Z"), 100)
    ends = [(await standing(suite, member)).valid_until.ToDatetime(UTC) for member in (early, late)]
    assert ends == [at(date(2026, 4, 2), 0), at(date(2026, 4, 3), 0)]


async def test_midnight_follows_daylight_saving_time() -> None:
    async with start_suite("tiers", clock_start=at(date(2026, 3, 1), 0, zone=NEW_YORK)) as suite:
        document = ladder_document(window={"days": 7})
        await suite.publish("tiers", programme(zone=NEW_YORK), document)
        feeds = Feeds(suite)
        member = await feeds.enrol(at(date(2026, 3, 1), 0, zone=NEW_YORK))
        await feeds.score(member, at(date(2026, 3, 1), 12, zone=NEW_YORK), 100)
        await suite.advance(datetime.fromisoformat("2026-03-09T03:59:59Z"))
        assert (await standing(suite, member)).level == "silver"
        await suite.advance(datetime.fromisoformat("2026-03-09T04:00:00Z"))
        assert (await standing(suite, member)).level == "bronze"


async def test_a_reversed_activity_counts_no_more_on_the_day_on_which_it_counted(suite: Suite, feeds: Feeds) -> None:
    member = await feeds.enrol(START)
    bought = ids.derived(member, 9)
    await feeds.points(0, [activity_event(member, at(JAN_1), 350, activity_id=bought)])
    await suite.advance(at(date(2026, 3, 20)))
    await feeds.points(0, reversal(member, bought, at(JAN_1), at(date(2026, 3, 20)), 350))
    found = await standing(suite, member)
    assert (found.level, found.score, found.level_if_idle) == ("gold", 0, "bronze")
    await suite.advance(at(date(2026, 3, 21), 0))
    assert (await standing(suite, member)).level == "bronze"
    await feeds.score(member, at(date(2026, 3, 21), 0), 100)
    assert (await standing(suite, member)).level == "silver"
    assert (await standing(suite, member, at(date(2026, 5, 1)))).score == 100


async def test_what_is_taken_back_of_points_that_are_no_score_does_not_concern_tiers(
    suite: Suite, feeds: Feeds
) -> None:
    member = await feeds.enrol(START)
    await feeds.points(0, [activity_event(member, at(JAN_1), 350, unit="other-score")])
    await feeds.points(0, reversal(member, new_member(), at(JAN_1), at(JAN_1, 13), 350))
    rows = await suite.running["tiers"].platform.pool.fetch("SELECT unit, amount FROM scores")
    assert [tuple(row) for row in rows] == [("other-score", 350)]


async def test_suspended_members_can_still_be_read(suite: Suite, feeds: Feeds) -> None:
    member = await feeds.enrol(START)
    await feeds.identity(0, [suspended(member, at(JAN_1))])
    assert (await standing(suite, member)).level == "bronze"


async def test_a_score_may_come_before_the_enrolment_that_another_feed_brings(suite: Suite, feeds: Feeds) -> None:
    member = new_member()
    await feeds.score(member, START + timedelta(seconds=1), 100)
    info = await refusal_of(standing(suite, member))
    assert (info.reason, info.domain) == ("MEMBER_UNKNOWN", "tiers.tessera")
    await feeds.identity(0, [enrolled(member, START)])
    assert (await standing(suite, member)).level == "silver"


async def test_an_unknown_ladder_is_refused(suite: Suite, feeds: Feeds) -> None:
    member = await feeds.enrol(START)
    assert (await refusal_of(standing(suite, member, ladder="nope"))).reason == "LADDER_UNKNOWN"
    summary_of_nope = suite.tiers.GetLadderSummary(pb.GetLadderSummaryRequest(ladder="nope"))
    assert (await refusal_of(summary_of_nope)).reason == "LADDER_UNKNOWN"
    text = ids.encode("member", member)
    listed = suite.tiers.ListStandings(pb.ListStandingsRequest(member_id=text, ladder="nope"))
    assert (await refusal_of(listed)).reason == "LADDER_UNKNOWN"


@pytest.mark.parametrize("text", ["1970-01-01T00:00:00Z", "9998-12-31T23:59:59Z"])
async def test_any_time_that_can_be_asked_for_is_answered(suite: Suite, feeds: Feeds, text: str) -> None:
    await suite.publish("tiers", ladder_document("long", window={"months": 120}, evaluation="monthly"))
    member = await feeds.enrol(START)
    await feeds.score(member, START, 700)
    for ladder in ("shopper", "long"):
        found = await standing(suite, member, datetime.fromisoformat(text), ladder=ladder)
        assert (found.level, found.score) == ("bronze", 0)


async def test_other_times_are_refused(suite: Suite, feeds: Feeds) -> None:
    member = await feeds.enrol(START)
    info = await refusal_of(standing(suite, member, datetime(9999, 1, 1, tzinfo=UTC)))
    assert (info.reason, dict(info.metadata)) == ("TIME_OUT_OF_RANGE", {"field": "effective_at"})


async def test_in_a_bulk_read_each_item_has_its_own_answer(suite: Suite, feeds: Feeds) -> None:
    members = [await feeds.enrol(START, routing) for routing in range(10)]
    for number, member in enumerate(members):
        await feeds.score(member, START, 70 * number)
    texts = [ids.encode("member", member) for member in members]
    request = pb.BulkGetStandingsRequest(requests=[pb.GetStandingRequest(member_id=text) for text in texts])
    request.requests.add(member_id=ids.encode("member", new_member()))
    request.requests.add(member_id="nobody")
    request.requests.add(member_id=texts[9], ladder="nope")
    request.requests.add(member_id=texts[9], effective_at=timestamp(START - timedelta(hours=1)))
    results = (await suite.tiers.BulkGetStandings(request)).results
    levels = [result.response.standings[0].level for result in results[:10]]
    assert levels == ["bronze"] * 2 + ["silver"] * 3 + ["gold"] * 4 + ["platinum"]
    reasons = [error_of_status(result.error).reason for result in results[10:13]]
    assert reasons == ["MEMBER_UNKNOWN", "INVALID_REQUEST", "LADDER_UNKNOWN"]
    assert results[13].response.standings[0].level == "bronze"


async def test_a_history_is_read_in_pages_and_begins_with_the_enrolment(suite: Suite, feeds: Feeds) -> None:
    member = await feeds.enrol(START)
    for day, amount in ((1, 100), (2, 200), (3, 300)):
        await suite.advance(at(date(2026, 1, day)))
        await feeds.score(member, at(date(2026, 1, day)), amount)
    for size in (1, 2, 3, 4, 5):
        request = pb.ListStandingsRequest(member_id=ids.encode("member", member), ladder="shopper", page_size=size)
        intervals, pages = [], 0
        while True:
            answer = await suite.tiers.ListStandings(request)
            intervals += answer.intervals
            pages += 1
            if not answer.next_page_token:
                break
            request.page_token = answer.next_page_token
        assert [interval.level for interval in intervals] == ["platinum", "gold", "silver", "bronze"]
        assert pages == -(-4 // size)
        starts = [interval.effective_from for interval in intervals]
        assert [interval.effective_to for interval in intervals[1:]] == starts[:-1]
        assert not intervals[0].HasField("effective_to")


async def test_several_ladders_climb_by_the_same_score(suite: Suite, feeds: Feeds) -> None:
    strict = ladder_document("strict", window={"days": 2}, levels={"out": 0, "in": 50}, falling="at-once")
    await suite.publish("tiers", strict)
    member = await feeds.enrol(START)
    await feeds.score(member, at(JAN_1), 120)
    request = pb.GetStandingRequest(member_id=ids.encode("member", member))
    found = (await suite.tiers.GetStanding(request)).standings
    assert {item.ladder: item.level for item in found} == {"shopper": "silver", "strict": "in"}
    await suite.advance(at(date(2026, 1, 4), 0))
    found = (await suite.tiers.GetStanding(request)).standings
    assert {item.ladder: item.level for item in found} == {"shopper": "silver", "strict": "out"}


async def test_on_the_highest_level_that_holds_from_when_it_is_recorded_time_and_what_is_taken_back_still_count(
    suite: Suite, feeds: Feeds
) -> None:
    """Nothing that is earned there can move the member; a fall that is due, and a reversal, do."""
    await suite.publish("tiers", ladder_document(rises_from="recording", falling="at-once"))
    member = await feeds.enrol(START)
    activity_id = ids.derived(member, 7)
    await suite.advance(at(JAN_1, 18))
    await feeds.score(member, at(JAN_1), 650)
    await suite.advance(at(date(2026, 2, 1)))
    await feeds.points(0, [activity_event(member, at(date(2026, 2, 1)), 300, activity_id=activity_id)])
    assert (await standing(suite, member)).level == "platinum"
    # 00:00 of the second of April has come, and no evaluation was made.
    pool = suite.running["tiers"].platform.pool
    await pool.execute("UPDATE clock SET now = $1", at(date(2026, 4, 2)))
    await feeds.points(0, [activity_event(member, at(date(2026, 3, 31)), 10)])
    fallen = [("bronze", START), ("platinum", at(JAN_1, 18)), ("gold", at(date(2026, 4, 2), 0))]
    assert await history(suite, member) == fallen
    await feeds.points(0, [activity_event(member, at(date(2026, 4, 2), 13), 400)])
    assert (await standing(suite, member)).level == "platinum"
    taken_back = reversal(member, activity_id, at(date(2026, 2, 1)), at(date(2026, 4, 2), 14), 300)
    await feeds.points(0, [activity_event(member, at(date(2026, 4, 2), 14), 5)], taken_back)
    assert (await standing(suite, member)).level == "gold"
