"""How much a unit lets be spent or held, and what comes back of it when a part of the order does. Pure. Source: E6.

A civil day counts what was spent on it and not refunded, and what was held on it and not released or captured. A hold
that expires by itself stays counted: nobody said that the order was given up. The share of an order counts what all
spends for it used and what open holds keep for it: a checkout whose hold expired begins anew.
"""

from collections.abc import Iterable
from datetime import date, datetime
from hashlib import blake2b
from math import floor
from typing import NamedTuple, Protocol
from uuid import UUID

from services.chassis.civil import civil_day
from services.chassis.errors import Rejection
from services.points import errors
from services.points.specs import SpendLimitsSpec
from services.points.units import Unit
from services.points.values import CapKey, Hold

NO_LIMITS = SpendLimitsSpec()
_EVER = date.min
"""The period of what is counted for ever."""


def day_key(unit: Unit | None, member_id: UUID, at: datetime) -> CapKey | None:
    """What a civil day's spending is counted under; None where the unit does not limit it."""
    if unit is None or unit.spec.spend is None or unit.spec.spend.max_per_day is None:
        return None
    return CapKey(member_id, f"spending:{unit.code}", civil_day(at, unit.zone))


def order_key(unit: Unit | None, member_id: UUID, domain: str, reference: str) -> CapKey | None:
    """What spending for an order is counted under; None where it has no name, or the unit does not limit its share."""
    if not reference or unit is None or unit.spec.spend is None or unit.spec.spend.max_order_share is None:
        return None
    order = blake2b(reference.encode(), digest_size=16).hexdigest()
    return CapKey(member_id, f"order:{unit.code}:{domain}:{order}", _EVER)


def held_for_order(holds: Iterable[Hold], domain: str, reference: str, now: datetime) -> int:
    """What of a wallet is held for an order now."""
    return sum(
        hold.amount
        for hold in holds
        if (hold.domain, hold.reference, hold.state) == (domain, reference, "open") and hold.expires_at > now
    )


class Used(NamedTuple):
    """What counts already: on the day, and for the order."""

    on_day: int = 0
    for_order: int = 0


def allowed(unit: Unit, amount: int, order_minor: int, used: Used) -> int | Rejection:
    """The amount, if the limits of the unit allow it."""
    limits = unit.spec.spend or NO_LIMITS
    if limits.max_order_share is not None and not order_minor:
        return errors.order_amount_required(unit.code)
    name, most = _tightest(limits, amount, order_minor, used)
    if amount > most:
        return errors.spend_limit_exceeded(name, most - most % limits.multiple_of, amount)
    if amount < limits.minimum:
        return errors.spend_below_minimum(limits.minimum, amount)
    if amount % limits.multiple_of:
        return errors.spend_not_a_multiple(limits.multiple_of, amount)
    return amount


def largest_allowed(unit: Unit, amount: int, order_minor: int, used: Used, there: int) -> int | Rejection:
    """The largest amount, at most `amount`, that the limits allow and that is `there`.

    Where less is there than the least that can be spent, that least: it is refused as what is needed.
    """
    limits = unit.spec.spend or NO_LIMITS
    if limits.max_order_share is not None and not order_minor:
        return errors.order_amount_required(unit.code)
    least = -(-limits.minimum // limits.multiple_of) * limits.multiple_of
    if amount < least:
        return errors.spend_below_minimum(least, amount)
    name, most = _tightest(limits, amount, order_minor, used)
    if most < least:
        return errors.spend_limit_exceeded(name, 0, amount)
    taken = min(amount, most, there)
    return max(least, taken - taken % limits.multiple_of)


def _tightest(limits: SpendLimitsSpec, amount: int, order_minor: int, used: Used) -> tuple[str, int]:
    """The limit that allows least, and how much; the amount itself where there is none."""
    most = {"": amount}
    if limits.max_per_transaction is not None:
        most["max_per_transaction"] = limits.max_per_transaction
    if limits.max_per_day is not None:
        most["max_per_day"] = max(0, limits.max_per_day - used.on_day)
    if limits.max_order_share is not None and limits.minor_per_point is not None:
        share = floor(order_minor * limits.max_order_share / limits.minor_per_point)
        most["max_order_share"] = max(0, share - used.for_order)
    return min(most.items(), key=lambda limit: limit[1])


class ForOrder(Protocol):
    """What was spent, of one wallet or of several, for an order whose money may be named."""

    @property
    def amount(self) -> int:
        """How much."""

    @property
    def refunded(self) -> int:
        """How much of it came back."""

    @property
    def order_minor(self) -> int | None:
        """The money of the order, where one was named."""

    @property
    def order_returned(self) -> int | None:
        """How much of that was returned, once some was."""


def share_returned(spent: ForOrder, returned: int) -> tuple[int, int] | Rejection:
    """How much comes back of a spend when so much more of its order is returned, and how much of that is returned then.

    In proportion to all that was returned so far, rounded down, so that the parts come to the whole with the last one;
    what was refunded before, for whatever reason, is not refunded again.
    """
    if spent.order_minor is None:
        return errors.SPEND_WITHOUT_ORDER
    before = spent.order_returned or 0
    if before + returned > spent.order_minor:
        return errors.order_return_exceeded(spent.order_minor - before, returned)
    due = spent.amount * (before + returned) // spent.order_minor
    return max(0, due - spent.refunded), before + returned
