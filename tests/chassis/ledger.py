"""A service small enough to know its right answers by heart: accounts, amounts that come and go, and what they come to.

It is a real service to the chassis: tables, operations, documents; ledger_service.py makes it one that can be called.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfo

import asyncpg
import sqlalchemy as sa

from services.chassis import cel, ids
from services.chassis.batches import Outcome
from services.chassis.documents import Document, Mistakes, Spec, parse_specs
from services.chassis.errors import Rejection, from_status
from services.chassis.feed_batch import FeedBatch
from services.chassis.idempotency import Request
from services.chassis.operations import Decided, Decision, Forwarded, Moment, Operations, Wider
from services.chassis.tables import UPSERT, chassis_tables
from services.chassis.verdicts import OK, Verdict
from tests.chassis.ledger_contract import Balance

METADATA = sa.MetaData()
chassis_tables(METADATA)
ACCOUNTS = sa.Table(
    "accounts",
    METADATA,
    sa.Column("partition", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("account_id", sa.Uuid, primary_key=True),
    sa.Column("balance", sa.BigInteger, nullable=False),
    sa.Column("entries", sa.BigInteger, nullable=False),
    info=UPSERT,
)
ENTRIES = sa.Table(
    "entries",
    METADATA,
    sa.Column("partition", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("account_id", sa.Uuid, primary_key=True),
    sa.Column("number", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("amount", sa.BigInteger, nullable=False),
    sa.Column("booked_at", sa.DateTime(timezone=True), nullable=False),
    sa.Column("config_version", sa.BigInteger, nullable=False),
    sa.Column("settings", sa.Text, nullable=False),
)


class SettingSpec(Spec):
    """A number that entries note, and optionally a condition that an amount must meet."""

    value: int
    condition: str = "true"


class CalendarSpec(Spec):
    """A zone at whose midnights the job books."""

    zone: str


@dataclass(frozen=True, slots=True)
class LedgerConfig:
    """What the documents say."""

    settings: Mapping[str, int]
    conditions: Sequence[tuple[str, cel.Condition]]
    zone: ZoneInfo | None

    def text(self) -> str:
        return " ".join(f"{name}={value}" for name, value in sorted(self.settings.items()))


_CONDITIONS = cel.Conditions({"amount": cel.INT, "account": cel.STRING})


def compile_documents(documents: Sequence[Document]) -> LedgerConfig:
    """The configuration; all mistakes of all expressions together."""
    mistakes = Mistakes()
    specs = parse_specs(documents, {"setting": SettingSpec, "calendar": CalendarSpec}, mistakes)
    mistakes.check()
    conditions = []
    for code, setting in specs["setting"].items():
        try:
            conditions.append((code, _CONDITIONS.compile(setting.condition)))
        except cel.ExpressionError as error:
            mistakes.add_expression(f"setting/{code}.condition", str(error))
    mistakes.check()
    zones = [ZoneInfo(calendar.zone) for calendar in specs["calendar"].values()]
    return LedgerConfig(
        {code: setting.value for code, setting in specs["setting"].items()}, conditions, zones[0] if zones else None
    )


@dataclass(frozen=True, slots=True)
class Move:
    """Book an amount on an account; it may not take more than there is."""

    account: UUID
    amount: int
    request: Request | None = None
    validate_only: bool = False

    @property
    def owners(self) -> tuple[int, ...]:
        return (ids.routing_of(self.account),)

    @property
    def moves(self) -> tuple[tuple[UUID, int], ...]:
        return ((self.account, self.amount),)


@dataclass(frozen=True, slots=True)
class Transfer:
    """Move an amount from one account to another."""

    source: UUID
    target: UUID
    amount: int
    request: Request | None = None
    validate_only: bool = False

    @property
    def owners(self) -> tuple[int, ...]:
        return (ids.routing_of(self.source), ids.routing_of(self.target))

    @property
    def moves(self) -> tuple[tuple[UUID, int], ...]:
        return ((self.source, -self.amount), (self.target, self.amount))


@dataclass(frozen=True, slots=True)
class TopUp:
    """Bring an account to a balance. What it has not comes from a reserve, which only then has to be locked as well."""

    account: UUID
    balance: int
    reserve: UUID
    request: Request | None = None
    validate_only: bool = False

    @property
    def owners(self) -> tuple[int, ...]:
        return (ids.routing_of(self.account),)

    @property
    def moves(self) -> tuple[tuple[UUID, int], ...]:
        return ((self.account, 0),)

    def decide(self, state: "LedgerState", moment: Moment[LedgerConfig]) -> Decided:
        missing = self.balance - state.account(self.account).balance
        if missing <= 0:
            return _book(state, self, moment)
        if state.partition_of(self.reserve) not in moment.positions:
            return Wider(Move(self.reserve, -missing))
        return _book(state, Transfer(self.reserve, self.account, missing), moment)


@dataclass(frozen=True, slots=True)
class Refuse:
    """Be refused, in a way that the test chooses; counts how often it was decided."""

    account: UUID
    rejection: Rejection
    request: Request | None = None
    validate_only: bool = False
    decided: list[datetime] = field(default_factory=list, compare=False)

    @property
    def owners(self) -> tuple[int, ...]:
        return (ids.routing_of(self.account),)


@dataclass(frozen=True, slots=True)
class MoveFor:
    """Move points of an account that leads to another one now."""

    account: UUID
    leads_to: UUID
    amount: int
    request: Request | None = None
    validate_only: bool = False

    @property
    def owners(self) -> tuple[int, ...]:
        return (ids.routing_of(self.account),)


@dataclass(frozen=True, slots=True)
class MoveHere:
    """Move points on behalf of another account, which knows the request."""

    sent_to: UUID
    account: UUID
    amount: int
    request: Request | None = None
    validate_only: bool = False

    @property
    def owners(self) -> tuple[int, ...]:
        return (ids.routing_of(self.sent_to), ids.routing_of(self.account))

    @property
    def moves(self) -> tuple[tuple[UUID, int], ...]:
        return ((self.account, self.amount),)


@dataclass(frozen=True, slots=True)
class Explode:
    """Fail for a reason that nobody foresaw."""

    account: UUID
    request: Request | None = None
    validate_only: bool = False

    @property
    def owners(self) -> tuple[int, ...]:
        return (ids.routing_of(self.account),)


class AccountRow(NamedTuple):
    account_id: UUID
    balance: int
    entries: int


class EntryRow(NamedTuple):
    account_id: UUID
    number: int
    amount: int
    booked_at: datetime
    config_version: int
    settings: str


class Moved(NamedTuple):
    """What the feed tells of one entry."""

    account: UUID
    amount: int
    balance: int

    def serialized(self) -> bytes:
        return self.account.bytes + self.amount.to_bytes(8, "big", signed=True) + self.balance.to_bytes(8, "big")


def parse_moved(raw: bytes) -> Moved:
    return Moved(
        ids.from_bytes(raw[:16]), int.from_bytes(raw[16:24], "big", signed=True), int.from_bytes(raw[24:], "big")
    )


class LedgerState:
    """Accounts as a batch loads and changes them."""

    def __init__(self, partitions: int) -> None:
        self._mask = partitions - 1
        self.accounts: dict[UUID, AccountRow] = {}
        self.changed: set[UUID] = set()
        self.entries: list[EntryRow] = []
        self.told: list[Moved] = []

    def account(self, account: UUID) -> AccountRow:
        return self.accounts.get(account) or AccountRow(account, 0, 0)

    def rows(self, partition: int) -> dict[str, list[tuple[Any, ...]]]:
        return {
            "accounts": [self.accounts[account] for account in sorted(self.changed) if self._is_in(account, partition)],
            "entries": [entry for entry in self.entries if self._is_in(entry.account_id, partition)],
        }

    def events(self, partition: int) -> list[bytes]:
        return [moved.serialized() for moved in self.told if self._is_in(moved.account, partition)]

    def partition_of(self, account: UUID) -> int:
        return ids.routing_of(account) & self._mask

    def _is_in(self, account: UUID, partition: int) -> bool:
        return self.partition_of(account) == partition


@dataclass(frozen=True, slots=True)
class Booking:
    """What was decided: entries, and whether the feed tells of them."""

    entries: Sequence[EntryRow]
    accounts: Sequence[AccountRow]
    is_told: bool


async def load(connection: asyncpg.Connection, partition: int, commands: Sequence[Any], state: LedgerState) -> None:
    """One statement for all commands."""
    wanted = {account for command in commands for account, _ in _moves(command)}
    rows = await connection.fetch(
        "SELECT account_id, balance, entries FROM accounts WHERE partition = $1 AND account_id = ANY($2)",
        partition,
        list(wanted),
    )
    state.accounts |= {row["account_id"]: AccountRow(*row) for row in rows}


def _moves(command: Any) -> Sequence[tuple[UUID, int]]:
    if isinstance(command, FeedBatch):
        return [(moved.account, moved.amount) for record in command.records for moved in record.events]
    return getattr(command, "moves", ())


def decide(state: LedgerState, command: Any, moment: Moment[LedgerConfig]) -> Decided:
    if isinstance(command, Refuse):
        command.decided.append(moment.at)
        return command.rejection
    if isinstance(command, Explode):
        raise ZeroDivisionError("the account with the secret number 4711 exploded")
    if isinstance(command, TopUp):
        return command.decide(state, moment)
    if isinstance(command, MoveFor):
        return Forwarded(MoveHere(command.account, command.leads_to, command.amount, command.request))
    return _book(state, command, moment)


def _book(state: LedgerState, command: Any, moment: Moment[LedgerConfig]) -> Decided:
    accounts: dict[UUID, AccountRow] = {}
    entries = []
    for account, amount in _moves(command):
        before = accounts.get(account) or state.account(account)
        if before.balance + amount < 0:
            return Rejection("INSUFFICIENT", "there is less", metadata={"balance": str(before.balance)})
        for name, condition in moment.config.conditions:
            if not condition.holds({"amount": amount, "account": str(account)}):
                return Rejection("NOT_ALLOWED", f"setting {name} does not allow it")
        after = AccountRow(account, before.balance + amount, before.entries + 1)
        accounts[account] = after
        entries.append(EntryRow(account, after.entries, amount, moment.at, moment.config_version, moment.config.text()))
    booking = Booking(entries, list(accounts.values()), is_told=not isinstance(command, FeedBatch))
    return Decision(booking, lambda: _answer(booking, state.partition_of(entries[0].account_id), moment))


def _answer(booking: Booking, partition: int, moment: Moment[LedgerConfig]) -> bytes:
    """The balance of the account that a command names first, and where it is committed."""
    answer: bytes = Balance(
        balance=booking.accounts[0].balance, position=moment.positions[partition]
    ).SerializeToString()
    return answer


def apply(state: LedgerState, outcome: Booking, moment: Moment[LedgerConfig]) -> None:
    for account in outcome.accounts:
        state.accounts[account.account_id] = account
        state.changed.add(account.account_id)
    state.entries.extend(outcome.entries)
    if outcome.is_told:
        balances = {account.account_id: account.balance for account in outcome.accounts}
        state.told.extend(
            Moved(entry.account_id, entry.amount, balances[entry.account_id]) for entry in outcome.entries
        )


def operations(partitions: int = 8) -> Operations[LedgerState, LedgerConfig]:
    return Operations(new_state=lambda config: LedgerState(partitions), load=load, decide=decide, apply=apply)


def balance_of(outcome: Outcome) -> int:
    """The balance that an accepted command answered."""
    assert isinstance(outcome, Verdict), outcome
    assert outcome.code == OK, outcome.status()
    return int(Balance.FromString(outcome.payload).balance)


def reason_of(outcome: Outcome) -> str:
    """Why a command was refused."""
    assert isinstance(outcome, Verdict), outcome
    assert outcome.code != OK, "the command was accepted"
    return from_status(outcome.status()).reason
