"""When points expire. Pure; sources: model.md "Unit", cases.md defaults 5, 6, 9 and E15."""

from datetime import date, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from services.chassis.civil import add_months, civil_day, period_start, start_of_day
from services.points.documents import ExpirySpec, Unit

_MONTHS = {"end-of-month": 1, "end-of-quarter": 3, "end-of-year": 12}
_PERIODS = {"end-of-month": "month", "end-of-quarter": "quarter", "end-of-year": "year"}


def available_at(unit: Unit, effective_at: datetime) -> datetime:
    """When points of an activity can be spent: at once, or so many civil days later at 00:00."""
    if not unit.spec.pending_days:
        return effective_at
    day = civil_day(effective_at, unit.zone) + timedelta(days=unit.spec.pending_days)
    return start_of_day(day, unit.zone)


def expires_at(unit: Unit, available: datetime) -> datetime | None:
    """When points that become available then expire; None when never, or when they slide with activity."""
    expiry = unit.spec.expiry
    if expiry.policy in ("none", "sliding"):
        return None
    return _expiry_from(expiry, civil_day(available, unit.zone), unit.zone)


def slides_to(unit: Unit, active_at: datetime) -> datetime:
    """When the lots of a sliding unit expire after activity at an instant."""
    return _expiry_from(unit.spec.expiry, civil_day(active_at, unit.zone), unit.zone)


def restored_expiry(unit: Unit, original: datetime | None, refunded_at: datetime) -> datetime | None:
    """When points that a refund restores expire: as before, or at least so many days after the refund."""
    if original is None or unit.spec.refund == "keep-original-expiry":
        return original
    day = civil_day(refunded_at, unit.zone) + timedelta(days=unit.spec.min_validity_days)
    return max(original, start_of_day(day, unit.zone))


@lru_cache(maxsize=16_384)
def _expiry_from(expiry: ExpirySpec, day: date, zone: ZoneInfo) -> datetime:
    return start_of_day(_expiry_day(expiry, day), zone)


def _expiry_day(expiry: ExpirySpec, day: date) -> date:
    """The first day on which the points are gone."""
    if expiry.policy in ("duration", "sliding"):
        if expiry.days is not None:
            return day + timedelta(days=expiry.days)
        return add_months(day, (expiry.months or 0) + 12 * (expiry.years or 0))
    length = _MONTHS[expiry.policy]
    periods = next(n for n in (expiry.months, expiry.quarters, expiry.years) if n is not None)
    return add_months(period_start(day, _PERIODS[expiry.policy]), length * (periods + 1))
