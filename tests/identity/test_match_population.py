"""What a policy would do to all members is told before it is published, and is what it then does."""

import random
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from services.chassis.document_wire import to_message
from services.chassis.documents import Document
from tessera.identity.v1 import match_pb2 as pb
from tests.identity.builders import close, get_member
from tests.identity.identifiers import add, device, email, publish_types, remove
from tests.identity.matching import (
    LAPSED,
    LINKED,
    MERGE,
    MERGED,
    MERGING,
    OPEN,
    REFUSE,
    carry_out,
    decide,
    evaluate,
    match_of,
    matches_of,
    members,
    policy,
)
from tests.identity.merging import merge
from tests.support.refusals import refusal_of
from tests.support.suite import Suite, start_suite

EVERYTHING = 1_000
"""Samples of each kind: all that there are in a test."""


@pytest_asyncio.fixture
async def suite() -> AsyncIterator[Suite]:
    """Identity with types of identifiers and no policy; what is counted are all its members."""
    async with start_suite("identity") as started:
        await publish_types(started)
        yield started


async def simulated(suite: Suite, given: dict[str, Any], samples: int = EVERYTHING) -> list[Any]:
    """All that is told of a simulation."""
    message = to_message(Document(**given))
    request = pb.SimulateMatchPolicyRequest(policy=message, samples=samples)
    return [answer async for answer in suite.identity.SimulateMatchPolicy(request)]


async def summary_of(suite: Suite, given: dict[str, Any]) -> Any:
    *_, last = await simulated(suite, given)
    return last.summary


async def share(suite: Suite, value: str, type: str, *member_ids: str, **fields: Any) -> None:
    for member_id in member_ids:
        await add(suite, member_id, value, type, **fields)


async def people_a_town(suite: Suite) -> dict[str, list[str]]:
    """Members who share something of every kind; by what is to become of them."""
    town = {
        "one-person": await members(suite, 3),
        "look-alikes": await members(suite, 2),
        "namesakes": await members(suite, 2),
        "flat-mates": await members(suite, 3),
        "strangers": await members(suite, 4),
    }
    await share(suite, email(), "email", *town["one-person"][:2], verified=True)
    await share(suite, email(), "email", *town["one-person"][1:], verified=True)
    await share(suite, email(), "email", *town["look-alikes"])
    await share(suite, device(), "device", *town["look-alikes"])
    await share(suite, email(), "email", *town["namesakes"], verified=True)
    for number, member_id in enumerate(town["namesakes"]):
        await add(suite, member_id, f"CN:{number:018}", "person", verified=True)
    await share(suite, "1 Nanjing Road", "address", *town["flat-mates"])
    merged, survivor = town["strangers"][:2]
    await share(suite, device(), "device", merged, survivor)
    await merge(suite, survivor, merged)
    await share(suite, "card-1", "card", town["strangers"][2], town["strangers"][3])
    await close(suite, town["strangers"][3])
    return town


def pairs_of(matches: list[Any], statuses: dict[Any, Any]) -> set[tuple[frozenset[str], Any, int]]:
    """Who met whom, what became of it, and by which score."""
    return {
        (frozenset({one.member_id, one.other_id}), statuses.get(one.status, one.status), one.score) for one in matches
    }


async def test_what_a_policy_would_do_is_told(suite: Suite) -> None:
    town = await people_a_town(suite)
    *told, last = await simulated(suite, policy())
    summary = last.summary
    assert (summary.merged, summary.reviewed, summary.real_names_differ, summary.linked) == (2, 2, 1, 3)
    assert (summary.members, summary.members_remaining) == (12, 10)
    assert (last.progress.partitions, last.progress.partitions_total) == (8, 8)
    assert last.progress.pairs == last.progress.pairs_total == summary.pairs
    assert [answer.progress.partitions for answer in told][:8] == list(range(1, 9))
    merged = [set(pair) for pair, status, _ in pairs_of(summary.samples, {}) if status == MERGING]
    first, second, third = town["one-person"]
    assert sorted(map(sorted, merged)) == sorted(map(sorted, [{first, second}, {second, third}]))
    namesakes = [one for one in summary.samples if one.reason == "REAL_NAMES_DIFFER"]
    assert [{one.member_id, one.other_id} for one in namesakes] == [set(town["namesakes"])]


async def test_a_simulation_writes_nothing(suite: Suite) -> None:
    await people_a_town(suite)
    before = await matches_of(suite)
    await simulated(suite, policy())
    assert await matches_of(suite) == before


async def test_what_is_published_does_what_was_simulated(suite: Suite) -> None:
    await people_a_town(suite)
    summary = await summary_of(suite, policy())
    await suite.publish("identity", policy())
    await evaluate(suite)
    found = [match for match in await matches_of(suite) if match.status != LAPSED and match.cause != "same-person"]
    statuses = {MERGED: MERGING}
    assert pairs_of(found, statuses) == pairs_of(summary.samples, statuses)
    await carry_out(suite)
    remaining = {
        (await get_member(suite, one.member_id)).member_id
        async for one in _all_members(suite)
        if one.status != 3  # closed
    }
    assert len(remaining) == summary.members_remaining


async def _all_members(suite: Suite) -> AsyncIterator[Any]:
    from tessera.identity.v1 import identity_service_pb2

    for member in (await suite.identity.ListMembers(identity_service_pb2.ListMembersRequest())).members:
        yield member


async def test_evaluating_again_changes_nothing(suite: Suite) -> None:
    await people_a_town(suite)
    await suite.publish("identity", policy(merge_from=None))
    assert (await evaluate(suite)).changed > 0
    before = await matches_of(suite)
    assert (await evaluate(suite)).changed == 0
    assert await matches_of(suite) == before


@pytest.mark.parametrize(
    "seed", [*range(2), *(pytest.param(seed, marks=pytest.mark.reliability) for seed in range(2, 12))]
)
async def test_whoever_looks_sees_the_same(suite: Suite, seed: int) -> None:
    """What members come to share is judged one by one under locks, and together by looking at all."""
    chance = random.Random(seed)  # a drawn life, no secret
    await suite.publish("identity", policy(merge_from=None), policy("household", merge_from=None, review_from=None))
    everybody = await members(suite, 12)
    for merged, survivor in (everybody[:2], everybody[2:4]):
        await merge(suite, survivor, merged)
    values = {
        "email": ["one@b.cd", "two@b.cd", "three@b.cd"],
        "device": ["device-1", "device-2"],
        "address": ["1 Nanjing Road", "2 Nanjing Road"],
        "card": ["card-1", "card-2"],
        "person": [f"CN:{number:018}" for number in range(2)],
    }
    for _ in range(80):
        code = chance.choice(sorted(values))
        verified = chance.random() < 0.5
        answer = await add(suite, chance.choice(everybody), chance.choice(values[code]), code, verified=verified)
        if chance.random() < 0.2:
            await remove(suite, answer.identifier.identifier_id)
    before = await matches_of(suite)
    assert len({match.status for match in before}) > 1
    assert (await evaluate(suite)).changed == 0
    assert await matches_of(suite) == before


async def test_a_stricter_policy_lets_lapse_what_nobody_decided(suite: Suite) -> None:
    await suite.publish("identity", policy(merge_from=None))
    first, second, third = await members(suite, 3)
    await share(suite, device(), "device", first, second)
    await share(suite, device(), "device", second, third)
    (refused,) = await matches_of(suite, first)
    await decide(suite, refused.match_id, REFUSE)
    await suite.publish("identity", policy(merge_from=None, link_from=50))
    await evaluate(suite)
    assert [match.status for match in await matches_of(suite, third)] == [LAPSED]
    assert [match.status for match in await matches_of(suite, first)] == [pb.MATCH_STATUS_REFUSED]


async def test_what_shares_nothing_that_counts_any_more_lapses(suite: Suite) -> None:
    await suite.publish("identity", policy())
    first, second = await members(suite)
    await share(suite, device(), "device", first, second)
    assert (await match_of(suite, first)).status == LINKED
    await suite.publish("identity", policy(weights={"email": {"proof": 100}}))
    await evaluate(suite)
    assert (await match_of(suite, first)).status == LAPSED


async def test_what_somebody_decided_is_told_of(suite: Suite) -> None:
    first, second, third = await members(suite, 3)
    await suite.publish("identity", policy(merge_from=None))
    await share(suite, email(), "email", first, second, third, verified=True)
    for match in await matches_of(suite, first):
        await decide(suite, match.match_id, REFUSE)
    summary = await summary_of(suite, policy())
    assert (summary.pairs, summary.decided, summary.merged) == (3, 2, 1)
    await share(suite, email(), "email", first, second, verified=True)
    summary = await summary_of(suite, policy())
    assert (summary.decided, summary.decided_before, summary.reviewed, summary.merged) == (1, 1, 1, 1)


async def test_a_policy_that_is_none_is_refused(suite: Suite) -> None:
    async def call(given: dict[str, Any]) -> Any:
        return await simulated(suite, given)

    for wrong in (
        policy(merge_from=None, review_from=None, link_from=None),
        {**policy(), "kind": "domain"},
        policy(weights={"unheard-of": {"proof": 100}}),
    ):
        assert (await refusal_of(call(wrong))).reason == "DOCUMENT_INVALID"


async def test_a_match_that_was_open_is_decided_under_a_new_policy(suite: Suite) -> None:
    """Without a policy who shares a proof is reviewed; published, the policy merges them when all are evaluated."""
    first, second = await members(suite)
    await share(suite, email(), "email", first, second, verified=True)
    match = await match_of(suite, first)
    assert (match.status, match.reason, match.policy) == (OPEN, "NO_POLICY", "")
    await suite.publish("identity", policy())
    assert (await match_of(suite, first)).status == OPEN
    await evaluate(suite)
    await carry_out(suite)
    assert (await match_of(suite, first)).status == MERGED
    assert (await refusal_of(decide(suite, match.match_id, MERGE))).reason == "MATCH_MERGED"
