"""What somebody decides of a match, and what it takes to bring it back."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from services.chassis import ids
from services.identity.matches.values import MATCH
from tessera.events.v1 import event_feed_pb2, journal_pb2
from tessera.identity.v1 import event_pb2, privacy_pb2
from tessera.identity.v1 import match_pb2 as pb
from tests.identity.builders import get_member, request_id
from tests.identity.identifiers import TYPES, add, device, publish_types
from tests.identity.matching import (
    LAPSED,
    LINK,
    LINKED,
    MERGE,
    MERGED,
    OPEN,
    REFUSE,
    REFUSED,
    decide,
    evaluate,
    match_of,
    matches_of,
    members,
    policy,
)
from tests.identity.merging import merges_of
from tests.support.refusals import refusal_of
from tests.support.suite import Suite, start_suite

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def suite() -> AsyncIterator[Suite]:
    """Identity with types of identifiers and a policy."""
    async with start_suite("identity") as started:
        await publish_types(started, *TYPES, policy())
        yield started


async def reviewed(suite: Suite) -> tuple[str, str, str]:
    """Two members that are to be reviewed, and their match."""
    first, second = await members(suite)
    shared, card = device(), f"card-{first[-9:]}"
    for member_id in (first, second):
        await add(suite, member_id, shared, "device")
        await add(suite, member_id, card, "card")
    match = await match_of(suite, first)
    assert match.status == OPEN
    return first, second, str(match.match_id)


async def test_merging_does_what_merging_by_hand_does(suite: Suite) -> None:
    first, second, match_id = await reviewed(suite)
    answer = await decide(suite, match_id, MERGE, cause="same-person")
    (made,) = await merges_of(suite, first)
    assert (made.survivor_id, made.merged_id, made.cause, made.merged_by) == (first, second, "same-person", "operator")
    assert (answer.match.status, answer.match.merge_id) == (MERGED, made.merge_id)
    assert (answer.match.decided_by, answer.match.cause) == ("operator", "same-person")
    assert (await get_member(suite, second)).member_id == first
    assert answer.position.position > 0


async def test_a_retry_gets_the_same_answer(suite: Suite) -> None:
    for decision in (MERGE, REFUSE, LINK):
        _, _, match_id = await reviewed(suite)
        once = request_id()
        first = await decide(suite, match_id, decision, request_id=once)
        assert await decide(suite, match_id, decision, request_id=once) == first
        refused = await refusal_of(decide(suite, match_id, decision, request_id=once, cause="another"))
        assert refused.reason == "REQUEST_ID_REUSED"


async def test_a_dry_run_decides_nothing(suite: Suite) -> None:
    for decision, status in ((MERGE, MERGED), (REFUSE, REFUSED), (LINK, LINKED)):
        first, _, match_id = await reviewed(suite)
        answer = await decide(suite, match_id, decision, validate_only=True)
        assert (answer.match.status, answer.match.merge_id, answer.HasField("position")) == (status, "", False)
        assert (await match_of(suite, first)).status == OPEN


async def test_what_was_refused_comes_back_on_new_evidence_alone(suite: Suite) -> None:
    first, second, match_id = await reviewed(suite)
    assert (await decide(suite, match_id, REFUSE)).match.status == REFUSED
    await evaluate(suite)
    assert (await match_of(suite, first)).status == REFUSED
    card = f"second-card-{first[-9:]}"
    for member_id in (first, second):
        await add(suite, member_id, card, "card")
    match = await match_of(suite, first)
    assert (match.status, match.match_id, match.decided_by) == (OPEN, match_id, "operator")
    assert len(match.evidence) == 3


async def test_what_was_linked_stays_linked(suite: Suite) -> None:
    _, second, match_id = await reviewed(suite)
    await decide(suite, match_id, LINK, cause="same-flat")
    await evaluate(suite)
    (link,) = await matches_of(suite, second, status=LINKED)
    assert (link.match_id, link.reason, link.cause) == (match_id, "DECIDED", "same-flat")
    assert (await get_member(suite, second)).member_id == second


async def test_a_decision_can_be_changed_until_they_are_merged(suite: Suite) -> None:
    _, _, match_id = await reviewed(suite)
    await decide(suite, match_id, REFUSE)
    merged = await decide(suite, match_id, MERGE)
    for decision in (REFUSE, LINK, MERGE):
        refused = await refusal_of(decide(suite, match_id, decision))
        assert (refused.reason, refused.metadata) == ("MATCH_MERGED", {"merge_id": merged.match.merge_id})


async def test_a_match_that_is_none_is_refused(suite: Suite) -> None:
    unknown = ids.encode(MATCH, ids.new_id(0))
    for decision in (MERGE, REFUSE, LINK):
        assert (await refusal_of(decide(suite, unknown, decision))).reason == "MATCH_UNKNOWN"


async def test_who_may_not_decide_is_refused(suite: Suite) -> None:
    _, _, match_id = await reviewed(suite)
    assert (await refusal_of(decide(suite, match_id, REFUSE, caller="reader"))).reason == "PERMISSION_MISSING"


async def test_matches_are_listed_page_by_page(suite: Suite) -> None:
    found, token = [], ""
    while True:
        request = pb.ListMatchesRequest(page_size=2, page_token=token, policy="one-person")
        page = await suite.identity.ListMatches(request)
        found += page.matches
        token = page.next_page_token
        if not token:
            break
    everything = await matches_of(suite)
    assert [match.match_id for match in found] == [match.match_id for match in everything]
    assert len({match.match_id for match in found}) == len(found) > 2
    assert [match for match in everything if match.status == OPEN] == await matches_of(suite, status=OPEN)
    assert await matches_of(suite, policy="another") == []


async def test_a_member_sees_the_matches_of_who_was_merged_into_it(suite: Suite) -> None:
    first, second, match_id = await reviewed(suite)
    await decide(suite, match_id, MERGE)
    assert await matches_of(suite, first) == await matches_of(suite, second)
    unknown = ids.encode("member", ids.new_id(0))
    assert (await refusal_of(matches_of(suite, unknown))).reason == "MEMBER_UNKNOWN"


async def test_who_is_erased_is_not_merged_and_can_be_refused(suite: Suite) -> None:
    first, second, match_id = await reviewed(suite)
    await suite.identity.EraseMember(privacy_pb2.EraseMemberRequest(request_id=request_id(), member_id=second))
    assert (await refusal_of(matches_of(suite, second))).reason == "MEMBER_ERASED"
    left = await match_of(suite, first)
    assert (left.status, left.reason) == (LAPSED, "MEMBER_ERASED"), "it waits for nobody"
    assert (await refusal_of(decide(suite, match_id, MERGE))).reason == "MEMBER_ERASED"
    assert (await decide(suite, match_id, REFUSE)).match.status == REFUSED
    assert (await match_of(suite, first)).status == REFUSED


async def test_who_the_other_one_is_is_not_exported(suite: Suite) -> None:
    first, second, match_id = await reviewed(suite)
    for member_id, other_id in ((first, second), (second, first)):
        request = privacy_pb2.ExportMemberRequest(member_id=member_id)
        records = [record async for record in suite.identity.ExportMember(request)]
        (exported,) = [record.record_json for record in records if record.kind == "match"]
        assert match_id in exported
        assert member_id in exported
        assert other_id not in exported


async def test_each_change_is_told(suite: Suite) -> None:
    _, _, match_id = await reviewed(suite)
    await decide(suite, match_id, REFUSE)
    cursors = [event_feed_pb2.Cursor(partition=partition) for partition in range(8)]
    answer = await suite.feed("identity").Read(event_feed_pb2.ReadRequest(cursors=cursors, max_records=1000))
    events = [
        event_pb2.Event.FromString(event)
        for record in answer.records
        for event in journal_pb2.Journal.FromString(record.payload).events
    ]
    raw = ids.decode(MATCH, match_id).bytes
    found = [one.match_found for one in events if one.match_found.match_id == raw]
    changed = [one.match_changed for one in events if one.match_changed.match_id == raw]
    assert [(one.status, one.score) for one in found] == [(LINKED, 30)]
    assert [(one.status, one.reason, one.score) for one in changed] == [(OPEN, "SCORE", 70), (REFUSED, "DECIDED", 70)]
