"""Civil time, also where clocks are changed: what is skipped begins after the gap, what is repeated counts once."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.chassis.civil import add_months, civil_day, next_midnight, period_end, period_start, start_of_day

ZONES = (
    "UTC",
    "Asia/Shanghai",
    "America/New_York",
    "America/Sao_Paulo",
    "America/Havana",
    "Asia/Beirut",
    "Pacific/Apia",
    "Australia/Lord_Howe",
    "Africa/Casablanca",
)
zones = st.sampled_from(ZONES).map(ZoneInfo)
days = st.dates(date(1990, 1, 1), date(2037, 12, 30))


@pytest.mark.parametrize(
    ("zone", "day", "start"),
    [
        ("Asia/Shanghai", date(2026, 1, 1), "2025-12-31T16:00Z"),
        ("America/New_York", date(2026, 3, 8), "2026-03-08T05:00Z"),
        ("America/New_York", date(2026, 3, 9), "2026-03-09T04:00Z"),
        # Midnight is skipped: the day begins at 01:00.
        ("America/Sao_Paulo", date(2018, 11, 4), "2018-11-04T03:00Z"),
        ("Asia/Beirut", date(2021, 3, 28), "2021-03-27T22:00Z"),
        # Midnight comes twice: the day begins with the first.
        ("America/Havana", date(2025, 11, 2), "2025-11-02T04:00Z"),
        # The whole day is skipped: it is over when it begins.
        ("Pacific/Apia", date(2011, 12, 30), "2011-12-30T10:00Z"),
        ("Pacific/Apia", date(2011, 12, 31), "2011-12-30T10:00Z"),
    ],
)
def test_a_day_starts_at_its_first_instant(zone: str, day: date, start: str) -> None:
    assert start_of_day(day, ZoneInfo(zone)) == datetime.fromisoformat(start)


@given(days, zones)
def test_before_its_start_it_is_another_day(day: date, zone: ZoneInfo) -> None:
    start = start_of_day(day, zone)
    assert start.tzinfo is UTC
    assert civil_day(start, zone) >= day
    assert civil_day(start - timedelta(microseconds=1), zone) < day


@given(days, zones)
def test_days_follow_each_other(day: date, zone: ZoneInfo) -> None:
    assert start_of_day(day, zone) <= start_of_day(day + timedelta(days=1), zone)


@given(st.datetimes(datetime(1990, 1, 1), datetime(2037, 12, 29)), zones)
def test_the_next_midnight_is_the_first_start_of_a_day_after_an_instant(at: datetime, zone: ZoneInfo) -> None:
    at = at.replace(tzinfo=UTC)
    midnight = next_midnight(at, zone)
    assert at < midnight
    assert midnight == start_of_day(civil_day(midnight, zone), zone)
    assert civil_day(midnight - timedelta(microseconds=1), zone) == civil_day(at, zone)


def test_a_day_without_midnight_has_one_all_the_same() -> None:
    apia = ZoneInfo("Pacific/Apia")
    midnights = [datetime(2011, 12, 28, 12, tzinfo=UTC)]
    for _ in range(4):
        midnights.append(next_midnight(midnights[-1], apia))
    assert [civil_day(at, apia).isoformat() for at in midnights] == [
        "2011-12-28",
        "2011-12-29",
        "2011-12-31",
        "2012-01-01",
        "2012-01-02",
    ]


@pytest.mark.parametrize(
    ("day", "months", "later"),
    [
        (date(2026, 1, 31), 1, date(2026, 2, 28)),
        (date(2024, 1, 31), 1, date(2024, 2, 29)),
        (date(2024, 2, 29), 12, date(2025, 2, 28)),
        (date(2026, 11, 30), 3, date(2027, 2, 28)),
        (date(2026, 3, 31), -1, date(2026, 2, 28)),
        (date(2026, 1, 15), -13, date(2024, 12, 15)),
        (date(2026, 1, 31), 0, date(2026, 1, 31)),
    ],
)
def test_months_later_is_clamped_to_the_end_of_a_shorter_month(day: date, months: int, later: date) -> None:
    assert add_months(day, months) == later


@pytest.mark.parametrize(
    ("period", "start"),
    [
        ("day", date(2026, 5, 21)),
        ("week", date(2026, 5, 18)),
        ("month", date(2026, 5, 1)),
        ("quarter", date(2026, 4, 1)),
        ("year", date(2026, 1, 1)),
        ("ever", date.min),
        ("once", date.min),
    ],
)
def test_a_period_starts_on_its_first_day(period: str, start: date) -> None:
    thursday = date(2026, 5, 21)
    assert period_start(thursday, period) == start
    if start != date.min:
        assert period_start(start, period) == start


def test_a_period_that_nobody_knows_is_no_period() -> None:
    with pytest.raises(ValueError, match="not a period: fortnight"):
        period_start(date(2026, 5, 21), "fortnight")


@given(days, st.sampled_from(["day", "week", "month", "quarter", "year"]))
def test_a_period_ends_where_the_next_one_starts(day: date, period: str) -> None:
    end = period_end(day, period)
    assert end is not None
    assert period_start(day, period) <= day < end
    assert period_start(end, period) == end
    assert period_start(end - timedelta(days=1), period) == period_start(day, period)


def test_all_time_does_not_end() -> None:
    assert period_end(date(2026, 5, 21), "ever") is None
    assert period_end(date(2026, 5, 21), "once") is None
