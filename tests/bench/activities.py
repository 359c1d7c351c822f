"""The activities that are recorded: one purchase of one line each, by a member at random."""

from collections.abc import Iterator
from datetime import UTC, datetime

from services.chassis.instants import timestamp
from tessera.points.v1 import activity_pb2, points_service_pb2
from tests.bench.population import DOMAIN, MEMBERS, dice, wire_ids

LINE = activity_pb2.ActivityLine(
    sku="4006381333931", category="DAIRY", quantity=1, gross_minor=1100, discount_minor=100, cash_minor=1000
)
"""Earns 10 points and 1,000 of the score."""


def requests(purpose: str, count: int, members: int = MEMBERS) -> Iterator[points_service_pb2.RecordActivityRequest]:
    """So many requests of so many members, each with an id and a reference of its own."""
    chance = dice(purpose)
    occurred_at = timestamp(datetime.now(UTC))
    for number in range(count):
        member, account = wire_ids(chance.randrange(members))
        yield points_service_pb2.RecordActivityRequest(
            request_id=f"{purpose}-{number}",
            activity=activity_pb2.Activity(
                member_id=member,
                account_id=account,
                domain=DOMAIN,
                type="purchase",
                reference=f"{purpose}-{number}",
                occurred_at=occurred_at,
                lines=(LINE,),
            ),
        )
