"""A version comes into force in all partitions at once, each at one exact position, whoever writes meanwhile."""

import asyncio
import itertools

from grpc import StatusCode
from pydantic import SecretStr

from services.chassis.lanes import Lanes
from tessera.events.v1 import journal_pb2
from tests.chassis.cutter import wire_to
from tests.chassis.edge import refusal
from tests.chassis.house import assert_sound, connection_to, ledger_suite
from tests.chassis.ledger import Move, Transfer, balance_of
from tests.chassis.ledger_lanes import PARTITIONS, Batches, account, open_lanes
from tests.chassis.patience import until
from tests.chassis.publishing import in_force, publish, setting

ACCOUNTS = [account(number % PARTITIONS) for number in range(2 * PARTITIONS)]
VERSIONS = 6


async def write(lanes: Lanes, stop: asyncio.Event) -> None:
    """Work in every partition and between them, until told to stop."""
    for source, target in itertools.cycle(zip(ACCOUNTS, ACCOUNTS[3:] + ACCOUNTS[:3], strict=True)):
        for outcome in await lanes.submit([Move(source, 2), Transfer(source, target, 1)]):
            balance_of(outcome)
        if stop.is_set():
            return


async def test_no_writer_of_any_process_ever_sees_half_of_a_version() -> None:
    batches = Batches()
    async with ledger_suite() as suite, open_lanes(suite.dsns["ledger"], batches=batches) as other_process:
        stop = asyncio.Event()
        writers = [
            asyncio.create_task(write(lanes, stop)) for lanes in (suite.lanes("ledger"), other_process) for _ in "ab"
        ]
        for value in range(1, VERSIONS + 1):
            await publish(suite, setting("left", value), setting("right", value))
            written = len(batches.sizes)
            await until(lambda: len(batches.sizes) > written + PARTITIONS)  # noqa: B023  # it is awaited here
        stop.set()
        await asyncio.gather(*writers)
        await assert_sound(suite.dsns["ledger"])
        async with connection_to(suite.dsns["ledger"]) as connection:
            seen = await connection.fetch("SELECT DISTINCT settings, config_version FROM entries ORDER BY 2")
            records = await connection.fetch("SELECT partition, payload FROM journal ORDER BY partition, position")
    whole = {("" if value == 0 else f"left={value} right={value}", value) for value in range(VERSIONS + 1)}
    assert {tuple(row) for row in seen} <= whole, "half of a version, or the wrong one"
    assert len(seen) >= VERSIONS, "the writers were not there when it was published"
    for partition in range(PARTITIONS):
        used = [
            journal_pb2.Journal.FromString(record["payload"]).config_version
            for record in records
            if record["partition"] == partition
        ]
        assert used == sorted(used), "a partition went back to an old version"


async def test_a_write_after_the_answer_uses_what_was_published() -> None:
    async with ledger_suite() as suite:
        for value in range(1, 4):
            version = (await publish(suite, setting("a", value))).version
            await suite.lanes("ledger").submit([Move(account, 1) for account in ACCOUNTS])
            async with connection_to(suite.dsns["ledger"]) as connection:
                used = await connection.fetch("SELECT settings FROM entries WHERE config_version = $1", version)
            assert [row["settings"] for row in used] == [f"a={value}"] * len(ACCOUNTS)


async def test_an_unknown_commit_of_a_version_is_unavailable_and_the_retry_settles_it() -> None:
    async with ledger_suite() as suite, wire_to(suite.dsns["ledger"]) as wire:
        await suite.stop("ledger")
        await suite.start("ledger", database_dsn=SecretStr(wire.dsn))
        await suite.channel("ledger").channel_ready()
        for value, side in enumerate(("before", "after"), start=1):
            wire.cut_next_commit(side)
            refused = await refusal(publish(suite, setting("a", value), request_id=side))
            assert (refused.code, refused.reason) == (StatusCode.UNAVAILABLE, "COMMIT_UNKNOWN")
            assert (await publish(suite, setting("a", value), request_id=side)).version == value
            assert await in_force(suite) == {"a": value}
        await suite.stop("ledger")
