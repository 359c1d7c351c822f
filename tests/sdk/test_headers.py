"""What every call carries: a request id where one is missing, the token, and the trace it belongs to."""

from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider

from tessera.events.v1 import event_feed_pb2
from tessera.identity.v1 import identity_service_pb2 as pb
from tests.sdk.scripted import client_of, in_turn, scripted


async def test_each_item_of_a_bulk_call_gets_its_own_request_id() -> None:
    request = pb.BulkLinkAccountsRequest(requests=[pb.LinkAccountRequest(request_id=own) for own in ("", "mine", "")])
    answer = pb.BulkLinkAccountsResponse()
    async with scripted(in_turn(answer)) as fake, client_of(("identity", fake)) as client:
        await client.identity.BulkLinkAccounts(request)
    (sent,) = fake.requests(pb.BulkLinkAccountsRequest)
    ids = [item.request_id for item in sent.requests]
    assert ids[1] == "mine"
    assert len(set(ids)) == 3
    assert "" not in ids


async def test_the_id_stays_in_the_message_so_that_sending_it_later_is_a_retry() -> None:
    request = pb.SuspendMemberRequest(member_id="member_1", cause="fraud")
    async with scripted(in_turn(pb.SuspendMemberResponse())) as fake, client_of(("identity", fake)) as client:
        await client.identity.SuspendMember(request)
        await client.identity.SuspendMember(request)
    first, second = fake.requests(pb.SuspendMemberRequest)
    assert first.request_id == second.request_id == request.request_id != ""


async def test_two_requests_get_two_ids() -> None:
    async with scripted(in_turn(pb.SuspendMemberResponse())) as fake, client_of(("identity", fake)) as client:
        for _ in range(2):
            await client.identity.SuspendMember(pb.SuspendMemberRequest(member_id="member_1", cause="fraud"))
    first, second = fake.requests(pb.SuspendMemberRequest)
    assert first.request_id != second.request_id


async def test_a_read_is_sent_as_it_is() -> None:
    request = pb.GetMemberRequest(member_id="member_1")
    async with scripted(in_turn(pb.GetMemberResponse())) as fake, client_of(("identity", fake)) as client:
        await client.identity.GetMember(request)
        await client.feed("identity").GetPositions(event_feed_pb2.GetPositionsRequest())
    assert fake.asked[0][1] == request.SerializeToString()


async def test_every_call_carries_the_token() -> None:
    async with scripted(in_turn(pb.GetMemberResponse())) as fake, client_of(("identity", fake)) as client:
        await client.identity.GetMember(pb.GetMemberRequest(member_id="member_1"))
    assert fake.asked[0][2]["authorization"] == "Bearer token"


async def test_a_call_within_a_span_belongs_to_its_trace() -> None:
    tracer = TracerProvider().get_tracer("test")
    async with scripted(in_turn(pb.GetMemberResponse())) as fake, client_of(("identity", fake)) as client:
        with tracer.start_as_current_span("enrol"):
            trace_id = trace.format_trace_id(trace.get_current_span().get_span_context().trace_id)
            await client.identity.GetMember(pb.GetMemberRequest(member_id="member_1"))
    assert fake.asked[0][2]["traceparent"].split("-")[1] == trace_id
