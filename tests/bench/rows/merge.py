"""merge: two members with 10,000 activities each, from the call that merges them until all services know them as one.

In points that is their balance; in tiers and benefits a benefit of the level that only both together reach.
"""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime
from typing import Any

from services.chassis.instants import timestamp
from tessera.benefits.v1 import benefits_service_pb2 as benefits_pb
from tessera.client import Client, connect
from tessera.identity.v1 import identity_service_pb2 as identity_pb
from tessera.identity.v1 import merge_pb2
from tessera.points.v1 import activity_pb2
from tessera.points.v1 import points_service_pb2 as points_pb
from tessera.topology import FOLLOWS, SERVICES
from tests.bench.machine import Machine, nothing
from tests.bench.population import DOCUMENTS, DOMAIN, publish
from tests.bench.process import free_port, service
from tests.bench.resolving import DOCUMENTS as IDENTITY_DOCUMENTS
from tests.bench.result import Result

TARGET_MS = 1_000.0
ACTIVITIES = 10_000
ITEMS = 1_000
PAIRS = 3
PAID = 1_000
TIMEOUT_S = 60.0
ASK_INTERVAL_S = 0.002
QUOTA = "delivery"
PROGRAMME = DOCUMENTS[0]
LADDER = {
    "unit": "score",
    "window": {"days": 90},
    "levels": [{"code": "bronze", "at": 0}, {"code": "silver", "at": ACTIVITIES * PAID * 3 // 2}],
}
DELIVERY = {
    "name": "Delivery",
    "kind": "quota",
    "domains": [DOMAIN],
    "eligibility": 'level.shopper == "silver"',
    "quota": {"uses": 4, "period": "month"},
}
DOCUMENTS_OF = {
    "identity": IDENTITY_DOCUMENTS,
    "points": DOCUMENTS,
    "tiers": (PROGRAMME, ("ladder", "shopper", LADDER)),
    "benefits": (PROGRAMME, ("ladder", "shopper", LADDER), ("benefit", QUOTA, DELIVERY)),
}


async def measure(machine: Machine) -> list[Result]:
    """Milliseconds, the worst of some pairs."""
    async with _suite(machine) as client:
        pairs = []
        for number in range(PAIRS):
            machine.say(f"pair {number + 1} of {PAIRS}")
            pairs.append(await _pair(client, str(number)))
    visible_ms, spent_ms, undone_ms = (max(figures) for figures in zip(*pairs, strict=True))
    note = (
        f"the worst of {PAIRS}; all that both have spent at once after that: {spent_ms:,.0f} ms; unmerged after that: "
        f"{undone_ms:,.0f} ms"
    )
    return [Result("merge", visible_ms, None, TARGET_MS, "ms", note)]


@asynccontextmanager
async def _suite(machine: Machine) -> AsyncIterator[Client]:
    """All four services, each following those that it follows in a suite."""
    ports = {name: free_port() for name in SERVICES}
    async with AsyncExitStack() as stack:
        addresses = {}
        for name in SERVICES:
            dsn = await stack.enter_async_context(machine.large_database(name, nothing))
            feeds = {source: ports[source] for source in FOLLOWS[name]}
            process = await stack.enter_async_context(service(machine, name, dsn, feeds=feeds, port=ports[name]))
            addresses[name] = process.address
        client = await stack.enter_async_context(connect(addresses, token=machine.token))
        for name in SERVICES:
            await publish(client, name, *DOCUMENTS_OF[name])
        yield client


async def _pair(client: Client, number: str) -> tuple[float, float, float]:
    """Milliseconds until two merged members are one everywhere, to spend all that they have, and to part them again."""
    survivor, merged = [await _member(client, f"{number}-{side}") for side in ("survivor", "merged")]
    began = time.perf_counter()
    made = await client.identity.MergeMembers(
        merge_pb2.MergeMembersRequest(
            request_id=f"merge-{number}", survivor_id=survivor.member_id, merged_id=merged.member_id, cause="bench"
        )
    )
    together = await _balance(client, survivor, made.position)
    if together != 2 * ACTIVITIES * PAID // 100:
        raise RuntimeError(f"a member has {together} after another one was merged into it")
    await _until_served(client, survivor)
    visible_s = time.perf_counter() - began
    began = time.perf_counter()
    await _spend_all(client, survivor, together)
    spent_s = time.perf_counter() - began
    began = time.perf_counter()
    back = await client.identity.UnmergeMember(
        merge_pb2.UnmergeMemberRequest(request_id=f"unmerge-{number}", merge_id=made.merge.merge_id, cause="bench")
    )
    await _balance(client, merged, back.position)
    return visible_s * 1000, spent_s * 1000, (time.perf_counter() - began) * 1000


async def _until_served(client: Client, member: Any) -> None:
    """Returns when benefits grants what only both scores together give: points, tiers and benefits have followed."""
    asked = benefits_pb.CheckEntitlementRequest(member_id=member.member_id, benefit=QUOTA, domain=DOMAIN)
    async with asyncio.timeout(TIMEOUT_S):
        while not (await client.benefits.CheckEntitlement(asked)).allowed:  # noqa: ASYNC110  # it is another process that changes its mind
            await asyncio.sleep(ASK_INTERVAL_S)


async def _member(client: Client, name: str) -> Any:
    """A member that has recorded its activities."""
    member = await client.identity.ResolveAccount(
        identity_pb.ResolveAccountRequest(request_id=name, domain=DOMAIN, external_id=name, create_missing=True)
    )
    await _balance(client, member, member.position)
    items = [_activity(member, name, number) for number in range(ACTIVITIES)]
    answers = [
        await client.points.BulkRecordActivities(
            points_pb.BulkRecordActivitiesRequest(requests=items[first : first + ITEMS])
        )
        for first in range(0, ACTIVITIES, ITEMS)
    ]
    refused = [result.error for answer in answers for result in answer.results if result.HasField("error")]
    if refused:
        raise RuntimeError(f"an activity was refused: {refused[0].message}")
    return member


def _activity(member: Any, name: str, number: int) -> points_pb.RecordActivityRequest:
    return points_pb.RecordActivityRequest(
        request_id=f"{name}-{number}",
        activity=activity_pb2.Activity(
            member_id=member.member_id,
            account_id=member.account_id,
            domain=DOMAIN,
            type="purchase",
            reference=f"{name}-{number}",
            occurred_at=timestamp(datetime.now(UTC)),
            lines=[activity_pb2.ActivityLine(sku="4006381333931", quantity=1, cash_minor=PAID)],
        ),
    )


async def _balance(client: Client, member: Any, *after: Any) -> int:
    request = points_pb.GetBalanceRequest(member_id=member.member_id, unit="points", at_least=after)
    found: int = (await client.points.GetBalance(request)).balances[0].available
    return found


async def _spend_all(client: Client, member: Any, amount: int) -> None:
    await client.points.Spend(
        points_pb.SpendRequest(
            request_id=f"spend-{member.member_id}",
            member_id=member.member_id,
            account_id=member.account_id,
            domain=DOMAIN,
            unit="points",
            amount=amount,
            reference="all",
        )
    )
