"""A wallet while a command is decided on it."""

from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from services.points.piles import Pile
from services.points.values import Balance, CapKey, Clawback, Entry, EntryKind, Hold, Lot, Movement, Spend


@dataclass(slots=True)
class Wallet:
    """A member's wallet of one unit while a command is decided on it: what it was, and what it becomes.

    A copy that rules change freely; nothing of it counts until it is applied. `clawbacks` are those that are not paid.
    """

    member_id: UUID
    unit: str
    balance: Balance
    lots: dict[UUID, Lot]
    holds: dict[UUID, Hold]
    clawbacks: dict[UUID, Clawback] = field(default_factory=dict)
    entries: list[Entry] = field(default_factory=list)
    spends: list[Spend] = field(default_factory=list)
    movements: list[Movement] = field(default_factory=list)
    cap_uses: dict[CapKey, int] = field(default_factory=dict)
    """How much of caps is used now, where that changed."""
    pile: Pile | None = None
    """The lots as they were; made of `lots` when it is first asked for, where none was given."""
    others: tuple["Wallet", ...] = ()
    """Wallets of the same person that changed because this one is drawn on."""
    elsewhere: int = 0
    """What other wallets of the same person come to, where it is asked how much more the person may have."""
    changed_lots: set[UUID] = field(default_factory=set)
    changed_holds: set[UUID] = field(default_factory=set)
    changed_clawbacks: set[UUID] = field(default_factory=set)

    def put_lot(self, lot: Lot) -> None:
        """Note a lot as it becomes."""
        self.lots[lot.lot_id] = lot
        self.changed_lots.add(lot.lot_id)

    def put_hold(self, hold: Hold) -> None:
        """Note a hold as it becomes."""
        self.holds[hold.hold_id] = hold
        self.changed_holds.add(hold.hold_id)

    def put_clawback(self, clawback: Clawback) -> None:
        """Note a clawback as it becomes."""
        self.clawbacks[clawback.clawback_id] = clawback
        self.changed_clawbacks.add(clawback.clawback_id)

    def book(
        self, kind: EntryKind, amount: int, counterparty: str, at: datetime, source_id: UUID, account_id: UUID | None
    ) -> None:
        """Move points between the wallet and another ledger account."""
        balance = self.balance.balance + amount
        self.balance = self.balance._replace(balance=balance)
        self.entries.append(
            Entry(self.member_id, self.unit, kind, amount, balance, counterparty, at, account_id, source_id)
        )

    def pile_before(self) -> Pile:
        """The lots as they were but for `changed_lots`, arranged."""
        if self.pile is None:
            self.pile = Pile(dict(self.lots))
        return self.pile
