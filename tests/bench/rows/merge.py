"""merge: two members with 10,000 activities each, from the call that merges them to their balance as one in points."""

import time
from datetime import UTC, datetime
from typing import Any

from services.chassis.instants import timestamp
from tessera.client import Client, connect
from tessera.identity.v1 import identity_service_pb2 as identity_pb
from tessera.identity.v1 import merge_pb2
from tessera.points.v1 import activity_pb2
from tessera.points.v1 import points_service_pb2 as points_pb
from tests.bench.machine import Machine, nothing
from tests.bench.population import DOCUMENTS, DOMAIN, publish
from tests.bench.process import service
from tests.bench.resolving import DOCUMENTS as IDENTITY_DOCUMENTS
from tests.bench.result import Result

TARGET_MS = 1_000.0
ACTIVITIES = 10_000
ITEMS = 1_000
PAIRS = 3
PAID = 1_000


async def measure(machine: Machine) -> list[Result]:
    """Milliseconds, the worst of some pairs."""
    async with (
        machine.large_database("identity", nothing) as identity_dsn,
        machine.large_database("points", nothing) as points_dsn,
        service(machine, "identity", identity_dsn) as identity,
        service(machine, "points", points_dsn, feeds={"identity": identity.port}) as points,
        connect({"identity": identity.address, "points": points.address}, token=machine.token) as client,
    ):
        await publish(client, "identity", *IDENTITY_DOCUMENTS)
        await publish(client, "points", *DOCUMENTS)
        visible_ms, spent_ms, undone_ms = [], [], []
        for number in range(PAIRS):
            machine.say(f"pair {number + 1} of {PAIRS}")
            survivor, merged = [await _member(client, f"{number}-{side}") for side in ("survivor", "merged")]
            began = time.perf_counter()
            made = await client.identity.MergeMembers(
                merge_pb2.MergeMembersRequest(
                    request_id=f"merge-{number}",
                    survivor_id=survivor.member_id,
                    merged_id=merged.member_id,
                    cause="bench",
                )
            )
            together = await _balance(client, survivor, made.position)
            visible_ms.append((time.perf_counter() - began) * 1000)
            if together != 2 * ACTIVITIES * PAID // 100:
                raise RuntimeError(f"a member has {together} after another one was merged into it")
            began = time.perf_counter()
            await _spend_all(client, survivor, together)
            spent_ms.append((time.perf_counter() - began) * 1000)
            began = time.perf_counter()
            back = await client.identity.UnmergeMember(
                merge_pb2.UnmergeMemberRequest(
                    request_id=f"unmerge-{number}", merge_id=made.merge.merge_id, cause="bench"
                )
            )
            await _balance(client, merged, back.position)
            undone_ms.append((time.perf_counter() - began) * 1000)
    note = (
        f"the worst of {PAIRS}; all that both have spent at once after that: {max(spent_ms):,.0f} ms; unmerged after "
        f"that: {max(undone_ms):,.0f} ms"
    )
    return [Result("merge", max(visible_ms), None, TARGET_MS, "ms", note)]


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
