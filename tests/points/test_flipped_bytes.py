"""Whatever byte somebody changes behind the service's back, the proof of the ledger finds it."""

import contextlib
import random
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

import asyncpg
import pytest

from tessera.points.v1 import points_service_pb2 as pb
from tests.points import eventful
from tests.points.builders import Shop, open_shop

TABLES = (
    *("activities", "refunds", "completions", "parked_refunds", "entries", "lots", "holds", "spends", "gifts"),
    *("adjustments", "partner_conversions", "movements", "clawbacks", "lot_uses", "balances", "journal", "requests"),
)
PARTITION = 5
NOT_PROVEN = {"partition", "created_on"}
"""By these two a row is found at all: the partition, and the month that its table is for."""
SEED = 20_261_123


@pytest.mark.parametrize(
    ("flips", "members"), [(60, 3), pytest.param(1000, 40, marks=pytest.mark.reliability)], ids=["some", "a thousand"]
)
async def test_each_flipped_byte_is_found(flips: int, members: int) -> None:
    chance = random.Random(SEED)
    async with open_shop(*eventful.DOCUMENTS, at=eventful.OPENING) as shop:
        await eventful.live(shop, members, routing=PARTITION)
        assert await findings(shop) == []
        connection = await asyncpg.connect(shop.suite.dsns["points"])
        await connection.execute("ALTER TABLE lots DROP CONSTRAINT lots_within")
        try:
            places = await places_of(connection)
            assert len(places) >= flips
            for table, place in chance.sample(places, flips):
                changed = await flip(connection, table, place, chance)
                assert await findings(shop) != [], f"seed {SEED}: {changed}"
                await put_back(connection, changed)
        finally:
            await connection.close()
        assert await findings(shop) == []


async def findings(shop: Shop) -> list[str]:
    answers = shop.points.VerifyLedger(pb.VerifyLedgerRequest(partition=PARTITION))
    return [finding async for answer in answers for finding in answer.findings]


async def places_of(connection: asyncpg.Connection) -> list[tuple[str, str]]:
    """All rows of the partition, by table and place in it."""
    query = "SELECT tableoid::regclass::text, ctid::text FROM {} WHERE partition = $1"
    return [tuple(row) for table in TABLES for row in await connection.fetch(query.format(table), PARTITION)]


class Flipped(NamedTuple):
    """A value that was changed: where its row is now, and what it was."""

    table: str
    place: str
    column: str
    before: Any


async def flip(connection: asyncpg.Connection, table: str, place: str, chance: random.Random) -> Flipped:
    """Change one bit of one value of a row."""
    row = await connection.fetchrow(f"SELECT * FROM {table} WHERE ctid = $1::text::tid", place)
    values = [(column, value) for column, value in row.items() if column not in NOT_PROVEN and value not in (None, "")]
    while True:
        column, before = chance.choice(values)
        update = f"UPDATE {table} SET {column} = $2 WHERE ctid = $1::text::tid RETURNING ctid::text"
        with contextlib.suppress(asyncpg.UniqueViolationError):  # another row has that key
            return Flipped(table, await connection.fetchval(update, place, flipped(before, chance)), column, before)


async def put_back(connection: asyncpg.Connection, changed: Flipped) -> None:
    update = f"UPDATE {changed.table} SET {changed.column} = $2 WHERE ctid = $1::text::tid"
    await connection.execute(update, changed.place, changed.before)


def flipped(value: Any, chance: random.Random) -> Any:
    """The value with one bit of it changed."""
    match value:
        case bool():
            return not value
        case int():
            return value ^ 1 << chance.randrange(8)
        case bytes():
            place = chance.randrange(len(value))
            return value[:place] + bytes([value[place] ^ 1 << chance.randrange(8)]) + value[place + 1 :]
        case UUID():
            return UUID(bytes=flipped(value.bytes, chance))
        case str():
            place = chance.randrange(len(value))
            return value[:place] + chr(ord(value[place]) ^ 1) + value[place + 1 :]
        case datetime():
            return value + timedelta(microseconds=1 << chance.randrange(40))
        case _:
            raise TypeError(f"no bits of {value!r}")
