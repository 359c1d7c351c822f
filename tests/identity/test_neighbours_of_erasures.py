"""What the other services hold is exported, and what they say is in the way keeps a member from being erased."""

import json
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from grpc import StatusCode, aio

from tessera.identity.v1 import privacy_pb2
from tessera.records.v1 import member_records_pb2 as records_pb
from tessera.records.v1 import member_records_pb2_grpc
from tests.identity.builders import enrol, get_member, publish_domains, request_id
from tests.support.refusals import refusal_of
from tests.support.suite import Suite, start_suite

pytestmark = pytest.mark.asyncio(loop_scope="module")


class Points(member_records_pb2_grpc.MemberRecordsServiceServicer):
    """A neighbour as far as identity asks it."""

    def __init__(self) -> None:
        self.blockers: list[records_pb.Blocker] = []
        self.is_away = False

    async def PreviewErasure(self, request: records_pb.PreviewErasureRequest, context: aio.ServicerContext) -> object:
        if self.is_away:
            await context.abort(StatusCode.UNAVAILABLE, "away")
        return records_pb.PreviewErasureResponse(
            effects=[records_pb.Effect(code="POINTS_FORFEITED", details={"amount": "500"})], blockers=self.blockers
        )

    async def ExportMember(
        self, request: records_pb.ExportMemberRequest, context: aio.ServicerContext
    ) -> AsyncIterator[records_pb.ExportMemberResponse]:
        yield records_pb.ExportMemberResponse(service="points", kind="lot", record_json='{"amount": 500}')
        if self.is_away:
            await context.abort(StatusCode.UNAVAILABLE, "away")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def points() -> AsyncIterator[Points]:
    yield Points()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def suite(points: Points) -> AsyncIterator[Suite]:
    """Identity, which has one neighbour."""
    server = aio.server()
    member_records_pb2_grpc.add_MemberRecordsServiceServicer_to_server(points, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    async with start_suite("identity", neighbours={"points": f"127.0.0.1:{port}"}) as started:
        await publish_domains(started)
        yield started
    await server.stop(0)


def erasing(member_id: str) -> privacy_pb2.EraseMemberRequest:
    return privacy_pb2.EraseMemberRequest(request_id=request_id(), member_id=member_id)


async def test_an_open_hold_is_settled_first(suite: Suite, points: Points) -> None:
    member = (await enrol(suite)).member_id
    request = erasing(member)
    points.blockers = [records_pb.Blocker(code="HOLD_OPEN", details={"hold_id": "hold_1"})]
    refusal = await refusal_of(suite.identity.EraseMember(request))
    assert refusal.reason == "ERASURE_BLOCKED"
    assert dict(refusal.metadata) == {"service": "points", "code": "HOLD_OPEN", "hold_id": "hold_1", "blockers": "1"}
    preview = await suite.identity.PreviewErasure(privacy_pb2.PreviewErasureRequest(member_id=member))
    assert [(one.service, one.code) for one in preview.effects] == [("points", "POINTS_FORFEITED")]
    assert [(one.service, one.code) for one in preview.blockers] == [("points", "HOLD_OPEN")]
    points.blockers = []
    first = await suite.identity.EraseMember(request)
    points.blockers = [records_pb.Blocker(code="HOLD_OPEN")]
    assert await suite.identity.EraseMember(request) == first
    points.blockers = []


async def test_nobody_is_erased_while_a_neighbour_is_silent(suite: Suite, points: Points) -> None:
    member = (await enrol(suite)).member_id
    points.is_away = True
    assert (await refusal_of(suite.identity.EraseMember(erasing(member)))).reason == "NEIGHBOUR_UNAVAILABLE"
    points.is_away = False
    assert (await get_member(suite, member)).member_id == member


async def exported(suite: Suite, member_id: str) -> list[tuple[str, str, object]]:
    call = suite.identity.ExportMember(privacy_pb2.ExportMemberRequest(member_id=member_id))
    return [(record.service, record.kind, json.loads(record.record_json)) async for record in call]


async def test_an_export_goes_on_with_what_the_neighbours_hold(suite: Suite, points: Points) -> None:
    member = (await enrol(suite)).member_id
    records = await exported(suite, member)
    assert [service for service, _, _ in records] == ["identity", "identity", "points"]
    assert records[-1] == ("points", "lot", {"amount": 500})
    points.is_away = True
    assert (await refusal_of(exported(suite, member))).reason == "NEIGHBOUR_UNAVAILABLE"
    points.is_away = False
