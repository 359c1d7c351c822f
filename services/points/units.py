"""Units of points: when what is obtained of them can be spent, and when it expires.

Sources: model.md "Unit", cases.md defaults 5, 6, 9 and 12, E15.
"""

from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from services.chassis.civil import MONTHS_A_YEAR, add_months, civil_day, period_start, start_of_day
from services.points.specs import ExpirySpec, UnitSpec

_PERIODS = {"end-of-month": ("month", 1), "end-of-quarter": ("quarter", 3), "end-of-year": ("year", 12)}
"""The civil period of a policy, and its length in months."""
MAX_REMEMBERED = 10_000
"""Days whose expiry a unit remembers: a year of activity asks for the same few hundred again and again."""


@dataclass(frozen=True, slots=True)
class Unit:
    """A unit, ready to reckon with."""

    code: str
    programme: str
    zone: ZoneInfo
    currency: str
    spec: UnitSpec
    _expiries: dict[date, datetime] = field(default_factory=dict, compare=False, repr=False)

    @property
    def is_spendable(self) -> bool:
        """Whether it is kept in lots; a qualifying unit is a score."""
        return self.spec.kind == "spendable"

    @property
    def slides(self) -> bool:
        """Whether its lots expire together, some time after the last activity."""
        return self.spec.expiry.policy == "sliding"

    @property
    def cuts_at_max_balance(self) -> bool:
        """Whether activities earn no more than its maximum balance leaves room for."""
        return self.spec.max_balance_on_earning == "cut"

    def available_at(self, effective_at: datetime) -> datetime:
        """When points of an activity can be spent: at once, or so many civil days later at 00:00."""
        if not self.spec.pending_days:
            return effective_at
        return start_of_day(civil_day(effective_at, self.zone) + timedelta(days=self.spec.pending_days), self.zone)

    def expires_at(self, available: datetime) -> datetime | None:
        """When points that become available then expire; None when never, or when they slide with activity."""
        if self.spec.expiry.policy in ("none", "sliding"):
            return None
        return self._expiry_from(civil_day(available, self.zone))

    def slides_to(self, active_at: datetime) -> datetime:
        """When the lots of a sliding unit expire after activity at an instant."""
        return self._expiry_from(civil_day(active_at, self.zone))

    def terms_from(self, at: datetime) -> tuple[datetime | None, bool]:
        """When points that come at an instant without an activity expire, and whether activity moves that.

        Where it does, they live as long as if there had been some, and longer when there is.
        """
        return (self.slides_to(at), True) if self.slides else (self.expires_at(at), False)

    def restored_expiry(self, original: datetime, refunded_at: datetime) -> datetime:
        """When points that a refund restores expire: as before, or at least so many days after the refund."""
        if self.spec.refund == "keep-original-expiry":
            return original
        day = civil_day(refunded_at, self.zone) + timedelta(days=self.spec.min_validity_days)
        return max(original, start_of_day(day, self.zone))

    def _expiry_from(self, day: date) -> datetime:
        expiry = self._expiries.get(day)
        if expiry is None:
            expiry = start_of_day(_expiry_day(self.spec.expiry, day), self.zone)
            if len(self._expiries) < MAX_REMEMBERED:
                self._expiries[day] = expiry
        return expiry


def _expiry_day(expiry: ExpirySpec, day: date) -> date:
    """The first day on which the points are gone."""
    if expiry.policy in ("duration", "sliding"):
        if expiry.days is not None:
            return day + timedelta(days=expiry.days)
        return add_months(day, (expiry.months or 0) + MONTHS_A_YEAR * (expiry.years or 0))
    period, length = _PERIODS[expiry.policy]
    periods = next(n for n in (expiry.months, expiry.quarters, expiry.years) if n is not None)
    return add_months(period_start(day, period), length * (periods + 1))
