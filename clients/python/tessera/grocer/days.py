"""The year, one civil day of the stores' zone at a time."""

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from operator import attrgetter

from tessera.grocer.year import Activity, Campaign, FuelLine, Redemption, Year


@dataclass(frozen=True, slots=True)
class Day:
    """What happened from 00:00 of a day to 00:00 of the next, everything in order."""

    day: date
    start_s: int
    end_s: int
    activities: Sequence[Activity]
    fuel: Sequence[FuelLine]
    """The fillings among the activities."""
    redemptions: Sequence[Redemption]
    starting: Sequence[Campaign]
    """Campaigns whose coupons are sent out on this day; on the first day also those that had started before it."""
    ending: Sequence[Campaign]
    """Campaigns whose coupons are good for the last time on this day."""

    @property
    def last_second_s(self) -> int:
        return self.end_s - 1


def days(year: Year) -> Iterator[Day]:
    """Every day of the year in order, days on which nothing happened included."""
    activity_edges = _edges(year.activities, year.day_starts_s)
    fuel_edges = _edges(year.fuel, year.day_starts_s)
    for number in range(len(year.day_starts_s) - 1):
        day = year.first_day + timedelta(days=number)
        yield Day(
            day=day,
            start_s=year.day_starts_s[number],
            end_s=year.day_starts_s[number + 1],
            activities=year.activities[activity_edges[number] : activity_edges[number + 1]],
            fuel=year.fuel[fuel_edges[number] : fuel_edges[number + 1]],
            redemptions=[redemption for redemption in year.redemptions if redemption.day == day],
            starting=[campaign for campaign in year.campaigns if _sent_on(campaign, year) == day],
            ending=[campaign for campaign in year.campaigns if campaign.last_day == day],
        )


def _edges(happenings: Sequence[Activity] | Sequence[FuelLine], day_starts_s: Sequence[int]) -> list[int]:
    """Where each day's happenings start, and last where the last day's end."""
    return [bisect_left(happenings, start_s, key=attrgetter("occurred_at_s")) for start_s in day_starts_s]


def _sent_on(campaign: Campaign, year: Year) -> date | None:
    """The day on which a campaign's coupons are sent out; None when it was over before the year's first day."""
    return max(campaign.first_day, year.first_day) if campaign.last_day >= year.first_day else None
