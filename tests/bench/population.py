"""Whom the rows are about: 100,000 members by number, written straight into the projections, and their documents.

A member's number says its ID, so that scripts of pgbench find the same members as our requests do.
"""

import random
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any
from uuid import UUID

import asyncpg
from google.protobuf import struct_pb2

from services.chassis import ids
from tessera.client import Client
from tessera.config.v1 import config_service_pb2

MEMBERS = 100_000
WITH_WALLET = 50_000
"""The first so many have a wallet; the ledger has never seen the others."""
SEED = 20_160_101
DOMAIN = "fuel"
ACTIVE = 1

ID_PREFIX = "01990000-0000-7000-8000-"
"""The first 80 bits of all IDs, as text."""
ROUTING_FACTOR = 40_503
ACCOUNT_BIT = 1 << 44

LOTS = (100, 100, 1_000_000)
"""What each wallet holds, the first to expire first: most spends burn two of them."""

_PREFIX_BITS = int(ID_PREFIX.replace("-", ""), 16) << 48
_PROGRAMME = {"name": "Bench", "time_zone": "Asia/Shanghai", "currency": "CNY"}
_EXPIRY = {"policy": "end-of-month", "months": 1}
DOCUMENTS: tuple[tuple[str, str, dict[str, Any]], ...] = (
    ("programme", "bench", _PROGRAMME),
    ("unit", "points", {"name": "Points", "kind": "spendable", "expiry": _EXPIRY}),
    ("unit", "score", {"name": "Score", "kind": "qualifying"}),
    ("earn-rule", "point-per-yuan", {"unit": "points", "rate": "0.01"}),
    ("earn-rule", "score-per-fen", {"unit": "score", "rate": "1"}),
)
"""What points is told: two units, and a rule for each."""


def routing(number: int) -> int:
    """The routing bits of a member."""
    return number * ROUTING_FACTOR & ids.ROUTING_MASK


def member_id(number: int) -> UUID:
    """The ID of a member."""
    return ids.from_int(_PREFIX_BITS | number << ids.ROUTING_BITS | routing(number))


def account_id(number: int) -> UUID:
    """The ID of its account."""
    return ids.from_int(member_id(number).int | ACCOUNT_BIT)


@cache
def wire_ids(number: int) -> tuple[str, str]:
    """A member and its account, as they are sent."""
    return ids.encode("member", member_id(number)), ids.encode("account", account_id(number))


def dice(purpose: str) -> random.Random:
    """Random numbers that are the same in every run."""
    return random.Random(f"{SEED} {purpose}")


async def publish(client: Client, service: str, *documents: tuple[str, str, dict[str, Any]]) -> None:
    """Put documents of the bench's programme in force."""
    request = config_service_pb2.PublishDocumentsRequest(request_id="bench")
    for kind, code, spec in documents:
        fields = struct_pb2.Struct()
        fields.update(spec)
        request.documents.add(kind=kind, code=code, programme="bench", spec=fields)
    await client.config(service).PublishDocuments(request)


async def fill_points(dsn: str) -> None:
    """All members with an account each; the first half with what they have."""
    connection = await asyncpg.connect(dsn)
    try:
        partitions = await connection.fetchval("SELECT count(*) FROM head WHERE partition >= 0")
        members = [(routing(n) & partitions - 1, member_id(n), account_id(n)) for n in range(MEMBERS)]
        owners = members[:WITH_WALLET]
        await connection.copy_records_to_table("members", records=[(p, m, ACTIVE) for p, m, _ in members])
        await connection.copy_records_to_table("accounts", records=[(p, a, m, DOMAIN, True) for p, m, a in members])
        balances = (("points", sum(LOTS)), ("score", 10_000))
        await connection.copy_records_to_table(
            "balances", records=[(p, m, unit, amount, 0, None) for p, m, _ in owners for unit, amount in balances]
        )
        lots = [lot for owner in owners for lot in _lots(*owner)]
        await connection.copy_records_to_table("lots", records=lots)
    finally:
        await connection.close()


def _lots(partition: int, member: UUID, account: UUID) -> list[tuple[Any, ...]]:
    available_at = datetime.now(UTC) - timedelta(days=1)
    return [
        (
            partition,
            member,
            ids.derived(member, ordinal),
            "points",
            amount,
            amount,
            0,
            0,
            available_at,
            available_at + timedelta(days=30 * ordinal),
            "platform",
            member,
            account,
            False,
            None,
            None,
        )
        for ordinal, amount in enumerate(LOTS, start=1)
    ]
