"""The values a year consists of. Amounts are integers in US cents; times are seconds since 1970-01-01 UTC."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final, NamedTuple, TypeVar
from zoneinfo import ZoneInfo

ZONE: Final = ZoneInfo("America/New_York")
"""Where the stores are: days and months are civil here, while the data set's timestamps are UTC."""

_T = TypeVar("_T")


class Account(NamedTuple):
    """A household's account in a domain."""

    household: int
    domain: str


class Line(NamedTuple):
    """What a line of a receipt says. Lines that say the same are one value.

    `paid_minor` is what the store received for the line, manufacturers' coupons included, since the manufacturer pays
    those; `discount_minor` is what the store itself gave away (loyalty price, matched coupons); `gross_minor` is both.
    `category` and `merchant` (the manufacturer) are empty where the data set does not know them. Fuel counts in
    thousandths of a gallon.
    """

    sku: str
    category: str
    merchant: str
    quantity: int
    gross_minor: int
    discount_minor: int
    paid_minor: int


class Activity(NamedTuple):
    """What a household bought in one domain in one basket."""

    household: int
    domain: str
    reference: str
    occurred_at_s: int
    lines: slice
    """Where its lines stand in any list that `Year.spread` returns."""


class FuelLine(NamedTuple):
    """One filling of a tank: a line of an activity in the domain `fuel`."""

    household: int
    reference: str
    """The basket and the number of the line in it, from 1."""
    occurred_at_s: int


class Redemption(NamedTuple):
    """A coupon of a campaign handed in by a household; at most once a day for the same coupon of the same campaign."""

    household: int
    domain: str
    """What most of the articles belong to that the coupon is for. The household has an account there."""
    campaign: str
    coupon: str
    day: date


@dataclass(frozen=True, slots=True)
class Campaign:
    """Coupons sent to a list of households, good from the first day to the last day inclusive."""

    code: str
    kind: str
    first_day: date
    last_day: date
    households: tuple[int, ...]
    coupons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Tally:
    """How many lines there are, and how many are odd in which way; one line may be odd in several."""

    baskets: int
    lines: int
    quantity_zero: int
    amount_zero: int
    """Lines the data set gives an amount of exactly zero."""
    amount_below_half_a_cent: int
    """Lines whose amount is a remainder of floating point (at most 1e-9 dollars): zero cents as well."""
    product_unknown: int
    fuel: int


@dataclass(frozen=True, slots=True)
class Year:
    """Everything that happened from `first_day` to `last_day`, in order of time, basket and domain."""

    first_day: date
    last_day: date
    day_starts_s: Sequence[int]
    """When each day starts, and last when the last day ends."""
    accounts: Sequence[Account]
    """By household, then in the order of `departments.DOMAINS`."""
    activities: Sequence[Activity]
    lines: Sequence[Line]
    """The distinct lines."""
    line_numbers: Sequence[int]
    """For each line of a receipt, in the order of the activities, its place in `lines`."""
    fuel: Sequence[FuelLine]
    redemptions: Sequence[Redemption]
    campaigns: Sequence[Campaign]
    tally: Tally

    def spread(self, values: Sequence[_T]) -> list[_T]:
        """Values of the distinct lines, repeated for each line of a receipt, so that `spread(v)[activity.lines]` holds.

        What is costly is then done once for each distinct line: a fifth of all.
        """
        return [values[number] for number in self.line_numbers]
