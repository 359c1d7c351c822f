"""What must hold between the tables whatever the journal says: nothing is made, nothing is lost. Pure."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from services.chassis.ids import from_bytes
from services.points.budgets.definitions import home_of
from services.points.ledger.event_rows import Row
from services.points.ledger.replay import Wallet, text_of
from services.points.partners.rules import hold_of
from services.points.partners.values import OPEN, PARTNER_HOLDS, State
from services.points.values import EntryKind

_SOURCE, _ORIGIN = 10, 13
"""A lot's columns: what it came from, and the lot that it was restored from."""


@dataclass(slots=True)
class Books:
    """The tables of a partition, as far as laws speak of them."""

    lots: list[Row] = field(default_factory=list)
    open_holds: set[bytes] = field(default_factory=set)
    closed_holds: set[bytes] = field(default_factory=set)
    uses: list[Row] = field(default_factory=list)
    spent: dict[bytes, tuple[int, int]] = field(default_factory=dict)
    pooled: dict[bytes, tuple[int, int]] = field(default_factory=dict)
    contributed: dict[bytes, tuple[int, int]] = field(default_factory=dict)
    """What the contributions to each pooled spend come to, and what of them came back."""
    taken: dict[bytes, int] = field(default_factory=dict)
    """What gifts, adjustments and conversions with partners took, all of it from lots and for good."""
    owed: dict[Wallet, int] = field(default_factory=lambda: defaultdict(int))
    balances: dict[Wallet, tuple[int, int]] = field(default_factory=dict)
    moved: dict[bytes, int] = field(default_factory=dict)
    """What forfeits and conversions took from lots."""
    given: dict[bytes, int] = field(default_factory=dict)
    """What grants and conversions gave in lots, those with partners too."""
    forfeits: set[bytes] = field(default_factory=set)
    budget_portions: list[Row] = field(default_factory=list)
    waiting: set[bytes] = field(default_factory=set)
    """The open holds that conversions with partners must have, and no others of theirs."""
    partner_holds: set[bytes] = field(default_factory=set)
    """Open holds that wait for a partner."""

    def add_lots(self, rows: Iterable[Row]) -> None:
        """Lots: ID, member, unit, amount, remaining, held, expired, …, in the order of ledger/queries.py."""
        self.lots += rows

    def add_holds(self, rows: Iterable[Row]) -> None:
        """Holds: ID, …, state in the eighth place."""
        for row in rows:
            (self.open_holds if row[7] == "open" else self.closed_holds).add(row[0])
            if row[7] == "open" and row[3].startswith(PARTNER_HOLDS):
                self.partner_holds.add(row[0])

    def add_spends(self, rows: Iterable[Row]) -> None:
        """Spends: ID, …, amount and refunded in the sixth and seventh place."""
        for row in rows:
            self.spent[row[0]] = (row[5], row[6])

    def add_pooled(self, rows: Iterable[Row]) -> None:
        """Pooled spends: ID, …, amount and refunded in the seventh and eighth place."""
        for row in rows:
            self.pooled[row[0]] = (row[6], row[7])

    def add_contributions(self, rows: Iterable[Row]) -> None:
        """Contributions: pooled spend, ordinal, member, spend, amount, refunded."""
        for pooled_spend_id, _, _, _, amount, refunded in rows:
            before = self.contributed.get(pooled_spend_id, (0, 0))
            self.contributed[pooled_spend_id] = (before[0] + amount, before[1] + refunded)

    def add_gifts(self, rows: Iterable[Row]) -> None:
        """Gifts: ID, …, amount and state in the ninth and tenth place."""
        for row in rows:
            self.taken[row[0]] = row[8] if row[9] == "accepted" else 0

    def add_adjustments(self, rows: Iterable[Row]) -> None:
        """Adjustments: ID, …, amount in the sixth place, state in the eighth, when a score counts in the thirteenth.

        What was taken of points came from lots.
        """
        for row in rows:
            self.taken[row[0]] = max(0, -row[5]) if row[7] == "applied" and row[12] is None else 0

    def add_partner_conversions(self, rows: Iterable[Row]) -> None:
        """Conversions with partners: ID, …, incoming in the eighth place, amount in the tenth and state in the
        thirteenth. One that goes out and waits for its partner has an open hold."""
        for row in rows:
            conversion_id, incoming, amount, state = row[0], row[7], row[9], row[12]
            self.taken[conversion_id] = amount if state == State.DONE and not incoming else 0
            self.given[conversion_id] = amount if state == State.DONE and incoming else 0
            if state in OPEN and not incoming:
                self.waiting.add(hold_of(from_bytes(conversion_id)).bytes)

    def add_clawbacks(self, rows: Iterable[Row]) -> None:
        """Clawbacks: ID, member, account, unit, activity, funder, amount, owed, …."""
        for row in rows:
            self.owed[row[1], row[3]] += row[7]

    def add_movements(self, rows: Iterable[Row]) -> None:
        """Movements: ID, member, account, domain, kind, unit, amount, conversion, credited, …."""
        for movement_id, _, _, _, kind, _, amount, _, credited, *_ in rows:
            if kind == EntryKind.GRANT:
                self.given[movement_id] = amount
                continue
            self.moved[movement_id] = amount
            if kind == EntryKind.FORFEIT:
                self.forfeits.add(movement_id)
            else:
                self.given[movement_id] = credited

    def add_uses(self, rows: Iterable[Row]) -> None:
        """Uses of lots: user, ordinal, lot, amount, refunded."""
        self.uses += rows

    def add_balances(self, rows: Iterable[Row]) -> None:
        """Balances: member, unit, what the wallet comes to, what is owed in it, …."""
        for member_id, unit, balance, debt, _ in rows:
            self.balances[member_id, unit] = (balance, debt)

    def add_budget_portions(self, rows: Iterable[Row]) -> None:
        """What the partition has of budgets: budget, period, leased, drawn, amount, exhausted."""
        self.budget_portions += rows

    def findings(self) -> Iterator[str]:
        """What does not hold."""
        yield from self._lot_findings()
        yield from self._spend_findings()
        yield from self._movement_findings()
        for hold_id in self.waiting ^ self.partner_holds:
            yield f"hold {text_of(hold_id)}: is not open exactly while its conversion waits for the partner"
        yield from self._balance_findings()
        yield from self._budget_findings()

    def _lot_findings(self) -> Iterator[str]:
        held_by_holds, went = self._uses_of_lots()
        for lot_id, _, _, amount, remaining, held, expired, *_ in self.lots:
            if held != held_by_holds.get(lot_id, 0):
                yield f"lot {text_of(lot_id)}: {held} are held, open holds hold {held_by_holds.get(lot_id, 0)}"
            gone = expired + went.get(lot_id, 0)
            if remaining + held + gone != amount:
                yield f"lot {text_of(lot_id)}: received {amount}, has {remaining + held}, {gone} went elsewhere"

    def _uses_of_lots(self) -> tuple[dict[bytes, int], dict[bytes, int]]:
        """What open holds hold of lots, and what went from them into spends, clawbacks, conversions and lots restored.

        What was forfeited is among what the lots themselves say is gone.
        """
        held: dict[bytes, int] = defaultdict(int)
        went: dict[bytes, int] = defaultdict(int)
        for user_id, _, lot_id, amount, refunded in self.uses:
            if user_id in self.open_holds:
                held[lot_id] += amount
            elif user_id not in self.closed_holds and user_id not in self.forfeits:
                went[lot_id] += amount - refunded
        for lot in self.lots:
            if lot[_ORIGIN] is not None:
                went[lot[_ORIGIN]] += lot[3]
        return held, went

    def _spend_findings(self) -> Iterator[str]:
        from_lots: dict[bytes, list[int]] = defaultdict(lambda: [0, 0])
        for user_id, _, _, amount, refunded in self.uses:
            from_lots[user_id][0] += amount
            from_lots[user_id][1] += refunded
        for spend_id, sums in self.spent.items():
            if tuple(from_lots[spend_id]) != sums:
                yield f"spend {text_of(spend_id)}: its lots do not come to what it says"
        for spend_id in {*self.pooled, *self.contributed}:
            if self.pooled.get(spend_id) != self.contributed.get(spend_id):
                yield f"pooled spend {text_of(spend_id)}: its contributions do not come to what it says"
        for taker_id, amount in self.taken.items():
            if from_lots[taker_id] != [amount, 0]:
                yield f"gift, adjustment or conversion {text_of(taker_id)}: its lots do not come to what it says"

    def _movement_findings(self) -> Iterator[str]:
        taken: dict[bytes, int] = defaultdict(int)
        forfeited: dict[bytes, int] = defaultdict(int)
        for user_id, _, lot_id, amount, _ in self.uses:
            if user_id in self.moved:
                taken[user_id] += amount
            if user_id in self.forfeits:
                forfeited[lot_id] += amount
        received: dict[bytes, int] = defaultdict(int)
        for lot in self.lots:
            if lot[_ORIGIN] is None:
                received[lot[_SOURCE]] += lot[3]
            if forfeited.get(lot[0], 0) > lot[6]:
                yield f"lot {text_of(lot[0])}: more of it was forfeited than it says is gone"
        for movement_id, amount in self.moved.items():
            if taken[movement_id] != amount:
                yield f"movement {text_of(movement_id)}: its lots do not come to what it says"
        for movement_id, amount in self.given.items():
            if received[movement_id] != amount:
                yield f"movement {text_of(movement_id)}: the lots it gave do not come to what it says"

    def _balance_findings(self) -> Iterator[str]:
        in_lots: dict[Wallet, int] = defaultdict(int)
        for _, member_id, unit, _, remaining, held, *_ in self.lots:
            in_lots[member_id, unit] += remaining + held
        for wallet, (balance, debt) in self.balances.items():
            if debt != self.owed.pop(wallet, 0):
                yield f"balance of {text_of(wallet)}: owes something else than its clawbacks say"
            lots = in_lots.pop(wallet, None)
            # A wallet that never had a lot is a score's.
            if lots is not None and lots - debt != balance:
                yield f"balance of {text_of(wallet)}: is not what its lots come to"
        for wallet, amount in {**self.owed, **in_lots}.items():
            if amount:
                yield f"balance of {text_of(wallet)}: there is none, yet it has lots or clawbacks"

    def _budget_findings(self) -> Iterator[str]:
        for budget, period_start, leased, drawn, _, exhausted in self.budget_portions:
            if not 0 <= drawn <= leased or (exhausted and drawn != leased):
                yield f"budget {budget} {period_start}: {drawn} is drawn of {leased} that the partition has of it"


def budget_findings(rows: Iterable[Row], partitions: int) -> Iterator[tuple[int, str]]:
    """What does not hold of budgets over all partitions, with the partition in which each lives.

    Rows: budget, period, partition and leased and amount of the pool, and what partitions got and drew.
    """
    for budget, period_start, partition, given, amount, leased, drawn in rows:
        home = home_of(budget) & (partitions - 1)
        name = f"budget {budget} {period_start}"
        if partition != home or given != leased:
            yield home, f"{name}: its pool gave {given}, partitions have {leased}"
        elif given > max(amount, drawn):
            yield home, f"{name}: its pool gave {given} of {amount}"
