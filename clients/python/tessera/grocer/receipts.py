"""The lines of all receipts as columns, brought into order and grouped without looking at one line at a time."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from tessera.grocer.catalogue import Catalogue
from tessera.grocer.departments import DOMAINS, FUEL
from tessera.grocer.source import Numbers, Table
from tessera.grocer.year import Account, Activity, FuelLine, Line, Tally

_COLUMNS: Final = [
    "household_id",
    "basket_id",
    "product_id",
    "quantity",
    "sales_value",
    "retail_disc",
    "coupon_match_disc",
    "transaction_timestamp",
]

# A domain's place in DOMAINS fits into the low bits of a key.
_DOMAIN_BITS: Final = 3
_KEY_BITS: Final = 63


@dataclass(frozen=True, slots=True)
class Receipts:
    """One element per line in every array, in order of time, basket and domain. Amounts are in cents."""

    household: Numbers
    basket: Numbers
    domain: Numbers
    occurred_at_s: Numbers
    article: Numbers
    place: Numbers
    quantity: Numbers
    paid: Numbers
    discount: Numbers
    amount_exactly_zero: npt.NDArray[np.bool_]


def read_receipts(folder: Path, catalogue: Catalogue, households: int | None, start_s: int, end_s: int) -> Receipts:
    """Reads what the first `households` by number (None: all) bought in `[start_s, end_s)`."""
    table = Table(folder, "transactions", _COLUMNS)
    household, occurred_at_s = table.numbers("household_id"), table.seconds("transaction_timestamp")
    basket, article, paid = table.numbers("basket_id"), table.numbers("product_id"), table.cents("sales_value")
    place = catalogue.places(article)
    domain = catalogue.domains[place]
    wanted = (occurred_at_s >= start_s) & (occurred_at_s < end_s) & np.isin(household, _first(household, households))
    rows = np.flatnonzero(wanted)
    rows = rows[np.lexsort((domain[rows], basket[rows], occurred_at_s[rows]))]
    return Receipts(
        household=household[rows],
        basket=basket[rows],
        domain=domain[rows],
        occurred_at_s=occurred_at_s[rows],
        article=article[rows],
        place=place[rows],
        quantity=table.numbers("quantity")[rows],
        paid=paid[rows],
        discount=(table.cents("retail_disc") + table.cents("coupon_match_disc"))[rows],
        amount_exactly_zero=table.dollars("sales_value")[rows] == 0,
    )


def _first(households: Numbers, count: int | None) -> Numbers:
    return np.unique(households)[:count]


def activities_of(receipts: Receipts) -> list[Activity]:
    """The lines of one basket in one domain are one activity."""
    changes = (np.diff(receipts.basket) != 0) | (np.diff(receipts.domain) != 0)
    edges = np.unique(np.concatenate(([0], np.flatnonzero(changes) + 1, [len(receipts.basket)])))
    starts = edges[:-1]
    columns = (
        receipts.household[starts].tolist(),
        [DOMAINS[domain] for domain in receipts.domain[starts].tolist()],
        list(map(str, receipts.basket[starts].tolist())),
        receipts.occurred_at_s[starts].tolist(),
        map(slice, starts.tolist(), edges[1:].tolist()),
    )
    return list(map(Activity, *columns))


def accounts_of(receipts: Receipts) -> list[Account]:
    """Each household has an account in each domain in which it bought."""
    keys = np.unique((receipts.household << _DOMAIN_BITS) | receipts.domain)
    households, domains = keys >> _DOMAIN_BITS, keys & ((1 << _DOMAIN_BITS) - 1)
    return [
        Account(household, DOMAINS[domain])
        for household, domain in zip(households.tolist(), domains.tolist(), strict=True)
    ]


def fuel_of(activities: list[Activity]) -> list[FuelLine]:
    """Each line of an activity in the domain `fuel` is one filling."""
    return [
        FuelLine(activity.household, f"{activity.reference}-{number}", activity.occurred_at_s)
        for activity in activities
        if activity.domain == FUEL
        for number in range(1, activity.lines.stop - activity.lines.start + 1)
    ]


def distinct_lines_of(receipts: Receipts, catalogue: Catalogue) -> tuple[list[int], list[Line]]:
    """For each line of a receipt its place among the distinct lines; and those."""
    key = _distinct_key([receipts.article, receipts.quantity, receipts.paid, receipts.discount])
    _, rows, numbers = np.unique(key, return_index=True, return_inverse=True)
    places, paid, discount = receipts.place[rows].tolist(), receipts.paid[rows], receipts.discount[rows]
    columns = (
        map(str, receipts.article[rows].tolist()),
        [catalogue.categories[place] for place in places],
        [catalogue.merchants[place] for place in places],
        receipts.quantity[rows].tolist(),
        (paid + discount).tolist(),
        discount.tolist(),
        paid.tolist(),
    )
    return numbers.tolist(), list(map(Line, *columns))


def _distinct_key(columns: list[Numbers]) -> Numbers:
    """One number per row, equal exactly where all columns are equal."""
    key = np.zeros(len(columns[0]), dtype=np.int64)
    if not len(key):
        return key
    for column in columns:
        shifted = column - column.min()
        bits = int(shifted.max()).bit_length()
        if int(key.max()).bit_length() + bits > _KEY_BITS:
            key = np.unique(key, return_inverse=True)[1]
        key = (key << bits) | shifted
    return key


def tally_of(receipts: Receipts, catalogue: Catalogue, fuel: list[FuelLine]) -> Tally:
    """Counts the lines, and those that are odd."""
    exactly_zero = int(receipts.amount_exactly_zero.sum())
    return Tally(
        baskets=len(np.unique(receipts.basket)),
        lines=len(receipts.basket),
        quantity_zero=int((receipts.quantity == 0).sum()),
        amount_zero=exactly_zero,
        amount_below_half_a_cent=int((receipts.paid == 0).sum()) - exactly_zero,
        product_unknown=int((receipts.place == catalogue.unknown).sum()),
        fuel=len(fuel),
    )
