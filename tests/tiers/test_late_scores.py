"""What is learnt late: standings follow when things happened, in whatever order they are told."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from services.chassis import ids
from services.chassis.clock import from_microseconds
from services.chassis.operations import Moment
from services.tiers import evaluation, rules, scoring
from services.tiers.commands import Evaluate
from services.tiers.state import Changes, TiersState
from services.tiers.tally import Score, Tally
from services.tiers.values import Config, Entry, Ladder
from tessera.events.v1 import event_feed_pb2, journal_pb2
from tessera.tiers.v1 import event_pb2
from tests.support.suite import Suite
from tests.tiers.builders import Feeds, activity, at, history, ladder, ladder_document, standing, summary

JAN_1 = date(2026, 1, 1)
START = at(JAN_1, 0)
END = at(date(2026, 6, 1), 0)
NOBODY = UUID(int=0)


async def told(suite: Suite) -> list[tuple[str, datetime, str]]:
    """The levels that tiers has told of, since when, and from which level, in the order of telling."""
    request = event_feed_pb2.ReadRequest(cursors=[event_feed_pb2.Cursor(partition=0)])
    records = (await suite.feed("tiers").Read(request)).records
    changes = [
        event_pb2.Event.FromString(raw).standing_changed
        for record in records
        for raw in journal_pb2.Journal.FromString(record.payload).events
    ]
    return [(c.level, from_microseconds(c.effective_from_us) or START, c.previous_level) for c in changes]


async def test_a_late_activity_raises_the_level_from_its_own_time(suite: Suite, feeds: Feeds) -> None:
    member = await feeds.enrol(START)
    await suite.advance(at(date(2026, 1, 20)))
    await feeds.score(member, at(date(2026, 1, 20)), 60)
    await feeds.score(member, at(date(2026, 1, 10)), 100)
    assert await history(suite, member) == [("bronze", START), ("silver", at(date(2026, 1, 10)))]
    assert (await standing(suite, member)).score == 160


async def test_a_late_activity_moves_the_rise_that_it_helped_to(suite: Suite, feeds: Feeds) -> None:
    """Three times 60: the second activity is the rise once the one before it is known."""
    member = await feeds.enrol(START)
    await suite.advance(at(date(2026, 1, 20)))
    await feeds.score(member, at(date(2026, 1, 10)), 60)
    await feeds.score(member, at(date(2026, 1, 20)), 60)
    assert await history(suite, member) == [("bronze", START), ("silver", at(date(2026, 1, 20)))]
    await feeds.score(member, at(date(2026, 1, 5)), 60)
    assert await history(suite, member) == [("bronze", START), ("silver", at(date(2026, 1, 10)))]
    assert await summary(suite) == ({"bronze": 0, "silver": 1, "gold": 0, "platinum": 0}, 1, 0)
    assert await told(suite) == [
        ("silver", at(date(2026, 1, 20)), "bronze"),
        ("silver", at(date(2026, 1, 10)), "bronze"),
    ]


async def test_what_follows_a_change_in_the_past_is_told_again(suite: Suite, feeds: Feeds) -> None:
    member = await feeds.enrol(START)
    await feeds.score(member, at(JAN_1), 100)
    await suite.advance(at(date(2026, 3, 1)))
    await feeds.score(member, at(date(2026, 3, 1)), 200)
    before = await told(suite)
    await feeds.score(member, at(date(2026, 2, 1)), 250)
    assert (await told(suite))[len(before) :] == [("gold", at(date(2026, 2, 1)), "silver")]
    await feeds.score(member, at(date(2026, 2, 15)), 10)
    assert (await told(suite))[len(before) + 1 :] == []
    levels = [level for level, _ in await history(suite, member)]
    assert levels == ["bronze", "silver", "gold"]


async def test_a_fall_that_a_late_activity_prevents_is_taken_back(suite: Suite, feeds: Feeds) -> None:
    member = await feeds.enrol(START)
    await feeds.score(member, at(JAN_1), 100)
    await suite.advance(at(date(2026, 4, 10)))
    assert (await standing(suite, member)).level == "bronze"
    await feeds.score(member, at(date(2026, 4, 1), 23), 100)
    assert await history(suite, member) == [("bronze", START), ("silver", at(JAN_1))]
    found = await standing(suite, member)
    assert (found.level, found.since.ToDatetime(UTC)) == ("silver", at(JAN_1))
    assert found.valid_until.ToDatetime(UTC) == at(date(2026, 7, 1), 0)
    # Whoever heard of the fall hears that the level went on.
    assert (await told(suite))[-1] == ("silver", at(date(2026, 4, 2), 0), "silver")
    assert await summary(suite) == ({"bronze": 0, "silver": 1, "gold": 0, "platinum": 0}, 1, 0)


async def test_evaluations_between_a_late_rise_and_now_are_made_up(suite: Suite, feeds: Feeds) -> None:
    member = await feeds.enrol(START)
    await suite.advance(at(date(2026, 6, 1)))
    await feeds.score(member, at(date(2026, 6, 1)), 10)
    await feeds.score(member, at(date(2026, 2, 1)), 100)
    assert await history(suite, member) == [
        ("bronze", START),
        ("silver", at(date(2026, 2, 1))),
        ("bronze", at(date(2026, 5, 3), 0)),
    ]


async def test_a_late_refund_acts_when_it_is_learnt(suite: Suite, feeds: Feeds) -> None:
    member = await feeds.enrol(START)
    await feeds.score(member, at(JAN_1), 60)
    await suite.advance(at(date(2026, 1, 20)))
    await feeds.score(member, at(date(2026, 1, 20)), 60)
    await feeds.score(member, at(date(2026, 1, 10)), -50)
    assert await history(suite, member) == [("bronze", START), ("silver", at(date(2026, 1, 20)))]
    await suite.advance(at(date(2026, 1, 21), 0))
    assert (await history(suite, member))[-1] == ("bronze", at(date(2026, 1, 21), 0))


async def test_a_ladder_may_raise_from_when_a_score_is_recorded(suite: Suite, feeds: Feeds) -> None:
    await suite.publish("tiers", ladder_document(rises_from="recording"))
    member = await feeds.enrol(START)
    await suite.advance(at(date(2026, 1, 20), 23, 59))
    await feeds.points(0, [scored for day in (20, 5) for scored in [activity(member, at(date(2026, 1, day)), 60)]])
    assert await history(suite, member) == [("bronze", START), ("silver", at(date(2026, 1, 20), 23, 59))]
    # It still counts on the day on which it was earned.
    assert (await standing(suite, member)).valid_until.ToDatetime(UTC) == at(date(2026, 4, 6), 0)


class Book:
    """One member's scores and standings, decided command by command, with everything in memory."""

    def __init__(self, of: Ladder) -> None:
        self.ladder = of
        self.member_id = ids.new_id(0)
        config = Config({of.code: of}, {of.unit: (of,)}, {of.unit: of.zone}, of.zone)
        self.state = TiersState(config)
        self.state.tallies[self.member_id, of.unit] = Tally(entries=[])
        self.state.standings[self.member_id, of.code] = ()
        self.moment = Moment(END, config, 1, {0: 1}, 0)
        self.evaluate(JAN_1)

    def score(self, entry: Entry) -> None:
        changes = Changes(self.state, self.moment)
        scoring.score(changes, Score(self.member_id, self.ladder.unit, entry, takes_back=False))
        self.state.merge(changes)

    def evaluate(self, day: date) -> None:
        evaluated = self.ladder.evaluated_at(self.ladder.evaluation_from(day))
        command = Evaluate(0, self.ladder.code, evaluated, NOBODY)
        self.state.candidates[self.ladder.code, evaluated, NOBODY] = ()
        changes = Changes(self.state, self.moment)
        evaluation.evaluate(self.state, changes, command)
        self.state.merge(changes)

    def steps(self) -> list[tuple[int, datetime]]:
        """The ranks, and since when."""
        standings = self.state.standings[self.member_id, self.ladder.code]
        return [(standing.rank, standing.effective_from) for standing in standings]

    def levels(self) -> list[tuple[int, datetime]]:
        """The ranks that lasted, and since when."""
        standings = self.state.standings[self.member_id, self.ladder.code]
        spans = [(s.rank, s.effective_from) for s in standings if s.effective_from != s.effective_to]
        return [span for before, span in zip([(0, START), *spans], spans, strict=False) if before[0] != span[0]]

    def check(self) -> None:
        """Intervals follow each other without gap or overlap, and the last one lasts."""
        standings = self.state.standings[self.member_id, self.ladder.code]
        for before, after in pairwise(standings):
            assert before.effective_to == after.effective_from
            assert before.effective_from <= after.effective_from
            assert (before.position, before.ordinal) < (after.position, after.ordinal)
            assert after.previous_level == before.level
        assert all(standing.effective_to is None for standing in standings[-1:])
        assert all(standing.superseded_at is None for standing in standings)


LADDERS = st.sampled_from(
    [
        ladder(),
        ladder(window={"days": 3}),
        ladder(window={"months": 1}, evaluation="monthly"),
        ladder(window={"days": 20}, evaluation="monthly", falling="at-once"),
    ]
)


def entries_of(amounts: Sequence[int]) -> st.SearchStrategy[list[Entry]]:
    return st.lists(
        st.builds(
            lambda day, hour, amount: Entry(at(JAN_1 + timedelta(days=day), hour), JAN_1 + timedelta(days=day), amount),
            st.integers(0, 60),
            st.integers(0, 23),
            st.sampled_from(amounts),
        ),
        max_size=10,
    )


@given(LADDERS, entries_of([5, 60, 120, 350]), st.data())
def test_the_order_in_which_scores_are_told_makes_no_difference(
    ladder: Ladder, entries: list[Entry], data: st.DataObject
) -> None:
    book = Book(ladder)
    for entry in entries:
        book.score(entry)
        book.check()
        if data.draw(st.booleans()):
            book.evaluate(JAN_1 + timedelta(days=data.draw(st.integers(1, 100))))
            book.check()
    book.evaluate(date(2026, 6, 1))
    book.check()
    in_order = sorted(entries, key=lambda entry: entry.at)
    lived = rules.live(ladder, 0, None, {}, in_order, END)
    whole = Book(ladder)
    for entry in in_order:
        whole.score(entry)
    whole.evaluate(date(2026, 6, 1))
    assert book.levels() == whole.levels()
    assert [step.rank for step in lived.steps][-1:] == [rank for rank, _ in book.levels()][-1:]


@given(LADDERS, entries_of([-80, -20, 5, 60, 120, 350]), st.data())
def test_standings_never_contradict_themselves_whatever_is_taken_back(
    ladder: Ladder, entries: list[Entry], data: st.DataObject
) -> None:
    book = Book(ladder)
    for entry in entries:
        before = book.steps()
        book.score(entry)
        book.check()
        if entry.amount < 0:
            assert book.steps()[: len(before)] == before, "what lowers a score takes no standing back"
        if data.draw(st.booleans()):
            book.evaluate(JAN_1 + timedelta(days=data.draw(st.integers(1, 100))))
            book.check()
