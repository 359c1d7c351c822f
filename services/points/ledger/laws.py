"""What must hold between the tables whatever the journal says: nothing is made, nothing is lost. Pure."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

Wallet = tuple[UUID, str]


@dataclass(slots=True)
class _LotSum:
    """What a lot received, and where it went."""

    wallet: Wallet
    amount: int
    there: int
    held: int
    expired: int
    held_by_holds: int = 0
    used: int = 0
    restored: int = 0


@dataclass(slots=True)
class Books:
    """Sums over the tables of a partition."""

    lots: dict[UUID, _LotSum] = field(default_factory=dict)
    origins: list[tuple[UUID, int]] = field(default_factory=list)
    open_holds: set[UUID] = field(default_factory=set)
    closed_holds: set[UUID] = field(default_factory=set)
    uses: list[tuple[UUID, UUID, int, int]] = field(default_factory=list)
    spent: dict[UUID, tuple[int, int]] = field(default_factory=dict)
    owed: dict[Wallet, int] = field(default_factory=lambda: defaultdict(int))
    in_lots: dict[Wallet, int] = field(default_factory=lambda: defaultdict(int))
    balances: dict[Wallet, tuple[int, int]] = field(default_factory=dict)

    def add_lot(self, lot_id: UUID, row: Sequence[Any]) -> None:
        """A lot: member, unit, amount, remaining, held, expired, …, origin."""
        member_id, unit, amount, remaining, held, expired, *_, origin_lot = row
        self.lots[lot_id] = _LotSum((member_id, unit), amount, remaining + held, held, expired)
        self.in_lots[member_id, unit] += remaining + held
        if origin_lot is not None:
            self.origins.append((origin_lot, amount))

    def add_hold(self, hold_id: UUID, row: Sequence[Any]) -> None:
        """A hold: …, state in the seventh place."""
        (self.open_holds if row[6] == "open" else self.closed_holds).add(hold_id)

    def add_spend(self, spend_id: UUID, row: Sequence[Any]) -> None:
        """A spend: …, amount and refunded in the fifth and sixth place."""
        self.spent[spend_id] = (row[4], row[5])

    def add_clawback(self, clawback_id: UUID, row: Sequence[Any]) -> None:
        """A clawback: member, account, unit, activity, funder, amount, owed, …."""
        self.owed[row[0], row[2]] += row[6]

    def add_use(self, user_id: UUID, row: Sequence[Any]) -> None:
        """A use of a lot: lot, amount, refunded."""
        lot_id, amount, refunded = row
        self.uses.append((user_id, lot_id, amount, refunded))

    def add_balance(self, wallet: Wallet, balance: int, debt: int) -> None:
        """What a wallet comes to, and what is owed in it."""
        self.balances[wallet] = (balance, debt)

    def findings(self) -> Iterator[str]:
        """What does not hold."""
        self._follow_uses()
        for lot_id, lot in self.lots.items():
            if lot.held != lot.held_by_holds:
                yield f"lot {lot_id}: {lot.held} are held, open holds hold {lot.held_by_holds}"
            gone = lot.expired + lot.used + lot.restored
            if lot.there + gone != lot.amount:
                yield f"lot {lot_id}: received {lot.amount}, has {lot.there}, {gone} went elsewhere"
        yield from self._spend_findings()
        yield from self._balance_findings()

    def _follow_uses(self) -> None:
        for user_id, lot_id, amount, refunded in self.uses:
            lot = self.lots.get(lot_id)
            if lot is not None and user_id in self.open_holds:
                lot.held_by_holds += amount
            elif lot is not None and user_id not in self.closed_holds:
                lot.used += amount - refunded
        for lot_id, amount in self.origins:
            if (lot := self.lots.get(lot_id)) is not None:
                lot.restored += amount

    def _spend_findings(self) -> Iterator[str]:
        from_lots: dict[UUID, list[int]] = defaultdict(lambda: [0, 0])
        for user_id, _, amount, refunded in self.uses:
            from_lots[user_id][0] += amount
            from_lots[user_id][1] += refunded
        for spend_id, sums in self.spent.items():
            if tuple(from_lots[spend_id]) != sums:
                yield f"spend {spend_id}: its lots do not come to what it says"

    def _balance_findings(self) -> Iterator[str]:
        for (member_id, unit), (balance, debt) in self.balances.items():
            if debt != self.owed.pop((member_id, unit), 0):
                yield f"balance of {member_id} in {unit}: owes something else than its clawbacks say"
            in_lots = self.in_lots.pop((member_id, unit), None)
            # A wallet that never had a lot is a score's.
            if in_lots is not None and in_lots - debt != balance:
                yield f"balance of {member_id} in {unit}: is not what its lots come to"
        for (member_id, unit), amount in {**self.owed, **self.in_lots}.items():
            if amount:
                yield f"balance of {member_id} in {unit}: there is none, yet it has lots or clawbacks"
