"""The lots of a wallet, arranged so that what burns or expires next is found without a look at all of them. Pure.

Sources: cases.md defaults 1 and 6.
"""

from bisect import bisect_left, insort
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from uuid import UUID

from services.points.values import EMPTY_BALANCE, Balance, Lot

EARLIEST = datetime.min.replace(tzinfo=UTC)
NEVER = datetime.max.replace(tzinfo=UTC)

Place = tuple[datetime, datetime, UUID]
"""Where a lot stands among those that the same merchant takes: when it expires, when it became available, its ID."""
FIRST_PLACE: Place = (EARLIEST, EARLIEST, UUID(int=0))

WORTH_KEEPING = 16
"""A pile of fewer lots is arranged anew when it is asked again, which costs less than to keep its arrangement."""


def expiry_of(lot: Lot, balance: Balance) -> datetime:
    """When a lot of a wallet with that balance expires; NEVER when it does not."""
    if lot.slides:
        return max(lot.expires_at or EARLIEST, balance.slides_to or NEVER)
    return lot.expires_at or NEVER


def place_of(lot: Lot, balance: Balance) -> Place:
    """Where a lot stands."""
    return expiry_of(lot, balance), lot.available_at, lot.lot_id


def is_filled(lot: Lot) -> bool:
    """Whether something is in a lot."""
    return bool(lot.remaining or lot.held)


@dataclass(slots=True)
class Sums:
    """What lots have at an instant: free by the merchant that takes it (None for any), pending, and held."""

    at: datetime
    balance: Balance
    free: dict[str | None, int] = field(default_factory=dict)
    pending: int = 0
    held: int = 0

    def add(self, lot: Lot, sign: int = 1) -> None:
        """Count a lot, or with sign -1 what it was no more."""
        self.held += sign * lot.held
        if lot.available_at > self.at:
            self.pending += sign * lot.remaining
        elif lot.remaining and self.at < expiry_of(lot, self.balance):
            self.free[lot.merchant] = self.free.get(lot.merchant, 0) + sign * lot.remaining

    def copy(self) -> "Sums":
        """Sums to go on with."""
        return replace(self, free=dict(self.free))


class Pile:
    """Lots by ID. Their order and their sums are made when somebody asks, and kept while lots change."""

    __slots__ = ("_balance", "_runs", "_sums", "lots")

    def __init__(self, lots: dict[UUID, Lot]) -> None:
        """`lots` are the pile's from now on."""
        self.lots: Mapping[UUID, Lot] = lots
        self._balance = EMPTY_BALANCE
        self._runs: dict[str | None, list[Place]] | None = None
        self._sums: Sums | None = None

    def put(self, lot: Lot) -> None:
        """A lot as it becomes, or one more."""
        if self._runs is not None or self._sums is not None:
            if len(self.lots) < WORTH_KEEPING:
                self._runs = self._sums = None
            else:
                self._rearrange(self.lots.get(lot.lot_id), lot)
        self.lots[lot.lot_id] = lot  # type: ignore[index]  # read-only for everybody else

    def _rearrange(self, before: Lot | None, lot: Lot) -> None:
        if self._runs is not None:
            if before is not None:
                self._take_out(before, self._runs)
            if is_filled(lot):
                insort(self._runs.setdefault(lot.merchant, []), place_of(lot, self._balance))
        if self._sums is not None:
            if before is not None:
                self._sums.add(before, -1)
            self._sums.add(lot)

    def _take_out(self, lot: Lot, runs: dict[str | None, list[Place]]) -> None:
        if is_filled(lot):
            run, place = runs[lot.merchant], place_of(lot, self._balance)
            del run[bisect_left(run, place)]

    def runs(self, balance: Balance) -> Mapping[str | None, Sequence[Place]]:
        """Where lots with something in them stand, in the order in which they burn, by the merchant that takes them."""
        if self._runs is None or balance.slides_to != self._balance.slides_to:
            runs: dict[str | None, list[Place]] = {}
            for lot in self.lots.values():
                if is_filled(lot):
                    runs.setdefault(lot.merchant, []).append(place_of(lot, balance))
            for run in runs.values():
                run.sort()
            self._runs, self._balance = runs, balance
        return self._runs

    def sums(self, at: datetime, balance: Balance) -> Sums:
        """What is free, pending and held at an instant; not to be changed."""
        sums = self._sums
        if sums is None or sums.at != at or sums.balance.slides_to != balance.slides_to:
            sums = self._sums = Sums(at, balance)
            for lot in self.lots.values():
                sums.add(lot)
        return sums
