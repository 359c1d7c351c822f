"""Loads the data set, or a slice of it, into a `Year`."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Final

from tessera.grocer.catalogue import read_catalogue
from tessera.grocer.offers import read_campaigns, read_redemptions
from tessera.grocer.receipts import accounts_of, activities_of, distinct_lines_of, fuel_of, read_receipts, tally_of
from tessera.grocer.source import directory
from tessera.grocer.year import ZONE, Year

FIRST_DAY: Final = date(2017, 1, 1)
LAST_DAY: Final = date(2017, 12, 31)


def load(
    *,
    households: int | None = None,
    first_day: date = FIRST_DAY,
    last_day: date = LAST_DAY,
    folder: Path | None = None,
) -> Year:
    """Reads what the first `households` by number (None: all) did from `first_day` to `last_day` inclusive.

    `folder` holds the files of the data set; None means the installed package's. Raises ModuleNotFoundError when that
    package is missing, and ValueError for an amount that is not a whole number of cents.
    """
    with _collector_at_rest():
        return _read(folder or directory(), households, first_day, last_day)


def _read(folder: Path, households: int | None, first_day: date, last_day: date) -> Year:
    day_starts_s = midnights_s(first_day, last_day)
    catalogue = read_catalogue(folder)
    receipts = read_receipts(folder, catalogue, households, day_starts_s[0], day_starts_s[-1])
    activities, accounts = activities_of(receipts), accounts_of(receipts)
    line_numbers, lines = distinct_lines_of(receipts, catalogue)
    fuel = fuel_of(activities)
    chosen = {account.household for account in accounts}
    return Year(
        first_day=first_day,
        last_day=last_day,
        day_starts_s=day_starts_s,
        accounts=accounts,
        activities=activities,
        lines=lines,
        line_numbers=line_numbers,
        fuel=fuel,
        redemptions=read_redemptions(folder, catalogue, chosen.__contains__, first_day, last_day),
        campaigns=read_campaigns(folder, chosen.__contains__),
        tally=tally_of(receipts, catalogue, fuel),
    )


def midnights_s(first_day: date, last_day: date) -> list[int]:
    """When each day starts, and last when the last day ends, in seconds: civil days have 23, 24 or 25 hours."""
    days = (first_day + timedelta(days=number) for number in range((last_day - first_day).days + 2))
    return [int(datetime(day.year, day.month, day.day, tzinfo=ZONE).timestamp()) for day in days]


@contextmanager
def _collector_at_rest() -> Iterator[None]:
    """Half a million values are made here and all live on: a collector that walks them again and again costs time."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
