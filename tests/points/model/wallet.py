"""What points are, in the simplest words: a member's wallets as lists, and a clock that leaves nothing out.

Nothing here is shared with the service. Time passes here event by event, as it does for people; the service lets it
pass when somebody asks.
"""

import pickle
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any

from tests.points.model.promises import FOREVER, Terms, first_of_month


@dataclass
class Lot:
    lot_id: str
    source: str
    left: int
    available: datetime
    own_expiry: datetime
    slides: bool = False
    expired: int = 0
    merchant: str = ""


@dataclass
class Taken:
    """Points taken from a lot by a spend or a hold."""

    lot: Lot
    amount: int
    refunded: int = 0


@dataclass
class Hold:
    until: datetime
    parts: list[Taken]
    day: date
    order: str = ""

    def amount(self) -> int:
        return sum(part.amount for part in self.parts)


@dataclass
class Spend:
    parts: list[Taken]
    day: date
    order: str = ""


@dataclass
class Wallet:
    """One member's points of one unit."""

    terms: Terms
    now: datetime
    lots: list[Lot] = field(default_factory=list)
    holds: dict[str, Hold] = field(default_factory=dict)
    spends: dict[str, Spend] = field(default_factory=dict)
    debt: int = 0
    slides_to: datetime = FOREVER
    caps: dict[date, int] = field(default_factory=dict)
    given: dict[date, int] = field(default_factory=dict)
    spent: dict[date, int] = field(default_factory=dict)
    """What was spent or held on a day and did not come back."""
    for_orders: Counter[str] = field(default_factory=Counter)
    """What was spent for each order, less what came back."""

    def expiry(self, lot: Lot) -> datetime:
        return max(lot.own_expiry, self.slides_to) if lot.slides else lot.own_expiry

    def order(self, lot: Lot) -> Any:
        return self.expiry(lot), lot.available, lot.lot_id

    def free(self, merchant: str = "") -> list[Lot]:
        lots = [lot for lot in self.lots if lot.left and lot.available <= self.now < self.expiry(lot)]
        return self.burning(lot for lot in lots if lot.merchant in ("", merchant))

    def burning(self, lots: Iterable[Lot]) -> list[Lot]:
        return sorted(lots, key=lambda lot: (not lot.merchant, *self.order(lot)))

    # Time

    def pass_time(self, to: datetime) -> None:
        """Everything that happens by itself until a time, in the order in which it happens."""
        while (at := min(self._events_until(to), default=None)) is not None:
            self.now = at
            self._let_go()
            self._expire()
            self._pay()
        self.now = to

    def _events_until(self, to: datetime) -> Iterator[datetime]:
        instants = [hold.until for hold in self.holds.values()]
        for lot in self.lots:
            instants += [lot.available, self.expiry(lot)]
        return (at for at in instants if self.now < at <= to)

    def _let_go(self) -> None:
        for hold_id, hold in list(self.holds.items()):
            if hold.until <= self.now:
                self._put_back(hold.parts)
                del self.holds[hold_id]

    def _put_back(self, parts: list[Taken]) -> int:
        expired = 0
        for part in parts:
            if self.expiry(part.lot) <= self.now:
                part.lot.expired += part.amount
                expired += part.amount
            else:
                part.lot.left += part.amount
        return expired

    def _expire(self) -> None:
        for lot in self.lots:
            if self.expiry(lot) <= self.now:
                lot.expired += lot.left
                lot.left = 0

    def _pay(self) -> None:
        for lot in self.free():
            paid = min(lot.left, self.debt)
            lot.left -= paid
            self.debt -= paid

    # What a member sees

    def held(self) -> int:
        return sum(part.amount for hold in self.holds.values() for part in hold.parts)

    def pending(self) -> int:
        return sum(lot.left for lot in self.lots if lot.available > self.now)

    def available(self, merchant: str = "") -> int:
        return sum(lot.left for lot in self.free(merchant)) - self.debt

    def restricted(self, merchant: str) -> int:
        return self.available(merchant) - self.available()

    def balance(self) -> int:
        return sum(lot.left for lot in self.lots) + self.held() - self.debt

    def expiries(self) -> list[tuple[datetime, int]]:
        sums: dict[datetime, int] = {}
        for lot in self.free():
            if self.expiry(lot) != FOREVER:
                sums[self.expiry(lot)] = sums.get(self.expiry(lot), 0) + lot.left
        return sorted(sums.items())[:6]

    def at(self, later: datetime) -> "Wallet":
        """A copy as time alone makes it; by pickle, which is ten times as fast as deepcopy."""
        copy: Wallet = pickle.loads(pickle.dumps(self))
        copy.pass_time(later)
        return copy

    # What a member does

    def fitting(self, amount: int, at: datetime) -> int:
        """What of it cap and maximum let be earned."""
        if self.terms.cap is not None:
            amount = min(amount, self.terms.cap - self.caps.get(first_of_month(self.terms.day(at), 0), 0))
        if self.terms.cuts:
            assert self.terms.most is not None
            amount = min(amount, max(0, self.terms.most - self.balance()))
        return amount

    def earn(self, activity: str, lot_id: str, amount: int, at: datetime) -> None:
        if self.terms.sliding_days:
            until = self.terms.midnight(at, self.terms.sliding_days)
            self.slides_to = until if self.slides_to == FOREVER else max(until, self.slides_to)
        if self.terms.cap is not None:
            month = first_of_month(self.terms.day(at), 0)
            self.caps[month] = self.caps.get(month, 0) + amount
        if amount:
            available = self.terms.available(at)
            slides = bool(self.terms.sliding_days)
            own = datetime.min.replace(tzinfo=UTC) if slides else self.terms.expires(available)
            self.lots.append(Lot(lot_id, activity, amount, available, own, slides))
        self._pay()

    def waiting(self, activity: str) -> int:
        """What waits for an activity to be completed."""
        return sum(lot.left for lot in self.lots if lot.source == activity and lot.available == FOREVER)

    def complete(self, activity: str, at: datetime) -> None:
        """What waited for it can be spent from then on."""
        for lot in self.lots:
            if lot.source == activity and lot.available == FOREVER:
                lot.available, lot.own_expiry = at, self.terms.expires(at)
        self._expire()
        self._pay()

    def grant(self, lot_id: str, amount: int, until: datetime | None = None, merchant: str = "") -> None:
        slides = until is None and bool(self.terms.sliding_days)
        if slides:
            until = self.terms.midnight(self.now, self.terms.sliding_days)
        self.open(Lot(lot_id, lot_id, amount, self.now, until or self.terms.expires(self.now), slides, 0, merchant))
        self._pay()

    def open(self, lot: Lot) -> None:
        """A lot that slides, where nothing ever has, is the first by which the wallet does."""
        if lot.slides and self.slides_to == FOREVER:
            self.slides_to = lot.own_expiry
        self.lots.append(lot)

    def adjust(self, amount: int, lot_id: str) -> None:
        if amount > 0:
            self.grant(lot_id, amount)
        else:
            self.take(-amount)

    def forfeitable(self) -> int:
        return max(0, sum(lot.left for lot in self.lots) - self.debt)

    def forfeit(self, amount: int) -> None:
        for lot in self.burning(self.lots):
            gone = min(amount, lot.left)
            lot.left -= gone
            lot.expired += gone
            amount -= gone

    def receive_gift(self, parts: list[tuple[Taken, datetime]]) -> None:
        """Each lot of the giver opens one that lives as long as that would have."""
        for part, until in parts:
            lot_id = f"gift {len(self.lots)}"
            self.open(Lot(lot_id, lot_id, part.amount, self.now, until, part.lot.slides))
        self._pay()

    def receive(self, parts: list[tuple[str, int, datetime]]) -> None:
        """What was converted comes as lots with the expiry of those it came from, or sooner."""
        for lot_id, amount, original in parts:
            self.lots.append(Lot(lot_id, lot_id, amount, self.now, min(original, self.terms.expires(self.now))))
        self._pay()

    def take(self, amount: int, merchant: str = "") -> list[Taken]:
        taken = []
        for lot in self.free(merchant):
            part = min(lot.left, amount)
            if part:
                lot.left -= part
                amount -= part
                taken.append(Taken(lot, part))
        return taken

    def hold(self, hold_id: str, amount: int, until: datetime, merchant: str = "", order: str = "") -> None:
        self.holds[hold_id] = Hold(until, self.take(amount, merchant), self.today(), order)
        self.count(self.today(), amount)

    def spend(self, spend_id: str, amount: int, merchant: str = "", order: str = "") -> list[Taken]:
        taken = self.take(amount, merchant)
        self.spends[spend_id] = Spend(taken, self.today(), order)
        self.for_orders[order] += amount
        self.count(self.today(), amount)
        return taken

    def today(self) -> date:
        return self.terms.day(self.now)

    def count(self, day: date, amount: int) -> None:
        self.spent[day] = self.spent.get(day, 0) + amount

    def for_order(self, name: str) -> int:
        """What is spent and held for an order; one without a name is another each time."""
        held = sum(hold.amount() for hold in self.holds.values() if hold.order == name)
        return self.for_orders[name] + held if name else 0

    def capture(self, hold_id: str, spend_id: str, amount: int) -> None:
        hold = self.holds.pop(hold_id)
        self.count(hold.day, -hold.amount())
        self.count(self.today(), amount)
        self.for_orders[hold.order] += amount
        spent = self.spends[spend_id] = Spend([], self.today(), hold.order)
        for part in hold.parts:
            used = min(amount, part.amount)
            amount -= used
            if used:
                spent.parts.append(Taken(part.lot, used))
            self._put_back([Taken(part.lot, part.amount - used)])
        self._pay()

    def release(self, hold_id: str) -> int:
        hold = self.holds.pop(hold_id)
        self.count(hold.day, -hold.amount())
        expired = self._put_back(hold.parts)
        self._pay()
        return expired

    def give_out(self, hold_id: str) -> None:
        """What is held leaves for good."""
        del self.holds[hold_id]

    def refundable(self, spend_id: str) -> int:
        return sum(part.amount - part.refunded for part in self.spends[spend_id].parts)

    def refund(self, spend_id: str, amount: int, new_lots: list[str]) -> int:
        """Returns what expired at once; `new_lots` are the lots that the service says it went to."""
        expired = 0
        self.count(self.spends[spend_id].day, -amount)
        self.for_orders[self.spends[spend_id].order] -= amount
        for part in reversed(self.spends[spend_id].parts):
            given = min(amount, part.amount - part.refunded)
            if not given:
                continue
            amount -= given
            part.refunded += given
            expired += self._restore(part.lot, given, new_lots.pop(0))
        self._pay()
        return expired

    def _restore(self, lot: Lot, given: int, lot_id: str) -> int:
        original = self.expiry(lot)
        least = self.terms.midnight(self.now, self.terms.min_validity_days)
        restored = max(original, least) if self.terms.min_validity_days else original
        if restored <= self.now:
            lot.expired += given
            return given
        if restored == original:
            assert lot_id == lot.lot_id
            lot.left += given
        else:
            self.lots.append(Lot(lot_id, lot.source, given, self.now, restored, lot.slides, merchant=lot.merchant))
        return 0

    def come_back(self, activity: str, due: int, taken: int, fallen: int, at: datetime) -> int:
        """`due` is to be back, `taken` was before; `fallen` is what the cap gets. Returns what was taken back."""
        own = [lot for lot in self.lots if lot.source == activity]
        owed = left = max(0, due - sum(lot.expired for lot in own) - taken)
        for lot in [*sorted(own, key=self.order), *self.free()]:
            part = min(lot.left, left)
            lot.left -= part
            left -= part
        if self.terms.shortage == "allow-negative":
            self.debt += left
        if self.terms.cap is not None:
            self.caps[first_of_month(self.terms.day(at), 0)] -= fallen
        return owed
