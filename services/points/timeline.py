"""A member's levels over time, as tiers told them."""

from bisect import bisect_right
from datetime import datetime


class Timeline:
    """A member's levels on a ladder over time."""

    __slots__ = ("_from", "_level")

    def __init__(self) -> None:
        self._from: list[datetime] = []
        self._level: list[str] = []

    def add(self, effective_from: datetime, level: str) -> list[datetime]:
        """A later decision: what was known of the time from there on no longer holds. Returns what that takes back."""
        place = bisect_right(self._from, effective_from)
        if place and self._from[place - 1] == effective_from:
            place -= 1
        taken_back = [at for at in self._from[place:] if at != effective_from]
        self._from[place:] = [effective_from]
        self._level[place:] = [level]
        return taken_back

    def at(self, at: datetime) -> str:
        """The level at an instant; empty before the first."""
        place = bisect_right(self._from, at)
        return self._level[place - 1] if place else ""
