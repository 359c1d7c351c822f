"""When a level is reached and when it is lost, decided on plain values."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from services.chassis.civil import civil_day
from services.tiers import rules
from services.tiers.values import Entry, Ladder, Step
from tests.tiers.builders import SHANGHAI, at, ladder

JAN_1 = date(2026, 1, 1)
FOREVER = at(date(2040, 1, 1), 0)
SHOPPER = ladder()


def entry(day: date, amount: int, hour: int = 12) -> Entry:
    return Entry(at(day, hour), day, amount)


def lived(ladder: Ladder, entries: Sequence[Entry], until: datetime = FOREVER) -> list[tuple[str, datetime]]:
    history = rules.live(ladder, 0, None, {}, entries, until)
    return [(ladder.levels[step.rank].code, step.effective_from) for step in history.steps]


def test_a_level_is_reached_at_the_very_activity_and_lost_at_the_midnight_after_the_window() -> None:
    assert lived(SHOPPER, [entry(JAN_1, 99), entry(date(2026, 1, 2), 1)]) == [
        ("silver", at(date(2026, 1, 2))),
        # 1 January is in the windows up to 31 March; the evaluation that misses it looks at 1 April.
        ("bronze", at(date(2026, 4, 2), 0)),
    ]


def test_one_activity_can_lead_straight_to_a_high_level() -> None:
    """E25: whatever lies between is crossed in one step."""
    (first, *_) = lived(SHOPPER, [entry(JAN_1, 700)])
    assert first == ("platinum", at(JAN_1))


def test_an_evaluation_can_lower_several_levels_at_once_and_then_again() -> None:
    entries = [entry(JAN_1, 600), entry(date(2026, 1, 10), 100)]
    assert lived(SHOPPER, entries) == [
        ("platinum", at(JAN_1)),
        ("silver", at(date(2026, 4, 2), 0)),
        ("bronze", at(date(2026, 4, 11), 0)),
    ]


def test_what_is_earned_later_keeps_a_level() -> None:
    entries = [entry(JAN_1, 100), entry(date(2026, 3, 1), 100)]
    assert lived(SHOPPER, entries) == [("silver", at(JAN_1)), ("bronze", at(date(2026, 5, 31), 0))]


def test_an_evaluation_comes_before_what_is_earned_at_its_instant() -> None:
    entries = [entry(JAN_1, 100), entry(date(2026, 4, 2), 100, hour=0)]
    assert lived(SHOPPER, entries) == [
        ("silver", at(JAN_1)),
        ("bronze", at(date(2026, 4, 2), 0)),
        ("silver", at(date(2026, 4, 2), 0)),
        ("bronze", at(date(2026, 7, 2), 0)),
    ]


def test_a_monthly_evaluation_keeps_a_level_to_the_first_of_a_month() -> None:
    monthly = ladder(evaluation="monthly", window={"months": 12})
    assert lived(monthly, [entry(date(2026, 1, 15), 100)]) == [
        ("silver", at(date(2026, 1, 15))),
        ("bronze", at(date(2027, 2, 1), 0)),
    ]


def test_a_refund_keeps_the_level_until_the_evaluation() -> None:
    """E23: 1,010 less 50 is 960, and still platinum; then gold."""
    monthly = ladder(evaluation="monthly", levels={"member": 0, "gold": 500, "platinum": 1000}, window={"months": 12})
    history = [entry(date(2026, 1, 5), 1010), entry(date(2026, 1, 6), -50)]
    assert lived(monthly, history, at(date(2026, 1, 31))) == [("platinum", at(date(2026, 1, 5)))]
    assert lived(monthly, history, at(date(2026, 2, 1), 0))[-1] == ("gold", at(date(2026, 2, 1), 0))


def test_a_refund_acts_at_once_where_the_ladder_says_so() -> None:
    strict = ladder(levels={"member": 0, "gold": 500, "platinum": 1000}, falling="at-once")
    history = [entry(date(2026, 1, 5), 1010), entry(date(2026, 1, 6), -50)]
    assert lived(strict, history, at(date(2026, 1, 6)))[-1] == ("gold", at(date(2026, 1, 6)))


def test_twelve_months_back_from_a_leap_day_begin_on_the_first_of_march() -> None:
    yearly = ladder(window={"months": 12})
    assert lived(yearly, [entry(date(2023, 2, 28), 100)])[-1] == ("bronze", at(date(2024, 2, 29), 0))
    assert lived(yearly, [entry(date(2024, 2, 29), 100)])[-1] == ("bronze", at(date(2025, 3, 2), 0))


def test_the_outlook_says_how_long_a_level_lasts_and_what_comes_then() -> None:
    scores = {JAN_1: 250, date(2026, 1, 5): 100}
    now = at(date(2026, 1, 5))
    seen = rules.outlook(SHOPPER, 2, date(2026, 1, 6), scores, now)
    assert (seen.rank, seen.score, seen.rank_if_idle) == (2, 350, 2)
    assert seen.valid_until == at(date(2026, 4, 2), 0)
    eve = at(date(2026, 4, 1), 23)
    seen = rules.outlook(SHOPPER, 2, date(2026, 4, 2), scores, eve)
    assert (seen.rank, seen.score, seen.rank_if_idle) == (2, 100, 1)
    after = rules.outlook(SHOPPER, 2, date(2026, 4, 2), scores, at(date(2026, 4, 2), 0))
    assert (after.rank, after.since, after.valid_until) == (1, at(date(2026, 4, 2), 0), at(date(2026, 4, 6), 0))


def test_a_new_definition_raises_and_lowers_at_its_first_evaluation() -> None:
    scores = {JAN_1: 250}
    midnight = at(date(2026, 1, 3), 0)
    raised = Step(1, midnight, 250, date(2026, 4, 2))
    assert rules.look_anew(SHOPPER, 0, scores, midnight, JAN_1, may_fall=False) == raised
    assert rules.look_anew(SHOPPER, 3, scores, midnight, JAN_1, may_fall=True) == raised
    assert rules.look_anew(SHOPPER, 3, scores, midnight, JAN_1, may_fall=False) is None
    assert rules.look_anew(SHOPPER, 1, scores, midnight, JAN_1, may_fall=True) is None


def test_histories_part_where_they_first_differ() -> None:
    def step(rank: int, day: int) -> Step:
        return Step(rank, at(date(2026, 1, day)), 0, None)

    old = [step(1, 2), step(0, 5)]
    assert rules.difference(old, [step(1, 2), step(0, 5)]) is None
    added = rules.difference(old, [step(1, 2), step(2, 4), step(0, 5)])
    assert added is not None
    assert (added.kept, len(added.steps), added.from_instant) == (1, 2, at(date(2026, 1, 4)))
    removed = rules.difference(old, [step(1, 2)])
    assert removed is not None
    assert (removed.kept, removed.steps, removed.from_instant) == (1, [], at(date(2026, 1, 5)))


LADDERS = st.sampled_from(
    [
        ladder(),
        ladder(window={"days": 3}),
        ladder(window={"months": 1}, evaluation="monthly"),
        ladder(window={"days": 20}, evaluation="monthly", falling="at-once"),
    ]
)
ENTRIES = st.lists(
    st.builds(
        lambda day, hour, amount: entry(JAN_1 + timedelta(days=day), amount, hour),
        st.integers(0, 60),
        st.integers(0, 23),
        st.sampled_from([-80, -20, 5, 60, 120, 350]),
    ),
    max_size=12,
).map(lambda entries: sorted(entries, key=lambda e: e.at))


@given(LADDERS, ENTRIES)
def test_a_history_is_what_looking_at_every_day_would_make_of_it(ladder: Ladder, entries: list[Entry]) -> None:
    assert lived(ladder, entries, at(date(2026, 6, 1), 0)) == _day_by_day(ladder, entries, date(2026, 6, 1))


def _day_by_day(ladder: Ladder, entries: list[Entry], last: date) -> list[tuple[str, datetime]]:
    """The same rules, as plainly as they can be written."""
    rank, steps = 0, []
    scores: dict[date, int] = {}
    day = JAN_1
    while day <= last:
        if not ladder.monthly or day.day == 1:
            reached = ladder.rank_of_score(rules.window_score(ladder, scores, day - timedelta(days=1)))
            if reached < rank:
                rank = reached
                steps.append((ladder.levels[rank].code, at(day, 0)))
        for earned in entries:
            if civil_day(earned.at, SHANGHAI) != day:
                continue
            scores[day] = scores.get(day, 0) + earned.amount
            reached = ladder.rank_of_score(rules.window_score(ladder, scores, day))
            lowers = earned.amount < 0 and ladder.falls_at_once and reached < rank
            if (earned.amount > 0 and reached > rank) or lowers:
                rank = reached
                steps.append((ladder.levels[rank].code, earned.at))
        day += timedelta(days=1)
    return steps


@given(LADDERS, ENTRIES, st.data())
def test_a_history_lived_in_parts_is_the_history_lived_at_once(
    ladder: Ladder, entries: list[Entry], data: st.DataObject
) -> None:
    until = at(date(2026, 6, 1), 0)
    whole = rules.live(ladder, 0, None, {}, entries, until)
    rank, due, scores, steps = 0, None, {}, []
    rest = entries
    while rest:
        size = data.draw(st.integers(1, len(rest)))
        part, rest = rest[:size], rest[size:]
        evaluated = data.draw(st.sampled_from([part[-1].at, rest[0].at if rest else until]))
        history = rules.live(ladder, rank, due, scores, part, evaluated)
        rank, due, scores = history.rank, history.due, dict(history.scores)
        steps += history.steps
    steps += rules.live(ladder, rank, due, scores, (), until).steps
    assert [(s.rank, s.effective_from) for s in steps] == [(s.rank, s.effective_from) for s in whole.steps]


@given(LADDERS, ENTRIES.filter(bool), st.integers(0, 3))
def test_an_entry_of_which_it_is_said_that_it_moves_nothing_moves_nothing(
    ladder: Ladder, entries: list[Entry], days: int
) -> None:
    *before, last = entries
    known = rules.live(ladder, 0, None, {}, before, before[-1].at if before else last.at)
    until = last.at + timedelta(days=days)
    valid_until = None if known.due is None else ladder.evaluated_at(known.due)
    after = rules.live(ladder, known.rank, known.due, known.scores, [last], until)
    if rules.stays(ladder, known.rank, valid_until, known.scores, last, until):
        assert (after.steps, after.due) == ((), known.due)
    else:
        assert after.steps or last.amount < 0 or known.due is not None
