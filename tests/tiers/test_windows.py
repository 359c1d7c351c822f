"""What is in a window: days and months are civil, the day itself is the last one."""

from datetime import date, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.chassis.civil import civil_day
from services.tiers.values import Window
from tests.tiers.builders import NEW_YORK, SHANGHAI, at, ladder

WINDOWS = st.builds(Window, days=st.integers(1, 800)) | st.builds(Window, months=st.integers(1, 48))
DAYS = st.dates(date(1999, 1, 1), date(2040, 12, 31))


@pytest.mark.parametrize(
    ("window", "day", "first"),
    [
        (Window(days=1), date(2026, 5, 5), date(2026, 5, 5)),
        (Window(days=90), date(2026, 3, 31), date(2026, 1, 1)),
        (Window(days=366), date(2024, 12, 31), date(2024, 1, 1)),
        (Window(months=1), date(2026, 4, 15), date(2026, 3, 16)),
        (Window(months=1), date(2026, 3, 31), date(2026, 3, 1)),
        (Window(months=1), date(2026, 3, 1), date(2026, 2, 2)),
        (Window(months=12), date(2026, 6, 30), date(2025, 7, 1)),
        (Window(months=12), date(2024, 2, 29), date(2023, 3, 1)),
        (Window(months=12), date(2025, 2, 28), date(2024, 2, 29)),
    ],
)
def test_a_window_ends_with_its_day_and_begins_so_many_days_or_months_before(
    window: Window, day: date, first: date
) -> None:
    assert window.first_day(day) == first


@pytest.mark.parametrize(
    ("window", "day", "leaves"),
    [
        (Window(days=90), date(2026, 1, 1), date(2026, 4, 1)),
        (Window(months=1), date(2026, 1, 31), date(2026, 3, 1)),
        (Window(months=12), date(2024, 2, 29), date(2025, 3, 1)),
        (Window(months=12), date(2023, 2, 28), date(2024, 2, 28)),
    ],
)
def test_a_day_leaves_when_the_window_has_moved_past_it(window: Window, day: date, leaves: date) -> None:
    assert window.leaves_on(day) == leaves


@given(WINDOWS, DAYS, st.integers(0, 1600))
def test_a_day_is_in_a_window_until_it_leaves(window: Window, day: date, later: int) -> None:
    last = day + timedelta(days=later)
    assert (window.first_day(last) <= day) == (last < window.leaves_on(day))


@given(WINDOWS, DAYS)
def test_windows_only_move_forward(window: Window, day: date) -> None:
    firsts = [window.first_day(day + timedelta(days=step)) for step in range(40)]
    assert all(earlier <= later for earlier, later in pairwise(firsts))


def test_a_ladder_is_evaluated_at_midnight_of_its_programme() -> None:
    daily, monthly = ladder(), ladder(evaluation="monthly")
    noon = at(date(2026, 1, 31), 12)
    assert daily.evaluated_at(daily.evaluation_after(noon)) == at(date(2026, 2, 1), 0)
    assert monthly.evaluated_at(monthly.evaluation_after(noon)) == at(date(2026, 2, 1), 0)
    first = at(date(2026, 2, 1), 0)
    assert daily.is_evaluated_at(first)
    assert monthly.is_evaluated_at(first)
    assert daily.evaluation_after(first) == date(2026, 2, 2)
    assert monthly.evaluation_after(first) == date(2026, 3, 1)
    assert not daily.is_evaluated_at(first + timedelta(hours=8))


def test_midnight_is_civil_where_a_day_has_23_or_25_hours() -> None:
    daily = ladder(zone=NEW_YORK)
    spring, autumn = at(date(2026, 3, 8), 12, zone=NEW_YORK), at(date(2026, 11, 1), 0, 30, zone=NEW_YORK)
    assert daily.evaluated_at(daily.evaluation_after(spring)) == datetime.fromisoformat("2026-03-09T04:00:00Z")
    assert daily.evaluated_at(daily.evaluation_after(autumn)) == datetime.fromisoformat("2026-11-02T05:00:00Z")


@given(st.datetimes(datetime(2020, 1, 1), datetime(2030, 1, 1)), st.booleans(), st.sampled_from([SHANGHAI, NEW_YORK]))
def test_the_next_evaluation_is_the_first_one_after_an_instant(when: datetime, monthly: bool, zone: object) -> None:
    evaluated = ladder(zone=zone, evaluation="monthly" if monthly else "daily")  # type: ignore[arg-type]  # either is one of the two
    instant = when.replace(tzinfo=SHANGHAI)
    day = evaluated.evaluation_after(instant)
    assert evaluated.evaluated_at(day) > instant
    assert evaluated.is_evaluated_at(evaluated.evaluated_at(day))
    between = [civil_day(instant, evaluated.zone) + timedelta(days=step) for step in range(1, 32)]
    assert not any(evaluated.is_evaluated_at(evaluated.evaluated_at(earlier)) for earlier in between if earlier < day)
