"""Which part of the year is replayed."""

from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

if TYPE_CHECKING:  # needs the extra `grocer`
    from tessera.grocer import Year

ZONE = ZoneInfo("America/New_York")
FIRST_DAY = date(2017, 1, 1)
LAST_DAY = date(2017, 12, 31)


@dataclass(frozen=True, slots=True)
class Part:
    """The first `households` by number (None: all), from the first day to the last inclusive."""

    households: int | None = None
    first_day: date = FIRST_DAY
    last_day: date = LAST_DAY

    @property
    def text(self) -> str:
        """The part in words; two parts with the same words are the same."""
        who = "all households" if self.households is None else f"the first {self.households} households"
        return f"{who} from {self.first_day} to {self.last_day}"

    @property
    def start(self) -> str:
        """Its first instant, as ISO 8601."""
        return datetime(self.first_day.year, self.first_day.month, self.first_day.day, tzinfo=ZONE).isoformat()

    def load(self) -> "Year":
        """Reads it from the data set. Raises ModuleNotFoundError when the extra `grocer` is not installed."""
        from tessera.grocer import load

        return load(households=self.households, first_day=self.first_day, last_day=self.last_day)
