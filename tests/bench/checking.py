"""What is checked: two benefits of 100,000 members, written straight into the tables of benefits.

One is a coupon that every member holds, the other a quota of those who stand on gold; members stand on four levels.
"""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import asyncpg

from services.chassis import ids
from tessera.benefits.v1 import benefits_service_pb2 as pb
from tests.bench.population import ACTIVE, DOMAIN, MEMBERS, dice, member_id, routing, wire_ids

COUPON, QUOTA = "coffee", "delivery"
LEVELS = ("bronze", "silver", "gold", "platinum")
GRANTED = 1
DOCUMENTS = (
    ("programme", "bench", {"name": "Bench", "time_zone": "Asia/Shanghai", "currency": "CNY"}),
    ("benefit", COUPON, {"name": "Coffee", "kind": "coupon", "domains": [DOMAIN], "issue": [{"when": "listed"}]}),
    (
        "benefit",
        QUOTA,
        {
            "name": "Delivery",
            "kind": "quota",
            "domains": [DOMAIN],
            "eligibility": 'level.shopper == "gold"',
            "quota": {"uses": 4, "period": "month"},
        },
    ),
)


def requests(purpose: str, count: int) -> Iterator[pb.CheckEntitlementRequest]:
    """So many requests, of the two benefits in turn."""
    chance = dice(purpose)
    for number in range(count):
        member, _ = wire_ids(chance.randrange(MEMBERS))
        yield pb.CheckEntitlementRequest(member_id=member, benefit=(COUPON, QUOTA)[number % 2], domain=DOMAIN)


async def fill_benefits(dsn: str) -> None:
    """All members, where they stand, and their coupons."""
    issued_at = datetime.now(UTC) - timedelta(days=1)
    connection = await asyncpg.connect(dsn)
    try:
        partitions = await connection.fetchval("SELECT count(*) FROM head WHERE partition >= 0")
        members = [(n, routing(n) & partitions - 1, member_id(n)) for n in range(MEMBERS)]
        await connection.copy_records_to_table(
            "members",
            columns=["partition", "member_id", "status", "enrolled_at", "standing"],
            records=[(p, m, ACTIVE, issued_at, _standing(n)) for n, p, m in members],
        )
        await connection.copy_records_to_table(
            "entitlements",
            columns=[
                "partition",
                "entitlement_id",
                "member_id",
                "benefit",
                "state",
                "valid_from",
                "uses_left",
                "issued_at",
                "cause",
                "reference",
                "config_version",
            ],
            records=[
                (p, ids.derived(m, 1), m, COUPON, GRANTED, issued_at, 1, issued_at, "listed", "", 1)
                for _, p, m in members
            ],
        )
    finally:
        await connection.close()


def _standing(number: int) -> str:
    rank = number % len(LEVELS)
    return json.dumps([["shopper", LEVELS[rank], rank]], separators=(",", ":"))
