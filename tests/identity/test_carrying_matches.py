"""What a policy merges is merged once and in the end, unless something is in the way."""

import asyncio
from collections.abc import AsyncIterator

import pytest_asyncio
from grpc import StatusCode, aio

from services.chassis.errors import Refused
from tessera.identity.v1 import privacy_pb2
from tessera.records.v1 import member_records_pb2 as records_pb
from tessera.records.v1 import member_records_pb2_grpc
from tests.identity.builders import enrol, get_member, request_id
from tests.identity.identifiers import TYPES, add, adding, email, publish_types
from tests.identity.matching import MERGE, MERGED, MERGING, OPEN, carry_out, decide, match_of, policy
from tests.identity.merging import merges_of
from tests.identity.processes import process_of
from tests.support.refusals import refusal_of
from tests.support.suite import Suite, start_suite

STITCHING = {
    "kind": "purpose",
    "code": "one-member",
    "programme": "shop",
    "spec": {"name": "One member", "default": "denied", "needed_for": ["stitching"]},
}


class Points(member_records_pb2_grpc.MemberRecordsServiceServicer):
    """A neighbour as far as identity asks it before a merge."""

    def __init__(self) -> None:
        self.blockers: list[records_pb.Blocker] = []
        self.is_away = False

    async def PreviewMerge(self, request: records_pb.PreviewMergeRequest, context: aio.ServicerContext) -> object:
        if self.is_away:
            await context.abort(StatusCode.UNAVAILABLE, "away")
        return records_pb.PreviewMergeResponse(blockers=self.blockers)


@pytest_asyncio.fixture
async def points() -> AsyncIterator[tuple[Points, str]]:
    """A neighbour and its address."""
    server, neighbour = aio.server(), Points()
    member_records_pb2_grpc.add_MemberRecordsServiceServicer_to_server(neighbour, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    yield neighbour, f"127.0.0.1:{port}"
    await server.stop(0)


@pytest_asyncio.fixture
async def suite(points: tuple[Points, str]) -> AsyncIterator[Suite]:
    """Identity with a neighbour, a policy, and accounts that are not stitched without consent."""
    async with start_suite("identity", neighbours={"points": points[1]}) as started:
        await publish_types(started, *TYPES, policy(), STITCHING)
        yield started


async def two_of_one(suite: Suite, domain: str = "grocery") -> tuple[str, str]:
    """Two members who verified the same e-mail address; the second one's account is of this domain."""
    first = str((await enrol(suite)).member_id)
    second = str((await enrol(suite, domain=domain)).member_id)
    shared = email()
    for member_id in (first, second):
        await add(suite, member_id, shared, verified=True)
    return first, second


async def test_a_blocker_of_a_neighbour_leaves_it_for_review(suite: Suite, points: tuple[Points, str]) -> None:
    points[0].blockers = [records_pb.Blocker(code="HOLD_OPEN")]
    first, _ = await two_of_one(suite)
    await carry_out(suite)
    match = await match_of(suite, first)
    assert (match.status, match.reason) == (OPEN, "points:HOLD_OPEN")
    assert match.explanation.endswith("somebody is to decide; not merged because of points:HOLD_OPEN")
    assert (await decide(suite, match.match_id, MERGE)).match.status == MERGED


async def test_accounts_are_not_stitched_without_consent(suite: Suite) -> None:
    first, second = await two_of_one(suite, "fuel")
    await carry_out(suite)
    match = await match_of(suite, first)
    assert (match.status, match.reason) == (OPEN, "CONSENT_MISSING")
    assert (await get_member(suite, second)).member_id == second


async def test_accounts_are_stitched_with_consent(suite: Suite) -> None:
    first = str((await enrol(suite)).member_id)
    second = str((await enrol(suite, domain="fuel")).member_id)
    for member_id, domain in ((first, "grocery"), (second, "fuel")):
        await suite.identity.SetConsent(
            privacy_pb2.SetConsentRequest(
                request_id=request_id(),
                member_id=member_id,
                domain=domain,
                purpose="one-member",
                granted=True,
                evidence="terms-7",
            )
        )
    shared = email()
    for member_id in (first, second):
        await add(suite, member_id, shared, verified=True)
    await carry_out(suite)
    assert (await match_of(suite, first)).status == MERGED


async def test_a_match_waits_for_a_neighbour_that_is_away(suite: Suite, points: tuple[Points, str]) -> None:
    points[0].is_away = True
    first, second = await two_of_one(suite)
    assert (await refusal_of_carrying(suite)) == "NEIGHBOUR_UNAVAILABLE"
    assert (await match_of(suite, first)).status == MERGING
    points[0].is_away = False
    await carry_out(suite)
    assert (await get_member(suite, second)).member_id == first


async def test_a_match_is_judged_again_when_it_is_merged(suite: Suite, points: tuple[Points, str]) -> None:
    points[0].is_away = True
    first, second = await two_of_one(suite)
    await suite.publish("identity", policy(merge_from=None))
    points[0].is_away = False
    await carry_out(suite)
    match = await match_of(suite, first)
    assert (match.status, match.reason) == (OPEN, "SCORE")
    assert (await get_member(suite, second)).member_id == second


async def refusal_of_carrying(suite: Suite) -> str:
    try:
        await carry_out(suite)
    except Refused as refused:
        return refused.rejection.reason
    raise AssertionError("nothing was in the way")


async def test_what_a_crash_left_to_be_merged_is_merged_by_who_starts_next(
    suite: Suite, points: tuple[Points, str]
) -> None:
    """The match was noted and the process ended before the merge: a new one finds it and merges once."""
    points[0].is_away = True
    first, second = await two_of_one(suite)
    await suite.stop("identity")
    points[0].is_away = False
    await suite.start("identity", neighbours={"points": points[1]})
    await asyncio.gather(*(carry_out(suite) for _ in range(3)))
    assert (await match_of(suite, first)).status == MERGED
    assert [one.merged_id for one in await merges_of(suite, first)] == [second]
    assert (await get_member(suite, second)).member_id == first


async def test_who_is_merged_by_hand_and_by_a_policy_at_once_is_merged_once(suite: Suite) -> None:
    first, _ = await two_of_one(suite)
    match = await match_of(suite, first)
    outcomes = await asyncio.gather(decide(suite, match.match_id, MERGE), carry_out(suite), return_exceptions=True)
    if isinstance(outcomes[0], BaseException):
        assert (await refusal_of(decide(suite, match.match_id, MERGE))).reason == "MATCH_MERGED"
    assert outcomes[1] is None
    assert len(await merges_of(suite, first)) == 1


async def test_several_processes_merge_each_match_once() -> None:
    """Both note matches and both carry them out, whichever noted them."""
    async with start_suite("identity") as suite:
        await publish_types(suite, *TYPES, policy())
        async with process_of(suite) as other:
            pairs = [[str((await enrol(suite)).member_id) for _ in range(2)] for _ in range(15)]

            async def share(pair: list[str], number: int) -> None:
                shared = email()
                await add(suite, pair[0], shared, verified=True)
                stub = other.stub if number % 2 else suite.identity
                await stub.AddIdentifier(adding(pair[1], shared, verified=True))

            await asyncio.gather(*(share(pair, number) for number, pair in enumerate(pairs)))
            await carry_out(suite)
            for first, second in pairs:
                assert (await match_of(suite, first)).status == MERGED
                assert [one.merged_id for one in await merges_of(suite, first)] == [second]
    assert b"could not be merged" not in other.output
