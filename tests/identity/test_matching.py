"""What becomes of two members who come to share values, under a policy (E69)."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from tests.identity.builders import close, get_member, suspend
from tests.identity.identifiers import TYPES, add, device, email, publish_types, remove, verify
from tests.identity.matching import (
    LAPSED,
    LINKED,
    MERGED,
    OPEN,
    REFUSED,
    carry_out,
    decide,
    evaluate,
    match_of,
    matches_of,
    members,
    policy,
)
from tests.identity.matching import MERGE as DECIDE_MERGE
from tests.identity.merging import merge, merges_of, unmerge
from tests.support.refusals import refusal_of
from tests.support.suite import Suite, start_suite

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def suite() -> AsyncIterator[Suite]:
    """Identity with types of identifiers and a policy."""
    async with start_suite("identity") as started:
        await publish_types(started, *TYPES, policy())
        yield started


async def share(suite: Suite, value: str, type: str, *member_ids: str, **fields: Any) -> None:
    for member_id in member_ids:
        await add(suite, member_id, value, type, **fields)


async def meant(suite: Suite, member_id: str) -> str:
    return str((await get_member(suite, member_id)).member_id)


def real_name(number: int) -> str:
    return f"CN:{number:018}"


async def test_who_shares_a_proof_is_merged_into_who_was_enrolled_first(suite: Suite) -> None:
    first, second = await members(suite)
    shared = email()
    await share(suite, shared, "email", second, first, verified=True)
    await carry_out(suite)
    match = await match_of(suite, first)
    (made,) = await merges_of(suite, first)
    assert (match.status, match.merge_id, match.score, match.policy) == (MERGED, made.merge_id, 100, "one-person")
    assert (made.survivor_id, made.merged_id) == (first, second)
    assert (made.cause, made.merged_by, match.decided_by) == ("match-policy", "identity", "identity")
    assert await meant(suite, second) == first


async def test_evidence_of_several_types_adds_up_to_a_review(suite: Suite) -> None:
    first, second = await members(suite)
    await share(suite, device(), "device", first, second)
    assert (await match_of(suite, first)).status == LINKED
    await share(suite, f"card-{first[-9:]}", "card", first, second)
    match = await match_of(suite, first)
    assert (match.status, match.score, match.reason) == (OPEN, 70, "SCORE")
    assert [(one.type, one.weight, one.verified) for one in match.evidence] == [
        ("card", 40, False),
        ("device", 30, False),
    ]
    assert match.explanation == (
        "card (evidence) 40 + device (evidence) 30 = 70 by one-person: somebody is to decide; by its score"
    )


async def test_evidence_alone_never_merges(suite: Suite) -> None:
    first, second = await members(suite)
    shared = email()
    await share(suite, shared, "email", first, second)
    await share(suite, device(), "device", first, second)
    await share(suite, f"card-{first[-9:]}", "card", first, second)
    match = await match_of(suite, first)
    assert (match.status, match.score) == (OPEN, 100)


async def test_a_type_counts_once(suite: Suite) -> None:
    first, second = await members(suite)
    for _ in range(3):
        await share(suite, device(), "device", first, second)
    match = await match_of(suite, first)
    assert (match.status, match.score, [one.weight for one in match.evidence]) == (LINKED, 30, [30, 0, 0])


async def test_hints_link_a_household_and_add_nothing_to_who_it_is(suite: Suite) -> None:
    first, second = await members(suite)
    await share(suite, f"{first[-9:]} Nanjing Road", "address", first, second)
    assert ((await match_of(suite, first)).status, (await match_of(suite, first)).score) == (LINKED, 20)
    await share(suite, f"card-{first[-9:]}", "card", first, second)
    match = await match_of(suite, first)
    assert (match.status, match.score) == (LINKED, 60)
    assert await meant(suite, second) == second


async def test_two_different_real_names_are_reviewed_and_never_merged(suite: Suite) -> None:
    first, second = await members(suite)
    for number, member_id in enumerate((first, second)):
        await add(suite, member_id, real_name(int(first[-4:].encode().hex(), 16) + number), "person", verified=True)
    shared = email()
    await share(suite, shared, "email", first, second, verified=True)
    await carry_out(suite)
    match = await match_of(suite, first)
    assert (match.status, match.reason) == (OPEN, "REAL_NAMES_DIFFER")
    refused = await refusal_of(decide(suite, match.match_id, DECIDE_MERGE))
    assert (refused.reason, refused.metadata) == ("REAL_NAMES_DIFFER", {"type": "person"})
    assert (await refusal_of(merge(suite, first, second))).reason == "REAL_NAMES_DIFFER"
    assert (await match_of(suite, first)).status == OPEN


async def test_who_shares_a_device_and_has_another_real_name_is_linked(suite: Suite) -> None:
    first, second = await members(suite)
    for number, member_id in enumerate((first, second)):
        await add(suite, member_id, real_name(int(first[-4:].encode().hex(), 16) + number), "person", verified=True)
    await share(suite, device(), "device", first, second)
    await share(suite, f"card-{first[-9:]}", "card", first, second)
    match = await match_of(suite, first)
    assert (match.status, match.reason) == (LINKED, "SCORE")


async def test_a_real_name_that_came_by_a_merge_counts(suite: Suite) -> None:
    first, second, third = await members(suite, 3)
    number = int(first[-4:].encode().hex(), 16)
    await add(suite, second, real_name(number), "person", verified=True)
    await merge(suite, first, second)
    await add(suite, third, real_name(number + 1), "person", verified=True)
    assert (await refusal_of(merge(suite, first, third))).reason == "REAL_NAMES_DIFFER"
    assert (await refusal_of(merge(suite, third, first))).reason == "REAL_NAMES_DIFFER"


async def test_a_real_name_that_is_verified_later_speaks_against_what_waits(suite: Suite) -> None:
    first, second = await members(suite)
    shared, card = device(), f"card-{first[-9:]}"
    for member_id in (first, second):
        await add(suite, member_id, shared, "device")
        await add(suite, member_id, card, "card")
    assert (await match_of(suite, first)).status == OPEN
    number = int(first[-4:].encode().hex(), 16)
    for more, member_id in enumerate((first, second)):
        await add(suite, member_id, real_name(number + more), "person", verified=True)
    assert (await match_of(suite, first)).status == LINKED


async def test_weak_never_chains_into_strong(suite: Suite) -> None:
    first, second, third = await members(suite, 3)
    await share(suite, f"{first[-9:]} Nanjing Road", "address", first, second)
    await share(suite, email(), "email", second, third, verified=True)
    await carry_out(suite)
    assert await meant(suite, third) == second
    assert await meant(suite, first) == first
    assert [match.status for match in await matches_of(suite, first)] == [LINKED]


async def test_what_a_merged_member_holds_speaks_for_its_survivor(suite: Suite) -> None:
    """Device and card come from two members that are one; nobody of them alone would be reviewed."""
    first, second, third = await members(suite, 3)
    shared_device, card = device(), f"card-{first[-9:]}"
    await add(suite, first, shared_device, "device")
    await add(suite, second, card, "card")
    await merge(suite, first, second)
    await add(suite, third, shared_device, "device")
    await add(suite, third, card, "card")
    match = await match_of(suite, third)
    assert (match.status, match.score, {match.member_id, match.other_id}) == (OPEN, 70, {third, first})


async def test_verifying_makes_a_review_a_merge(suite: Suite) -> None:
    first, second = await members(suite)
    shared = email()
    one = (await add(suite, first, shared)).identifier.identifier_id
    other = (await add(suite, second, shared)).identifier.identifier_id
    assert (await match_of(suite, first)).status == LINKED
    await verify(suite, one)
    assert (await match_of(suite, first)).status == LINKED
    assert len((await verify(suite, other)).match_ids) == 1
    await carry_out(suite)
    assert (await match_of(suite, first)).status == MERGED


async def test_a_value_that_too_many_share_says_nothing(suite: Suite) -> None:
    crowd = await members(suite, 22)
    kiosk = device()
    await share(suite, kiosk, "device", *crowd)
    assert await matches_of(suite, crowd[-1]) == []
    card = f"card-{crowd[0][-9:]}"
    await share(suite, card, "card", crowd[0], crowd[-1])
    (match,) = await matches_of(suite, crowd[-1])
    assert (match.status, match.score) == (LINKED, 40)


async def test_who_is_suspended_is_reviewed(suite: Suite) -> None:
    first, second = await members(suite)
    shared = email()
    await add(suite, first, shared, verified=True)
    await suspend(suite, first)
    await add(suite, second, shared, verified=True)
    await carry_out(suite)
    match = await match_of(suite, second)
    assert (match.status, match.reason) == (OPEN, "MEMBER_SUSPENDED")


async def test_who_is_closed_meets_nobody(suite: Suite) -> None:
    first, second = await members(suite)
    shared = email()
    await add(suite, first, shared, verified=True)
    await close(suite, first)
    assert not (await add(suite, second, shared, verified=True)).match_ids
    assert await matches_of(suite, second) == []


async def test_who_was_unmerged_is_merged_no_more(suite: Suite) -> None:
    first, second = await members(suite)
    await share(suite, email(), "email", first, second, verified=True)
    await carry_out(suite)
    (made,) = await merges_of(suite, first)
    await unmerge(suite, made.merge_id)
    match = await match_of(suite, first)
    assert (match.status, match.reason, match.decided_by) == (REFUSED, "UNMERGED", "operator")
    await evaluate(suite)
    assert (await match_of(suite, first)).status == REFUSED
    await share(suite, email(), "email", first, second, verified=True)
    await carry_out(suite)
    match = await match_of(suite, first)
    assert (match.status, match.reason) == (OPEN, "DECIDED_BEFORE")


async def test_who_was_merged_by_hand_and_unmerged_is_reviewed(suite: Suite) -> None:
    first, second = await members(suite)
    await unmerge(suite, (await merge(suite, first, second)).merge.merge_id)
    await share(suite, email(), "email", first, second, verified=True)
    await carry_out(suite)
    match = await match_of(suite, first)
    assert (match.status, match.reason) == (OPEN, "DECIDED_BEFORE")


async def test_merging_by_hand_settles_what_was_to_be_reviewed(suite: Suite) -> None:
    first, second, third = await members(suite, 3)
    shared = email()
    await share(suite, shared, "email", first, second, third)
    await share(suite, device(), "device", first, second, third)
    assert {match.status for match in await matches_of(suite, first)} == {OPEN}
    merged_id = (await merge(suite, first, second)).merge.merge_id
    (made,) = [match for match in await matches_of(suite, second) if match.merge_id]
    assert (made.status, made.merge_id, made.decided_by, made.cause) == (MERGED, merged_id, "operator", "same-person")
    await evaluate(suite)
    open_now = [match for match in await matches_of(suite, third) if match.status == OPEN]
    lapsed = [match for match in await matches_of(suite, third) if match.status == LAPSED]
    assert (len(open_now), [match.reason for match in lapsed]) == (1, ["SUPERSEDED"])


async def test_what_is_removed_speaks_for_nothing(suite: Suite) -> None:
    first, second = await members(suite)
    shared, card = device(), f"card-{first[-9:]}"
    await share(suite, shared, "device", first, second)
    await add(suite, first, card, "card")
    added = await add(suite, second, card, "card")
    assert (await match_of(suite, first)).status == OPEN
    await remove(suite, added.identifier.identifier_id)
    match = await match_of(suite, first)
    assert (match.status, match.score, [one.type for one in match.evidence]) == (LINKED, 30, ["device"])


async def test_who_parts_before_the_merge_is_not_merged(suite: Suite) -> None:
    """Merged or parted, whichever is first: nothing stays to be merged."""
    first, second = await members(suite)
    shared = email()
    await add(suite, first, shared, verified=True)
    added = await add(suite, second, shared, verified=True)
    await remove(suite, added.identifier.identifier_id)
    await carry_out(suite)
    match = await match_of(suite, first)
    is_one = await meant(suite, second) == first
    assert match.status == (MERGED if is_one else LAPSED)


async def test_many_who_meet_at_once_become_one(suite: Suite) -> None:
    crowd = await members(suite, 6)
    shared = email()
    await asyncio.gather(*(add(suite, each, shared, verified=True) for each in crowd))
    await carry_out(suite)
    assert {await meant(suite, each) for each in crowd} == {crowd[0]}
    assert {match.status for match in await matches_of(suite, crowd[0])} == {MERGED}
