"""Databases and running services of the ledger, and the proof that its books are sound."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import asyncpg

from services.chassis import ids
from services.chassis.idempotency import maintain_months
from services.chassis.journal import chain
from tessera.events.v1 import journal_pb2
from tests.chassis.ledger import METADATA, parse_moved
from tests.chassis.ledger_contract import SERVICE, Balance, GetBalanceRequest, MoveRequest
from tests.chassis.ledger_lanes import PARTITIONS
from tests.chassis.ledger_service import DEFINITIONS
from tests.chassis.patience import until
from tests.support import postgres
from tests.support.suite import Suite, start_suite

_BLOCKED = """
    SELECT count(*)
    FROM pg_stat_activity
    WHERE datname = current_database()
      AND wait_event_type = 'Lock'
"""


@asynccontextmanager
async def ledger_database(partitions: int = PARTITIONS) -> AsyncIterator[str]:
    """The DSN of a fresh ledger database."""
    dsn = await postgres.new_database("ledger", partitions, METADATA)
    try:
        async with connection_to(dsn) as connection:
            await maintain_months(connection)
        yield dsn
    finally:
        await postgres.drop_database(dsn)


@asynccontextmanager
async def connection_to(dsn: str) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(dsn)
    try:
        yield connection
    finally:
        await connection.close()


@asynccontextmanager
async def held(dsn: str, partition: int) -> AsyncIterator[None]:
    """Somebody else holds the head of a partition while the block lasts."""
    async with connection_to(dsn) as connection, connection.transaction():
        await connection.execute("SELECT 1 FROM head WHERE partition = $1 FOR UPDATE", partition)
        yield


async def until_blocked(dsn: str) -> None:
    """Until a lane waits for a head that is `held`."""
    async with connection_to(dsn) as connection:
        await until(lambda: connection.fetchval(_BLOCKED))


@dataclass(frozen=True, slots=True)
class Calls:
    """The ledger's methods on one service of a suite, as one caller."""

    suite: Suite
    service: str = "ledger"
    caller: str = "operator"

    def __call__(self, method: str, message: Any, **options: Any) -> Any:
        stub = self.suite.channel(self.service, self.caller).unary_unary(
            f"/{SERVICE}/{method}", type(message).SerializeToString, Balance.FromString
        )
        return stub(message, **{"timeout": 10, **options})

    def move(self, to: Any, amount: int, name: str, *, method: str = "Move", at_least: Any = (), **options: Any) -> Any:
        message = MoveRequest(
            request_id=name, account=ids.encode("account", to), amount=amount, at_least=at_least, **_dry(options)
        )
        return self(method, message, **options)

    def balance(self, of: Any, at_least: Any = (), **options: Any) -> Any:
        return self("GetBalance", GetBalanceRequest(account=ids.encode("account", of), at_least=at_least), **options)


def _dry(options: dict[str, Any]) -> dict[str, bool]:
    return {"validate_only": options.pop("validate_only", False)}


@asynccontextmanager
async def ledger_suite(*services: str, **overrides: Any) -> AsyncIterator[Suite]:
    """A running ledger, or a ledger and its mirror."""
    async with start_suite(*(services or ("ledger",)), doubles=DEFINITIONS, **overrides) as suite:
        yield suite


async def assert_sound(dsn: str) -> dict[Any, int]:
    """Every partition's journal has no gap and an intact chain, and tables and journal tell the same; the balances."""
    async with connection_to(dsn) as connection:
        heads = await connection.fetch("SELECT partition, position, chain_hash, last_at FROM head")
        told: dict[Any, int] = {}
        for head in heads:
            told |= await _assert_chain(connection, head)
        accounts = await connection.fetch("SELECT account_id, balance, entries FROM accounts")
        sums = await connection.fetch(
            "SELECT account_id, sum(amount)::bigint, count(*), max(number) FROM entries GROUP BY account_id"
        )
    assert {row[0]: (row[1], row[2], row[2]) for row in accounts} == {row[0]: tuple(row)[1:] for row in sums}
    assert told == {row["account_id"]: row["balance"] for row in accounts}
    return told


async def _assert_chain(connection: asyncpg.Connection, head: asyncpg.Record) -> dict[Any, int]:
    """Returns what the journal says the balances are."""
    balances: dict[Any, int] = {}
    previous_hash, previous_at, position = b"", None, 0
    rows = await connection.fetch("SELECT * FROM journal WHERE partition = $1 ORDER BY position", head["partition"])
    for position, row in enumerate(rows, start=1):
        assert row["position"] == position, "a gap in the journal"
        assert row["chain_hash"] == chain(previous_hash, position, row["payload"]), "the chain is broken"
        assert previous_at is None or row["recorded_at"] >= previous_at, "time ran against position"
        previous_hash, previous_at = row["chain_hash"], row["recorded_at"]
        for raw in journal_pb2.Journal.FromString(row["payload"]).events:
            moved = parse_moved(raw)
            balances[moved.account] = balances.get(moved.account, 0) + moved.amount
            assert balances[moved.account] == moved.balance, "the journal does not add up"
    assert (head["position"], head["chain_hash"]) == (position, previous_hash), "the head is not the journal's last"
    return balances
