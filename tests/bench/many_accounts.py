"""5,000,000 accounts of 1,000,000 members, written straight into the tables of identity, with the keys of the bench.

What resolving reads is as the service writes it; what is sealed is not read by it, and is as long as it would be.
"""

from datetime import UTC, datetime
from typing import Any

import asyncpg

from services.chassis import ids
from services.identity.tables import METADATA
from services.identity.values import Route, Status, route_key
from services.identity.vault import Vault
from services.identity.wire import route_reply
from tests.bench.history import warm, without_indexes
from tests.bench.machine import Machine
from tests.bench.population import ACCOUNT_BIT, DOMAIN, ID_PREFIX
from tests.bench.resolving import external_id

MEMBERS = 1_000_000
OF_EACH = 5
ACCOUNTS = MEMBERS * OF_EACH

_MEMBERS_A_STEP = 20_000
_TABLES = ("members", "accounts", "routes")
_ACCOUNT_STEP = 1 << 40
_PREFIX_BITS = int(ID_PREFIX.replace("-", ""), 16) << 48
_SEALED_ID, _SEALED_KEY = bytes(12 + 16 + 16), bytes(12 + 32 + 16)

Rows = dict[str, list[tuple[Any, ...]]]
"""By table."""


async def fill_many(machine: Machine, dsn: str) -> None:
    """All members with their accounts, each with a route."""
    vault = Vault(bytes.fromhex(machine.secrets["blind_index_key"]))
    connection = await asyncpg.connect(dsn)
    try:
        partitions = await connection.fetchval("SELECT count(*) FROM head WHERE partition >= 0")
        async with without_indexes(connection, _TABLES):
            for first in range(0, MEMBERS, _MEMBERS_A_STEP):
                machine.say(f"filling {first * OF_EACH:,} of {ACCOUNTS:,} accounts")
                rows = _rows(vault, partitions, range(first, first + _MEMBERS_A_STEP))
                for table, records in rows.items():
                    columns = METADATA.tables[table].columns.keys()
                    await connection.copy_records_to_table(table, records=records, columns=columns)
            machine.say("making indexes")
        await connection.execute("VACUUM (FREEZE, ANALYZE)")
    finally:
        await connection.close()
    await warm(dsn)


def _rows(vault: Vault, partitions: int, numbers: range) -> Rows:
    rows: Rows = {table: [] for table in _TABLES}
    now = datetime.now(UTC)
    for number in numbers:
        accounts = range(number * OF_EACH, (number + 1) * OF_EACH)
        keys = [route_key(vault.blind_index(DOMAIN, external_id(account)), partitions) for account in accounts]
        home = keys[0].partition
        member_id = ids.from_int(_PREFIX_BITS | number << ids.ROUTING_BITS | keys[0].routing)
        rows["members"].append((home, member_id, 1, now, 1, _SEALED_KEY, b"", None, None, b""))
        for ordinal, key in enumerate(keys):
            account_id = ids.from_int(member_id.int | ACCOUNT_BIT | ordinal * _ACCOUNT_STEP)
            account = (home, account_id, member_id, DOMAIN, key.blind_index, _SEALED_ID, True, now, None, member_id)
            route = Route(key.partition, key.blind_index, account_id, member_id, Status.ACTIVE, enrolled_by=0)
            rows["accounts"].append(account)
            rows["routes"].append(
                (key.partition, key.blind_index, account_id, member_id, Status.ACTIVE, 0, route_reply(route))
            )
    return rows
