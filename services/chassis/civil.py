"""Civil time: days, months and years as a programme's zone counts them.

A skipped civil time becomes the first instant after the gap; a repeated one is its first occurrence.
"""

import calendar
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

MONTHS_A_YEAR = 12
MONTHS_A_QUARTER = 3


@lru_cache(maxsize=65_536)
def start_of_day(day: date, zone: ZoneInfo) -> datetime:
    """The first instant of a civil day, in UTC."""
    midnight = datetime.combine(day, time(), zone)
    return _first_real(midnight)


def _first_real(local: datetime) -> datetime:
    """The instant of a civil time; for one inside a gap, the instant of the transition that skips it."""
    late = local.astimezone(UTC)
    if late.astimezone(local.tzinfo).replace(tzinfo=None) == local.replace(tzinfo=None):
        return late
    early = local.replace(fold=1).astimezone(UTC)
    new_offset = late.astimezone(local.tzinfo).utcoffset()
    while late - early > timedelta(seconds=1):
        middle = (early + (late - early) / 2).replace(microsecond=0)
        if middle.astimezone(local.tzinfo).utcoffset() == new_offset:
            late = middle
        else:
            early = middle
    return late


def civil_day(at: datetime, zone: ZoneInfo) -> date:
    """The civil day of an instant."""
    return at.astimezone(zone).date()


def start_of_month(day: date) -> date:
    """The first day of a day's month."""
    return day.replace(day=1)


def add_months(day: date, months: int) -> date:
    """The same day so many months later; clamped to the end of a shorter month."""
    index = day.year * MONTHS_A_YEAR + day.month - 1 + months
    year, month = divmod(index, MONTHS_A_YEAR)
    last = calendar.monthrange(year, month + 1)[1]
    return date(year, month + 1, min(day.day, last))


def next_midnight(after: datetime, zone: ZoneInfo) -> datetime:
    """The first start of a civil day after an instant."""
    day = civil_day(after, zone)
    midnight = start_of_day(day + timedelta(days=1), zone)
    return midnight if midnight > after else start_of_day(day + timedelta(days=2), zone)


def period_start(day: date, period: str) -> date:
    """The first day of the period a day is in: day, week (from Monday), month, quarter, year, all time (ever, once)."""
    match period:
        case "day":
            return day
        case "week":
            return day - timedelta(days=day.weekday())
        case "month":
            return day.replace(day=1)
        case "quarter":
            return date(day.year, (day.month - 1) // MONTHS_A_QUARTER * MONTHS_A_QUARTER + 1, 1)
        case "year":
            return date(day.year, 1, 1)
        case "ever" | "once":
            return date.min
        case _:
            raise ValueError(f"not a period: {period}")


def period_end(day: date, period: str) -> date | None:
    """The first day after the period a day is in; None for all time."""
    first = period_start(day, period)
    match period:
        case "day":
            return first + timedelta(days=1)
        case "week":
            return first + timedelta(days=7)
        case "month":
            return add_months(first, 1)
        case "quarter":
            return add_months(first, MONTHS_A_QUARTER)
        case "year":
            return add_months(first, MONTHS_A_YEAR)
        case _:
            return None
