"""The plain values that points reckons with."""

from dataclasses import dataclass
from datetime import UTC, date, datetime
from enum import IntEnum
from typing import NamedTuple
from uuid import UUID


class EntryKind(IntEnum):
    """Why points moved; the numbers of `tessera.points.v1.EntryKind`."""

    EARN = 1
    SPEND = 2
    REFUND = 3
    EXPIRE = 4
    REFUND_EXPIRED = 5
    CLAWBACK = 6
    FORGIVE = 7
    CASH_DEDUCTION = 8
    GRANT = 20
    FORFEIT = 21
    CONVERT_OUT = 22
    CONVERT_IN = 23
    GIFT_OUT = 33
    GIFT_IN = 34
    ADJUST = 35
    PARTNER_OUT = 36
    PARTNER_IN = 37
    ADJUST_SCORE = 38
    MERGE_OUT = 39
    MERGE_IN = 40


BREAKAGE = "breakage"
REDEMPTION = "redemption"
FORGIVENESS = "forgiveness"
CASH_DEDUCTION = "cash-deduction"
FORFEITURE = "forfeiture"
CLEARING = "clearing"
ADJUSTMENT = "adjustment"
GIFT_HOLDS = "gift "
"""What the domain of a hold begins with that offers a gift: no domain has a space in its code."""


def funder_account(funder: str) -> str:
    """The ledger account of a funder: what it owes for points that members hold."""
    return f"funder:{funder}"


def exchange_account(conversion: str) -> str:
    """The ledger account of a conversion: the other side of what it takes of one unit and gives of another."""
    return f"exchange:{conversion}"


def partner_account(partner: str) -> str:
    """The ledger account of a partner: the other side of what is converted to and from its units."""
    return f"partner:{partner}"


class Account(NamedTuple):
    """A member's account in a domain, as identity told it: a row of its table, in the table's order."""

    account_id: UUID
    member_id: UUID
    domain: str
    linked: bool


class Balance(NamedTuple):
    """What the entries of a wallet come to. `balance` = lots − `debt`."""

    balance: int = 0
    debt: int = 0
    slides_to: datetime | None = None


EMPTY_BALANCE = Balance()


UNTIL_COMPLETED = datetime(9999, 1, 1, tzinfo=UTC)
"""When a lot can be spent that waits for its activity to be completed: after anything that can be asked for."""


class Lot(NamedTuple):
    """Points received at once from one funder: `amount` = `remaining` + `held` + `expired` + what was used.

    What was forfeited counts as `expired`: neither is taken twice when its activity is reversed.

    A lot that `slides` expires with its wallet's `slides_to`, and not before its own `expires_at`; another one at its
    `expires_at`, None being never. `origin_lot` is the lot whose points a refund restored with a new expiry, `merchant`
    the only one it can be spent at. A row of its table, in the table's order.
    """

    member_id: UUID
    lot_id: UUID
    unit: str
    amount: int
    remaining: int
    held: int
    expired: int
    available_at: datetime
    expires_at: datetime | None
    funder: str
    source_id: UUID
    account_id: UUID | None
    slides: bool = False
    origin_lot: UUID | None = None
    merchant: str | None = None


@dataclass(frozen=True, slots=True)
class LotUse:
    """A part of a lot that a hold holds, or that a spend, clawback or movement took; `refunded` of it came back."""

    lot_id: UUID
    amount: int
    refunded: int = 0


@dataclass(frozen=True, slots=True)
class Hold:
    """Points put aside. `state` is open, captured, released or expired."""

    hold_id: UUID
    member_id: UUID
    account_id: UUID
    domain: str
    unit: str
    amount: int
    captured: int
    state: str
    reference: str
    placed_at: datetime
    expires_at: datetime
    closed_at: datetime | None
    uses: tuple[LotUse, ...]
    order_minor: int | None = None
    """The money of the order, where one was named."""


@dataclass(frozen=True, slots=True)
class Spend:
    """Points used. `uses` in the order in which lots burnt."""

    spend_id: UUID
    member_id: UUID
    account_id: UUID
    domain: str
    unit: str
    amount: int
    refunded: int
    reference: str
    spent_at: datetime
    uses: tuple[LotUse, ...]
    order_minor: int | None = None
    order_returned: int | None = None
    """The money of the order, where one was named, and how much of it was returned, once some was."""
    pooled_spend_id: UUID | None = None
    """The pooled spend that it is a contribution to."""


@dataclass(frozen=True, slots=True)
class Gift:
    """Points that one member gives to another; it belongs to the giver's partition.

    `state` is offered, accepted, declined or cancelled. `uses` are the giver's lots that it came from, in the order in
    which they burnt: none until it moves.
    """

    gift_id: UUID
    member_id: UUID
    account_id: UUID
    domain: str
    to_member_id: UUID
    to_account_id: UUID
    to_domain: str
    unit: str
    amount: int
    state: str
    reference: str
    given_at: datetime
    expires_at: datetime | None
    closed_at: datetime | None
    uses: tuple[LotUse, ...]


@dataclass(frozen=True, slots=True)
class Adjustment:
    """A wallet corrected by hand; `amount` is below zero when it takes.

    `state` is proposed, applied or rejected. `uses` are the lots that it took from, in the order in which they burnt.
    `effective_at` is when a score counts: None for points, and before it is applied where it was not given.
    """

    adjustment_id: UUID
    member_id: UUID
    account_id: UUID
    domain: str
    unit: str
    amount: int
    cause: str
    funder: str
    state: str
    requested_by: str
    requested_at: datetime
    resolved_by: str
    resolved_at: datetime | None
    effective_at: datetime | None
    uses: tuple[LotUse, ...]


@dataclass(frozen=True, slots=True)
class Clawback:
    """What reversing an activity took back of one unit for one funder; `owed` of it was not there and is not paid yet.

    `uses` in the order in which it was taken, and paid.
    """

    clawback_id: UUID
    member_id: UUID
    account_id: UUID
    unit: str
    activity_id: UUID
    funder: str
    amount: int
    owed: int
    taken_at: datetime
    uses: tuple[LotUse, ...]


@dataclass(frozen=True, slots=True)
class Movement:
    """A grant, a forfeit, a conversion, or points that go from one member to another with whom it was merged (`kind`
    GRANT, FORFEIT, CONVERT_OUT, MERGE_OUT or MERGE_IN); it never changes.

    `amount` of `unit` moved; a `conversion` made `credited` of another unit of it, and what came in by a merge is
    `credited`, too. `uses` in the order in which lots burnt.
    """

    movement_id: UUID
    member_id: UUID
    account_id: UUID | None
    domain: str
    kind: EntryKind
    unit: str
    amount: int
    moved_at: datetime
    reference: str
    reason: str = ""
    conversion: str = ""
    credited: int = 0
    uses: tuple[LotUse, ...] = ()


class Entry(NamedTuple):
    """A movement between a wallet and another ledger account; `amount` is what the wallet got.

    A row of its table, in the table's order, without what the batch says of it.
    """

    member_id: UUID
    unit: str
    kind: EntryKind
    amount: int
    balance_after: int
    counterparty: str
    effective_at: datetime
    account_id: UUID | None
    source_id: UUID
    level: str = ""


class Booked(NamedTuple):
    """An entry of kind "earn", the lot that it opened (a score has none), and the balance after."""

    entry: Entry
    lot: Lot | None
    balance: Balance


class CapKey(NamedTuple):
    """A rule's cap for one member in one period; `rule` is the code of an earn rule, `conversion:` and a code,
    `spending:` and a unit, or `order:` and a unit, a domain and the digest of the order's reference."""

    member_id: UUID
    rule: str
    period_start: date


class ActivityRow(NamedTuple):
    """A recorded activity: a row of its table, in the table's order."""

    activity_id: UUID
    natural_key: UUID
    member_id: UUID
    effective_at: datetime
    fingerprint: bytes
    body: bytes
    answer: bytes
    lines: int
    reversed_at: datetime | None


class RefundRow(NamedTuple):
    """A recorded refund of an activity, the `ordinal`-th from 0: a row of its table, in the table's order.

    `answer` is the first answer, and what is kept of it; `reference` is empty for a reversal.
    """

    activity_id: UUID
    ordinal: int
    member_id: UUID
    reference: str
    fingerprint: bytes
    answer: bytes
    refunded_at: datetime


class Completion(NamedTuple):
    """That an activity was completed: a row of its table, in the table's order.

    What was known before it was recorded leaves out what it released. Older ones say neither.
    """

    activity_id: UUID
    member_id: UUID
    completed_at: datetime
    recorded_at: datetime | None
    released: bytes | None
    """The IDs of the lots that it released, 16 bytes each; None when there are none."""


class ParkedState(IntEnum):
    """Where a parked refund stands; the numbers of `tessera.points.v1.ParkedRefundState`."""

    PARKED = 1
    APPLIED = 2
    DEAD = 3
    DISCARDED = 4


class ParkedRefund(NamedTuple):
    """A refund that arrived before its activity, the `ordinal`-th of that: a row of its table, in the table's order.

    `activity_reference` is the domain's name of the activity, `reference` that of the refund, `body` the serialised
    `ActivityRefund`, `answer` the first answer, `reason` why it stands so. Without a `reference` it is a completion,
    and `body` the serialised `Timestamp` of that.
    """

    parked_refund_id: UUID
    natural_key: UUID
    ordinal: int
    member_id: UUID
    domain: str
    type: str
    activity_reference: str
    reference: str
    body: bytes
    answer: bytes
    state: int
    reason: str
    parked_at: datetime
    closed_at: datetime | None
