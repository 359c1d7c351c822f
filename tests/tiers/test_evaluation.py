"""Evaluations: who is looked at, what a changed ladder does, and that running twice or late makes no difference."""

from datetime import UTC, date, datetime
from typing import Any

import pytest

from services.chassis import ids
from services.tiers import commands, evaluation, jobs, loading
from tessera.tiers.v1 import tiers_service_pb2 as pb
from tests.support.suite import Suite, start_suite
from tests.tiers.builders import NEW_YORK, Feeds, activity, at, history, ladder_document, programme, standing, summary

JAN_1 = date(2026, 1, 1)
START = at(JAN_1, 0)
YEN = {"bronze": 0, "silver": 50, "gold": 100}


async def rows_of(suite: Suite, table: str) -> list[tuple[Any, ...]]:
    """Everything in a table."""
    rows = await suite.running["tiers"].platform.pool.fetch(f"SELECT * FROM {table} ORDER BY 1, 2, 3, 4")
    return [tuple(row) for row in rows]


async def test_a_ladder_published_after_the_scores_takes_everybody_up_at_its_first_evaluation(
    suite: Suite, feeds: Feeds
) -> None:
    members = [await feeds.enrol(START, routing) for routing in range(8)]
    for number, member in enumerate(members):
        await feeds.score(member, at(JAN_1), 20 * number)
    await suite.publish("tiers", ladder_document("yen", levels=YEN))
    assert await summary(suite, "yen") == ({"bronze": 8, "silver": 0, "gold": 0}, 0, 0)
    await suite.advance(at(date(2026, 1, 2), 0))
    assert await summary(suite, "yen") == ({"bronze": 3, "silver": 2, "gold": 3}, 5, 0)
    taken_up = [("bronze", START), ("gold", at(date(2026, 1, 2), 0))]
    assert await history(suite, members[7], "yen") == taken_up
    await feeds.score(members[7], at(JAN_1, 13), 20)
    assert await history(suite, members[7], "yen") == taken_up


async def test_scores_are_kept_before_any_ladder_names_their_unit() -> None:
    async with start_suite("tiers", clock_start=START) as suite:
        feeds = Feeds(suite)
        member = await feeds.enrol(START)
        await suite.publish("tiers", programme(zone=NEW_YORK))
        # Still 31 December in New York: the day is that of the only programme.
        await feeds.score(member, START, 100)
        await suite.publish("tiers", ladder_document(window={"days": 1}))
        await suite.advance(at(JAN_1, 0, zone=NEW_YORK))
        assert await history(suite, member) == [("bronze", START), ("silver", at(JAN_1, 0, zone=NEW_YORK))]


async def test_a_changed_ladder_raises_and_lowers_at_its_first_evaluation(suite: Suite, feeds: Feeds) -> None:
    member, other = await feeds.enrol(START), await feeds.enrol(START)
    await feeds.score(member, at(JAN_1), 350)
    await feeds.score(other, at(JAN_1), 70)
    await suite.publish("tiers", ladder_document(levels={"bronze": 0, "silver": 50, "gold": 400, "platinum": 900}))
    assert (await standing(suite, member)).level == "gold"
    await suite.advance(at(date(2026, 1, 2), 0))
    assert (await standing(suite, member)).level == "silver"
    assert (await standing(suite, other)).level == "silver"
    assert (await standing(suite, member)).valid_until.ToDatetime(UTC) == at(date(2026, 4, 2), 0)
    await suite.advance(at(date(2026, 4, 2), 0))
    assert await summary(suite) == ({"bronze": 2, "silver": 0, "gold": 0, "platinum": 0}, 2, 3)


async def test_a_late_score_does_not_change_what_another_definition_decided(suite: Suite, feeds: Feeds) -> None:
    member = await feeds.enrol(START)
    await feeds.score(member, at(JAN_1), 350)
    await suite.advance(at(date(2026, 1, 3)))
    await suite.publish("tiers", ladder_document(levels={"bronze": 0, "silver": 300, "gold": 1000}))
    await suite.advance(at(date(2026, 1, 5)))
    decided = [("bronze", START), ("gold", at(JAN_1)), ("silver", at(date(2026, 1, 4), 0))]
    assert await history(suite, member) == decided
    await feeds.score(member, at(JAN_1, 13), 700)
    levels = [*decided[:-1], ("silver", at(date(2026, 1, 4), 0)), ("gold", at(date(2026, 1, 4), 0))]
    assert await history(suite, member) == levels


async def test_a_level_that_is_renamed_is_told_by_its_new_name(suite: Suite, feeds: Feeds) -> None:
    member = await feeds.enrol(START)
    await feeds.score(member, at(JAN_1), 350)
    await suite.publish("tiers", ladder_document(levels={"bronze": 0, "silver": 100, "golden": 300, "platinum": 600}))
    assert (await standing(suite, member)).level == "golden"
    await suite.advance(at(date(2026, 1, 2), 0))
    assert (await history(suite, member))[-1] == ("golden", at(date(2026, 1, 2), 0))
    assert (await summary(suite))[1:] == (1, 0)


async def test_evaluating_again_changes_nothing(suite: Suite, feeds: Feeds) -> None:
    member = await feeds.enrol(START)
    await feeds.score(member, at(JAN_1), 350)
    await suite.advance(at(date(2026, 4, 2), 0))
    before = [await rows_of(suite, table) for table in ("standings", "evaluations", "head")]
    for _ in range(2):
        await jobs.evaluate_everybody(suite.running["tiers"].platform, at(date(2026, 4, 2), 0))
        await jobs.evaluate_everybody(suite.running["tiers"].platform, at(date(2026, 3, 2), 0))
    assert [await rows_of(suite, table) for table in ("standings", "evaluations", "head")] == before


async def test_an_evaluation_may_be_the_first_thing_that_a_service_does() -> None:
    """Its connections have then seen no answer of any kind before."""
    async with start_suite("tiers", clock_start=START) as suite:
        feeds = Feeds(suite)
        await suite.publish("tiers", programme(), ladder_document())
        member = await feeds.enrol(START)
        await feeds.score(member, at(JAN_1), 350)
        await feeds.score(member, at(date(2026, 1, 2)), 50)
        await suite.advance(at(date(2026, 4, 1), 0))
        await suite.stop("tiers")
        await suite.start("tiers")
        await suite.advance(at(date(2026, 4, 2), 0))
        assert (await standing(suite, member)).level == "bronze"


async def test_a_large_partition_is_evaluated_in_parts(
    suite: Suite, feeds: Feeds, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (commands, evaluation, loading):
        monkeypatch.setattr(module, "EVALUATED_AT_ONCE", 3)
    members = [await feeds.enrol(START) for _ in range(10)]
    for member in members:
        await feeds.score(member, at(JAN_1), 100)
    await suite.advance(at(date(2026, 1, 2), 0))
    assert await summary(suite) == ({"bronze": 0, "silver": 10, "gold": 0, "platinum": 0}, 10, 0)
    await suite.advance(at(date(2026, 4, 2), 0))
    assert await summary(suite) == ({"bronze": 10, "silver": 0, "gold": 0, "platinum": 0}, 10, 10)
    await suite.publish("tiers", ladder_document(window={"days": 200}))
    await suite.advance(at(date(2026, 4, 3), 0))
    assert await summary(suite) == ({"bronze": 0, "silver": 10, "gold": 0, "platinum": 0}, 20, 10)


async def test_an_evaluation_that_was_missed_is_made_up_at_its_own_time(suite: Suite, feeds: Feeds) -> None:
    """A score arrives after a midnight whose evaluation has not run: it is made first."""
    member = await feeds.enrol(START)
    await feeds.score(member, at(JAN_1), 100)
    await suite.running["tiers"].platform.pool.execute("UPDATE clock SET now = $1", at(date(2026, 4, 5)))
    await feeds.score(member, at(date(2026, 4, 5)), 150)
    expected = [
        ("bronze", START),
        ("silver", at(JAN_1)),
        ("bronze", at(date(2026, 4, 2), 0)),
        ("silver", at(date(2026, 4, 5))),
    ]
    assert await history(suite, member) == expected
    await suite.advance(at(date(2026, 4, 6)))
    assert await history(suite, member) == expected


async def test_a_feed_followed_from_its_beginning_gives_the_same_history(suite: Suite, feeds: Feeds) -> None:
    """Nothing was evaluated in between: each score makes up for what it finds, and the next evaluation for the rest."""
    member = await feeds.enrol(START)
    await suite.running["tiers"].platform.pool.execute("UPDATE clock SET now = $1", at(date(2026, 12, 1)))
    days = (JAN_1, date(2026, 3, 1), date(2026, 8, 1))
    await feeds.points(
        0, *([activity(member, at(day), amount)] for day, amount in zip(days, (350, 100, 150), strict=True))
    )
    lived = [
        ("bronze", START),
        ("gold", at(JAN_1)),
        ("silver", at(date(2026, 4, 2), 0)),
        ("bronze", at(date(2026, 5, 31), 0)),
        ("silver", at(date(2026, 8, 1))),
    ]
    assert await history(suite, member) == lived
    assert (await standing(suite, member)).level == "bronze"
    await suite.advance(at(date(2026, 12, 2)))
    assert await history(suite, member) == [*lived, ("bronze", at(date(2026, 10, 31), 0))]


async def test_a_monthly_ladder_is_evaluated_on_the_first_of_a_month() -> None:
    async with start_suite("tiers", clock_start=START) as suite:
        monthly = ladder_document(evaluation="monthly", window={"months": 1})
        await suite.publish("tiers", programme(), monthly)
        feeds = Feeds(suite)
        member = await feeds.enrol(START)
        await feeds.score(member, at(JAN_1), 100)
        await suite.advance(at(date(2026, 2, 15)))
        # The window of 31 January begins on 1 January, that of 28 February on 29 January.
        assert (await standing(suite, member)).level == "silver"
        assert (await standing(suite, member)).level_if_idle == "bronze"
        await suite.advance(at(date(2026, 3, 1), 0))
        assert (await history(suite, member))[-1] == ("bronze", at(date(2026, 3, 1), 0))


async def test_ladders_of_programmes_in_other_zones_are_evaluated_at_their_own_midnights(suite: Suite) -> None:
    await suite.publish(
        "tiers",
        programme("grocer", zone=NEW_YORK),
        ladder_document("regular", programme="grocer", unit="visits", window={"days": 1}),
    )
    feeds = Feeds(suite)
    member = await feeds.enrol(START)
    noon = datetime.fromisoformat("2026-01-01T12:00:00-05:00")
    await suite.advance(noon)
    await feeds.points(0, [activity(member, noon, 100, unit="visits")])
    request = pb.GetStandingRequest(member_id=ids.encode("member", member), ladder="regular")
    for instant, level in (("2026-01-03T04:59:59Z", "silver"), ("2026-01-03T05:00:00Z", "bronze")):
        await suite.advance(datetime.fromisoformat(instant))
        assert (await suite.tiers.GetStanding(request)).standings[0].level == level
