"""One member over several services: identity merges and unmerges, the others follow. E64, E71."""

from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from typing import Any

import asyncpg
import pytest
import pytest_asyncio

from services.chassis import ids
from services.chassis.instants import timestamp
from tessera.benefits.v1 import benefits_service_pb2 as benefits_pb
from tessera.identity.v1 import merge_pb2, privacy_pb2
from tessera.points.v1 import activity_pb2
from tessera.points.v1 import points_service_pb2 as points_pb
from tessera.records.v1 import member_records_pb2
from tessera.tiers.v1 import tiers_service_pb2 as tiers_pb
from tests.identity.builders import domain, enrol, request_id
from tests.identity.identifiers import add, email, identifier_type
from tests.identity.matching import MERGED, REFUSED, carry_out, match_of, policy
from tests.identity.merging import merge, unmerge
from tests.points.builders import SCORE, programme, rule, unit
from tests.support.refusals import refusal_of
from tests.support.suite import CLOCK_START, Suite, start_suite
from tests.tiers.builders import ladder_document

pytestmark = pytest.mark.asyncio(loop_scope="module")


DELIVERY = {
    "kind": "benefit",
    "code": "delivery",
    "programme": "shop",
    "spec": {"name": "Delivery", "kind": "quota", "quota": {"uses": 2, "period": "month"}},
}
GIFT = {
    "kind": "benefit",
    "code": "gift",
    "programme": "shop",
    "spec": {
        "name": "Gift",
        "kind": "coupon",
        "issue": [{"when": "level-up", "ladder": "shopper", "gifts": "all-crossed"}],
    },
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def suite() -> AsyncIterator[Suite]:
    async with start_suite() as started:
        await started.publish(
            "identity",
            programme(),
            domain("grocery"),
            identifier_type("email"),
            policy(weights={"email": {"proof": 100}}),
        )
        await started.publish("points", programme(), unit(), rule(), *SCORE)
        await started.publish("tiers", programme(), ladder_document())
        await started.publish("benefits", programme(), ladder_document(), DELIVERY, GIFT)
        yield started


async def earn(suite: Suite, member: Any, paid: int) -> Any:
    """A purchase of a member, as identity enrolled it."""
    activity = activity_pb2.Activity(
        member_id=member.member_id,
        account_id=member.account_id,
        domain="grocery",
        type="purchase",
        reference=request_id(),
        occurred_at=timestamp(CLOCK_START),
        currency="CNY",
        lines=[activity_pb2.ActivityLine(cash_minor=paid)],
    )
    return await suite.points.RecordActivity(
        points_pb.RecordActivityRequest(request_id=request_id(), activity=activity, at_least=[member.position])
    )


async def available(suite: Suite, member: Any, *after: Any) -> int:
    request = points_pb.GetBalanceRequest(member_id=member.member_id, unit="points", at_least=after)
    (balance,) = (await suite.points.GetBalance(request)).balances
    found: int = balance.available
    return found


async def hold(suite: Suite, member: Any, amount: int) -> Any:
    return await suite.points.Hold(
        points_pb.HoldRequest(
            request_id=request_id(),
            member_id=member.member_id,
            account_id=member.account_id,
            domain="grocery",
            unit="points",
            amount=amount,
            reference=request_id(),
            expires_at=timestamp(CLOCK_START + timedelta(days=1)),
        )
    )


async def test_a_merge_is_followed_at_once_and_undone_as_a_whole(suite: Suite) -> None:
    survivor, merged = await enrol(suite), await enrol(suite)
    await earn(suite, survivor, 100)
    await earn(suite, merged, 50)
    asked = merge_pb2.PreviewMergeRequest(survivor_id=survivor.member_id, merged_id=merged.member_id)
    previews = {one.service: one for one in (await suite.identity.PreviewMerge(asked)).services}
    assert [effect.code for effect in previews["identity"].effects] == ["ACCOUNT_MOVES"]
    assert {effect.details["unit"]: effect.details["together"] for effect in previews["points"].effects} == {
        "points": "150",
        "score": "150",
    }
    made = await merge(suite, survivor.member_id, merged.member_id)
    for member in (survivor, merged):
        assert await available(suite, member, made.position) == 150
    placed = await hold(suite, merged, 120)
    refused = await refusal_of(unmerge(suite, made.merge.merge_id))
    assert (refused.reason, refused.metadata["service"], refused.metadata["blocker"]) == (
        "UNMERGE_BLOCKED",
        "points",
        "HOLD_OPEN",
    )
    await suite.points.CaptureHold(
        points_pb.CaptureHoldRequest(request_id=request_id(), hold_id=placed.hold_id, amount=30)
    )
    back = await unmerge(suite, made.merge.merge_id)
    left = [await available(suite, member, back.position) for member in (survivor, merged)]
    assert sum(left) == 120
    assert left[0] <= 100, "the lots expire alike, so of either something may have burnt"
    assert left[1] <= 50
    again = await unmerge(suite, made.merge.merge_id)
    assert not again.changed


async def test_who_verifies_the_same_address_has_one_wallet_and_gets_back_their_own(suite: Suite) -> None:
    """Stitched by a policy, with nobody asking for a merge; after it is undone, the policy leaves the two alone."""
    first, second = await enrol(suite), await enrol(suite)
    await earn(suite, first, 100)
    await earn(suite, second, 50)
    shared = email()
    for member in (first, second):
        await add(suite, member.member_id, shared, verified=True)
    await carry_out(suite)
    match = await match_of(suite, second.member_id)
    assert match.status == MERGED
    await suite.drain()
    assert [await available(suite, member) for member in (first, second)] == [150, 150]
    await unmerge(suite, match.merge_id)
    await carry_out(suite)
    await suite.drain()
    assert [await available(suite, member) for member in (first, second)] == [100, 50]
    assert (await match_of(suite, second.member_id)).status == REFUSED


async def test_services_that_follow_go_on_after_a_merge(suite: Suite) -> None:
    """Both halves are applied in one transaction, each partition's rows in its own."""
    survivor, merged = await enrol(suite), await enrol(suite)
    made = await merge(suite, survivor.member_id, merged.member_id)
    after = await enrol(suite)
    await suite.drain()
    for service in ("tiers", "benefits"):
        connection = await asyncpg.connect(suite.dsns[service])
        try:
            found = await connection.fetch("SELECT partition, member_id FROM members")
        finally:
            await connection.close()
        places = [(row["partition"], ids.encode("member", row["member_id"])) for row in found]
        assert len(places) == len({member_id for _, member_id in places}), "no row is in two partitions"
        assert (after.position.partition, after.member_id) in places
    await unmerge(suite, made.merge.merge_id)
    await suite.drain()


async def test_every_service_tells_what_it_holds(suite: Suite) -> None:
    member = await enrol(suite)
    await earn(suite, member, 10)
    await suite.drain()
    for service in ("points", "tiers", "benefits"):
        request = member_records_pb2.ExportMemberRequest(member_id=member.member_id)
        exported = [record async for record in suite.records(service).ExportMember(request)]
        assert {record.service for record in exported} == {service}
        assert "members" in {record.kind for record in exported}


async def test_scores_are_united_by_the_day_and_parted_again(suite: Suite) -> None:
    """Levels follow from what both scored, on the days on which they scored it, from the merge on."""
    survivor, merged, third = [await enrol(suite) for _ in range(3)]
    for member, paid in ((survivor, 60), (merged, 50), (third, 200)):
        await earn(suite, member, paid)
    assert await levels(suite, survivor, merged, third) == ["bronze", "bronze", "silver"]
    first = await merge(suite, survivor.member_id, merged.member_id)
    assert await levels(suite, survivor) == ["silver"]
    second = await merge(suite, third.member_id, survivor.member_id)
    assert await levels(suite, third) == ["gold"], "60 + 50 + 200"
    await unmerge(suite, second.merge.merge_id)
    assert await scores(suite, third, survivor) == [200, 110]
    await unmerge(suite, first.merge.merge_id)
    assert await scores(suite, third, survivor, merged) == [200, 60, 50]


async def levels(suite: Suite, *members: Any) -> list[str]:
    await suite.drain()
    return [standing.level for standing in await standings(suite, members)]


async def scores(suite: Suite, *members: Any) -> list[int]:
    await suite.drain()
    return [standing.score for standing in await standings(suite, members)]


async def standings(suite: Suite, members: Sequence[Any]) -> list[Any]:
    requests = [tiers_pb.GetStandingRequest(member_id=member.member_id) for member in members]
    answers = (await suite.tiers.BulkGetStandings(tiers_pb.BulkGetStandingsRequest(requests=requests))).results
    return [answer.response.standings[0] for answer in answers]


async def test_benefits_are_one_members_and_go_back(suite: Suite) -> None:
    """A quota of 2 used 1 + 1 is used up; who rises by the merge gets the level's gift; previews tell it before."""
    survivor, merged = await enrol(suite), await enrol(suite)
    for member, paid in ((survivor, 60), (merged, 50)):
        await earn(suite, member, paid)
        await redeem(suite, member)
    await suite.drain()
    asked = merge_pb2.PreviewMergeRequest(survivor_id=survivor.member_id, merged_id=merged.member_id)
    previews = {one.service: one for one in (await suite.identity.PreviewMerge(asked)).services}
    assert [effect.code for effect in previews["tiers"].effects] == ["SCORE_UNITED", "LEVEL_CHANGED"]
    assert [effect.code for effect in previews["benefits"].effects] == ["QUOTA_UNITED"]
    made = await merge(suite, survivor.member_id, merged.member_id)
    await suite.drain()
    for member in (survivor, merged):
        assert (await refusal_of(redeem(suite, member))).reason == "QUOTA_EXHAUSTED"
        assert await gifts(suite, member) == 1
    assert await levels(suite, survivor, merged) == ["silver", "silver"]
    await unmerge(suite, made.merge.merge_id)
    assert await levels(suite, survivor, merged) == ["bronze", "bronze"]
    for member in (survivor, merged):
        await redeem(suite, member)
    assert [await gifts(suite, member) for member in (survivor, merged)] == [1, 0]


async def redeem(suite: Suite, member: Any) -> Any:
    request = benefits_pb.RedeemRequest(
        request_id=request_id(),
        member_id=member.member_id,
        account_id=member.account_id,
        benefit="delivery",
        domain="grocery",
        at_least=[member.position],
    )
    return await suite.benefits.Redeem(request)


async def gifts(suite: Suite, member: Any) -> int:
    request = benefits_pb.ListEntitlementsRequest(member_id=member.member_id, benefit="gift")
    return len((await suite.benefits.ListEntitlements(request)).entitlements)


async def test_a_chain_is_followed(suite: Suite) -> None:
    members = [await enrol(suite) for _ in range(3)]
    for number, member in enumerate(members):
        await earn(suite, member, 10 * (number + 1))
    first = await merge(suite, members[1].member_id, members[0].member_id)
    last = await merge(suite, members[2].member_id, members[1].member_id)
    assert [await available(suite, member, last.position) for member in members] == [60, 60, 60]
    back = await unmerge(suite, first.merge.merge_id)
    assert [await available(suite, member, back.position) for member in members] == [10, 50, 50]


async def test_merging_needs_the_neighbours_only_to_tell_what_it_would_do(suite: Suite) -> None:
    survivor, merged = await enrol(suite), await enrol(suite)
    await suite.stop("points")
    asked = merge_pb2.PreviewMergeRequest(survivor_id=survivor.member_id, merged_id=merged.member_id)
    assert (await refusal_of(suite.identity.PreviewMerge(asked))).reason == "NEIGHBOUR_UNAVAILABLE"
    made = await merge(suite, survivor.member_id, merged.member_id)
    assert (await refusal_of(unmerge(suite, made.merge.merge_id))).reason == "NEIGHBOUR_UNAVAILABLE"
    await suite.start("points")
    await suite.drain()
    assert await available(suite, merged, made.position) == 0
    await unmerge(suite, made.merge.merge_id)


async def test_an_erased_member_forfeits_what_it_has_and_the_ledger_is_proved(suite: Suite) -> None:
    """E73."""
    survivor, merged = await enrol(suite), await enrol(suite)
    await earn(suite, survivor, 100)
    await earn(suite, merged, 50)
    await merge(suite, survivor.member_id, merged.member_id)
    await suite.drain()
    placed = await hold(suite, merged, 20)
    request = privacy_pb2.EraseMemberRequest(request_id=request_id(), member_id=merged.member_id)
    refused = await refusal_of(suite.identity.EraseMember(request))
    assert refused.reason == "ERASURE_BLOCKED"
    await suite.points.ReleaseHold(points_pb.ReleaseHoldRequest(request_id=request_id(), hold_id=placed.hold_id))
    request.request_id = request_id()
    await suite.identity.EraseMember(request)
    await suite.drain()
    for member in (survivor, merged):
        assert await available(suite, member) == 0
    refused = await refusal_of(hold(suite, survivor, 1))
    assert refused.reason == "MEMBER_CLOSED"
    proofs = [answer async for answer in suite.points.VerifyLedger(points_pb.VerifyLedgerRequest())]
    assert [finding for proof in proofs for finding in proof.findings] == []
