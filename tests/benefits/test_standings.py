"""Intervals of standing, and the snapshot of them that checks read."""

from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from services.benefits import standings
from services.benefits.heard import StandingChanged
from services.benefits.values import Interval
from services.chassis.ids import new_id

MEMBER_ID = new_id(1)
START = datetime(2026, 1, 1, tzinfo=UTC)


def at(hour: int) -> datetime:
    """An instant."""
    return START + timedelta(hours=hour)


def told(ladder: str, rank: int, hour: int) -> StandingChanged:
    """A change of standing."""
    return StandingChanged(MEMBER_ID, ladder, f"level-{rank}", rank, at(hour))


class Known:
    """What is known after some changes."""

    def __init__(self) -> None:
        self.intervals: dict[Any, Interval] = {}

    def hear(self, change: StandingChanged) -> standings.Rise:
        """One more change."""
        changed, rise = standings.change(list(self.intervals.values()), change)
        self.intervals |= {(interval.ladder, interval.effective_from): interval for interval in changed}
        return rise

    def at(self, hour: int) -> str:
        """The standing at an instant."""
        return standings.standing_of(self.intervals.values(), at(hour))


changes = st.lists(
    st.builds(told, st.sampled_from(["shopper", "traveller"]), st.integers(0, 3), st.integers(0, 12)), max_size=12
)


def heard(history: list[StandingChanged]) -> Known:
    known = Known()
    for change in history:
        known.hear(change)
    return known


@given(changes, st.integers(0, 13))
def test_at_every_instant_the_last_change_that_was_effective_then_holds(
    history: list[StandingChanged], hour: int
) -> None:
    expected = {change.ladder: change for change in history if change.effective_from <= at(hour)}
    assert heard(history).at(hour) == standings._text(
        sorted([change.ladder, change.level, change.rank] for change in expected.values())
    )


@given(changes, st.integers(0, 13), st.integers(0, 13))
def test_a_snapshot_says_the_same_as_the_intervals_from_then_on(
    history: list[StandingChanged], written: int, later: int
) -> None:
    known = heard(history)
    standing, upcoming = standings.snapshot(list(known.intervals.values()), at(written))
    member = standings.unheard(MEMBER_ID)._replace(standing=standing, upcoming=upcoming)
    assert standings.standing_at(member, at(written + later)) == known.at(written + later)


def test_rises_to_a_level_are_counted() -> None:
    known = Known()
    ordinals = [known.hear(told("shopper", rank, hour)).ordinal for hour, rank in enumerate([0, 2, 1, 2, 3, 0, 3, 3])]
    assert ordinals == [0, 1, 0, 2, 1, 0, 2, 0]


@given(st.lists(st.integers(0, 3), min_size=1, max_size=10), st.data())
def test_a_history_told_again_with_other_instants_has_no_new_rises(ranks: list[int], data: st.DataObject) -> None:
    """Tiers learnt of something late: what followed comes earlier or later, and is told again from the first change."""
    instants = st.lists(st.integers(0, 40), min_size=len(ranks), max_size=len(ranks), unique=True).map(sorted)
    known = Known()

    def rises(hours: list[int]) -> list[tuple[str, int]]:
        changes = [told("shopper", rank, hour) for rank, hour in zip(ranks, hours, strict=True)]
        found = [(change.level, known.hear(change).ordinal) for change in changes]
        return [rise for rise in found if rise[1]]

    first_hours = data.draw(instants)
    first = rises(first_hours)
    again = [first_hours[0], *(hour + first_hours[0] + 1 for hour in data.draw(instants)[1:])]
    assert rises(again) == first


def test_what_was_reached_stays_reached_even_when_it_is_taken_back() -> None:
    known = Known()
    known.hear(told("shopper", 3, 5))
    known.hear(told("shopper", 0, 5))
    assert known.hear(told("shopper", 2, 8)) == standings.Rise(ordinal=1, highest_before=3, rank=2)


def test_ladders_do_not_concern_each_other() -> None:
    known = heard([told("shopper", 2, 1), told("traveller", 1, 2)])
    assert known.at(3) == '[["shopper","level-2",2],["traveller","level-1",1]]'
    assert known.hear(told("traveller", 2, 4)).highest_before == 1
