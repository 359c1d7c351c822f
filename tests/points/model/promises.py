"""What a unit promises, and civil days."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from fractions import Fraction
from zoneinfo import ZoneInfo

FOREVER = datetime(9999, 1, 1, tzinfo=UTC)
SHANGHAI = ZoneInfo("Asia/Shanghai")


def midnight(day: date, zone: ZoneInfo) -> datetime:
    return datetime.combine(day, time(), zone).astimezone(UTC)


def day_of(at: datetime, zone: ZoneInfo) -> date:
    return at.astimezone(zone).date()


def first_of_month(day: date, months_later: int) -> date:
    index = day.year * 12 + day.month - 1 + months_later
    return date(index // 12, index % 12 + 1, 1)


@dataclass
class Limits:
    """What may be spent or held at once, in a day, and of an order all in all; a point pays one of its money."""

    least: int
    multiple: int
    at_once: int
    a_day: int
    share: Fraction

    def refusal(self, amount: int, order: int, today: int, for_order: int) -> str:
        """Why so much may not be spent on a day, and for an order, for which something was; empty when it may."""
        if not order:
            return "ORDER_AMOUNT_REQUIRED"
        if amount > self.most(order, today, for_order):
            return "SPEND_LIMIT_EXCEEDED"
        if amount < self.least:
            return "SPEND_BELOW_MINIMUM"
        return "SPEND_NOT_A_MULTIPLE" if amount % self.multiple else ""

    def most(self, order: int, today: int, for_order: int) -> int:
        return min(self.at_once, self.a_day - today, max(0, int(order * self.share) - for_order))


@dataclass
class Terms:
    """What a unit promises."""

    pending_days: int = 0
    days: int = 0
    end_of_next_month: bool = False
    sliding_days: int = 0
    min_validity_days: int = 0
    shortage: str = "allow-negative"
    rate: Fraction = Fraction(1)
    """Of the money paid, rounded down."""
    factors: Mapping[str, Fraction] = field(default_factory=dict)
    """What the rate is multiplied by, by level; 1 where it is not named."""
    category: str = ""
    """The lines that count; empty means all."""
    until_completed: bool = False
    cap: int | None = None
    limits: Limits | None = None
    most: int | None = None
    """What grants may bring a balance to."""
    cuts: bool = False
    """Whether activities earn no more than that, too."""
    alone: int = 0
    """Adjustments up to this need nobody's approval."""
    zone: ZoneInfo = SHANGHAI

    def rate_on(self, level: str) -> Fraction:
        return self.rate * self.factors.get(level, 1)

    def midnight(self, at: datetime, days: int) -> datetime:
        return midnight(day_of(at, self.zone) + timedelta(days=days), self.zone)

    def day(self, at: datetime) -> date:
        return day_of(at, self.zone)

    def available(self, at: datetime) -> datetime:
        if self.until_completed:
            return FOREVER
        return self.midnight(at, self.pending_days) if self.pending_days else at

    def expires(self, available: datetime) -> datetime:
        if available == FOREVER:
            return FOREVER
        if self.days:
            return self.midnight(available, self.days)
        if self.end_of_next_month:
            return midnight(first_of_month(self.day(available), 2), self.zone)
        return FOREVER
