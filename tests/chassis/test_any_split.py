"""With time fixed, any split of any commands into batches gives the same tables, verdicts and events as one by one."""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from services.chassis import ids
from services.chassis.batches import BatchWriter, Entry
from services.chassis.configurations import Configurations
from services.chassis.database import WriteConnection
from services.chassis.errors import Rejection
from services.chassis.feed_batch import FeedBatch, FollowedRecord
from services.chassis.verdicts import OK, Verdict
from tessera.events.v1 import journal_pb2
from tests.chassis.house import connection_to, ledger_database
from tests.chassis.ledger import Explode, Move, Moved, Refuse, Transfer, compile_documents, parse_moved
from tests.chassis.ledger_contract import Balance
from tests.chassis.ledger_lanes import batch_writer, request

NOW = datetime(2026, 1, 1, tzinfo=UTC)
ACCOUNTS = [ids.from_int(number << 16 | number % 2) for number in range(1, 5)]
"""Two in each of two partitions."""

accounts = st.sampled_from(ACCOUNTS)
requests = st.none() | st.builds(request, st.sampled_from("abcde"), st.sampled_from(["body", "body", "other"]))
dry = st.sampled_from([False, False, False, True])
commands = st.one_of(
    st.builds(Move, accounts, st.integers(-20, 40), requests, dry),
    st.builds(Transfer, accounts, accounts, st.integers(0, 20), requests, dry).filter(lambda t: t.source != t.target),
    st.builds(Refuse, accounts, st.just(Rejection("NO", "no")), requests),
    st.builds(Refuse, accounts, st.just(Rejection("LATER", "no", retry_after=timedelta(1))), requests),
    st.builds(Explode, accounts, requests),
    st.tuples(st.sampled_from([0, 1]), st.lists(st.integers(0, 9), min_size=1, max_size=3), st.booleans()),
)
"""The tuples become stretches of a feed: a partition, amounts, and whether the stretch before is handed over again."""

Outcomes = list[object]
Tables = dict[str, Any]


def with_feeds(drawn: Sequence[Any]) -> Iterator[Any]:
    """The commands, with records of a feed in the order of their positions."""
    records: dict[int, list[FollowedRecord]] = {0: [], 1: []}
    for command in drawn:
        if not isinstance(command, tuple):
            yield command
            continue
        partition, amounts, is_repeated = command
        read = records[partition]
        fresh = len(read) - (len(read) and is_repeated)
        read += [
            FollowedRecord(len(read) + n, [Moved(ACCOUNTS[1 - partition], amount, 0)])
            for n, amount in enumerate(amounts, start=1)
        ]
        yield FeedBatch("elsewhere", partition, read[fresh:])


class Books:
    """A ledger that can be emptied and written to."""

    def __init__(self, writer: BatchWriter[Any, Any], connection: asyncpg.Connection) -> None:
        self._writer = writer
        self._connection = connection

    async def after(self, batches: Sequence[Sequence[Any]]) -> tuple[Outcomes, Tables]:
        """What becomes of batches on an empty ledger."""
        await self._connection.execute(
            "TRUNCATE accounts, entries, requests, cursors, journal; "
            "UPDATE head SET position = 0, chain_hash = '', last_at = 'epoch'"
        )
        outcomes = []
        for batch in batches:
            outcomes += await self._writer.write([Entry(command) for command in batch])
        return [_meaning(outcome) for outcome in outcomes], await self._tables()

    async def _tables(self) -> Tables:
        tables: Tables = {
            name: [tuple(row) for row in await self._connection.fetch(f"SELECT * FROM {name} ORDER BY 1, 2, 3")]
            for name in ("accounts", "entries", "cursors")
        }
        rows = await self._connection.fetch("SELECT * FROM requests ORDER BY partition, request_key")
        tables["requests"] = [(*tuple(row)[:4], _meaning(Verdict(row["code"], row["payload"]))) for row in rows]
        records = await self._connection.fetch("SELECT partition, payload FROM journal ORDER BY partition, position")
        tables["events"] = [
            (record["partition"], parse_moved(raw))
            for record in records
            for raw in journal_pb2.Journal.FromString(record["payload"]).events
        ]
        return tables


def _meaning(outcome: object) -> object:
    """An outcome without the position at which it was committed."""
    if not isinstance(outcome, Verdict):
        return type(outcome)
    if outcome.code != OK:
        return outcome.code, outcome.payload
    return outcome.code, Balance.FromString(outcome.payload).balance


@asynccontextmanager
async def empty_books() -> Any:
    async with ledger_database(partitions=2) as dsn, connection_to(dsn) as connection:
        await connection.execute("INSERT INTO clock VALUES (true, $1)", NOW)
        writing = WriteConnection(dsn, "writer")
        yield Books(batch_writer(writing, Configurations(compile_documents), partitions=2), connection)
        await writing.close()


def split(whole: Sequence[Any], sizes: Sequence[int]) -> list[Sequence[Any]]:
    """Batches of these sizes, and one of the rest."""
    batches, first = [], 0
    for size in sizes:
        batches.append(whole[first : first + size])
        first += size
    return [batch for batch in (*batches, whole[first:]) if batch]


def test_any_split_into_batches_is_as_good_as_one_by_one() -> None:
    with asyncio.Runner() as runner:
        opening = empty_books()
        books = runner.run(opening.__aenter__())

        @settings(max_examples=40, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
        @given(st.lists(commands, min_size=2, max_size=24), st.lists(st.integers(1, 8), max_size=6))
        def check(drawn: Sequence[Any], sizes: Sequence[int]) -> None:
            work = list(with_feeds(drawn))
            one_by_one = runner.run(books.after([[command] for command in work]))
            batched = runner.run(books.after(split(work, sizes)))
            assert batched == one_by_one

        try:
            with capture_logs():  # poisoned commands are logged with all that is known of them
                check()
        finally:
            runner.run(opening.__aexit__(None, None, None))
