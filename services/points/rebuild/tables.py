"""The tables that the journal tells in full, and what it says they must hold. Pure."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from services.points import tables
from services.points.ledger.event_rows import Row
from services.points.ledger.replay import Replayed, text_of

_DATABASE_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
_FIRST_DAY = date(1970, 1, 1)


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """A table that is rebuilt."""

    table: sa.Table
    columns: tuple[str, ...]
    """In the order in which ledger/queries.py reads them."""
    rows: Callable[[Replayed], Iterable[Row]]
    """The rows that it must hold."""

    def key(self, row: Row) -> Row:
        """The row's primary key, in its order, without the partition."""
        return tuple(row[self.columns.index(column)] for column in self.keys)

    @property
    def keys(self) -> list[str]:
        """The columns of the primary key, without the partition."""
        return [column.name for column in self.table.primary_key.columns if column.name != "partition"]

    def told(self, replayed: Replayed) -> dict[Row, Row]:
        """The rows that it must hold, by primary key."""
        return {self.key(row): row for row in self.rows(replayed)}

    def difference(self, key: Row, stored: Row | None, told: Row | None) -> str:
        """What is wrong with a row, for people."""
        name = f"{self.table.name} {' '.join(map(_text, key))}"
        if stored is None or told is None:
            return f"{name}: {'is missing' if stored is None else 'is of nothing that the journal tells'}"
        wrong = [
            f"{column} is {_text(is_there)} and must be {_text(must_be)}"
            for column, is_there, must_be in zip(self.columns, stored, told, strict=True)
            if is_there != must_be
        ]
        return f"{name}: {', '.join(wrong)}"

    def to_write(self, row: Row) -> Row:
        """A row as the store takes it: values of the table's columns in its order."""
        values = dict(zip(self.columns, row, strict=True))
        return tuple(
            python_value(column, values[column.name]) for column in self.table.columns if column.name != "partition"
        )

    def keys_to_write(self, rows: Iterable[Row]) -> list[list[Any]]:
        """Primary keys as arrays, one for each column."""
        columns = [self.table.columns[name] for name in self.keys]
        return [[python_value(column, key[number]) for key in rows] for number, column in enumerate(columns)]


def python_value(column: sa.Column[Any], value: Any) -> Any:
    """A value as a statement takes it; raw ones are bytes of IDs and microseconds since 2000."""
    if value is None:
        return None
    if isinstance(column.type, sa.Uuid):
        return UUID(bytes=bytes(value))
    if isinstance(column.type, sa.DateTime):
        return _DATABASE_EPOCH + timedelta(microseconds=value)
    return value


def _text(value: Any) -> str:
    return text_of(value) if isinstance(value, bytes) else str(value)


def _told(rows: Iterable[Row | bytes]) -> Iterator[Row]:
    """Rows of a replay that began at the beginning, so none of them is a digest."""
    for row in rows:
        assert isinstance(row, tuple)
        yield row


def _balances(replayed: Replayed) -> Iterator[Row]:
    owed: dict[tuple[bytes, str], int] = {}
    for clawback in _told(replayed.clawbacks.values()):
        wallet = (clawback[1], clawback[3])
        owed[wallet] = owed.get(wallet, 0) + clawback[7]
    for wallet, (balance, slides_to) in replayed.balances().items():
        yield (*wallet, balance, owed.get(wallet, 0), slides_to)


def _cap_uses(replayed: Replayed) -> Iterator[Row]:
    for member_id, rule, period_start, used in _told(replayed.cap_uses.values()):
        yield member_id, rule, _FIRST_DAY + timedelta(days=period_start), used


LOTS = Rebuilt(
    tables.LOTS,
    (
        *("lot_id", "member_id", "unit", "amount", "remaining", "held", "expired", "available_at", "expires_at"),
        *("funder", "source_id", "account_id", "slides", "origin_lot", "merchant"),
    ),
    lambda replayed: _told(replayed.lots.values()),
)
BALANCES = Rebuilt(tables.BALANCES, ("member_id", "unit", "balance", "debt", "slides_to"), _balances)
LOT_USES = Rebuilt(
    tables.LOT_USES,
    ("user_id", "ordinal", "lot_id", "amount", "refunded"),
    lambda replayed: _told(replayed.uses.values()),
)
CLAWBACKS = Rebuilt(
    tables.CLAWBACKS,
    (*("clawback_id", "member_id", "account_id", "unit", "activity_id", "funder", "amount", "owed", "taken_at"),),
    lambda replayed: _told(replayed.clawbacks.values()),
)
CAP_USES = Rebuilt(tables.CAP_USES, ("member_id", "rule", "period_start", "used"), _cap_uses)
