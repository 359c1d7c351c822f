"""After members were erased, no table, feed, log, trace or refusal of any service has any of their values."""

import asyncio
from typing import Any

import pytest
from grpc import aio

from tessera.events.v1 import event_feed_pb2
from tessera.identity.v1 import identifier_pb2, privacy_pb2
from tessera.identity.v1 import identity_service_pb2 as pb
from tests.identity.builders import link, publish_domains, resolve
from tests.identity.identifiers import add, adding, find, publish_types
from tests.identity.test_personal_data import dump, traces_of
from tests.support.overheard import overhearing
from tests.support.suite import SERVICES, Suite, start_suite

AT_ONCE = 50
"""Members who live at the same time: more would wait for each other longer than a call may take."""


async def told_by(suite: Suite, service: str) -> bytes:
    """The payloads of a whole feed."""
    reached, payloads = dict.fromkeys(range(8), 0), b""
    while True:
        cursors = [event_feed_pb2.Cursor(partition=place, position=at) for place, at in reached.items()]
        answer = await suite.feed(service).Read(event_feed_pb2.ReadRequest(cursors=cursors))
        if not answer.records:
            return payloads
        for record in answer.records:
            payloads += record.payload
            reached[record.partition] = record.position


async def refused(call: Any) -> str:
    """All that a caller is told who is refused."""
    try:
        answer = await call
    except aio.AioRpcError as error:
        return f"{error.code()} {error.details()} {error.trailing_metadata()} {error.debug_error_string()}"
    raise AssertionError(f"not refused: {answer}")


async def live_and_be_erased(suite: Suite, number: int) -> tuple[list[str], str]:
    """Enrol a member with four personal values and erase it; the values, and what was said when calls were refused."""
    values = [f"{kind}-of-person-{number:06}" for kind in ("phone", "card", "region")]
    address = f"address-of-person-{number:06}@example.org"
    enrolling = resolve(values[0], create=True, request_id=f"enrol-{number}", attributes={"region": values[2]})
    member = (await suite.identity.ResolveAccount(enrolling)).member_id
    await suite.identity.LinkAccount(link(member, values[1], request_id=f"link-{number}"))
    await add(suite, member, address, verified=True)
    assert (await find(suite, address)).member_id == member
    await suite.identity.GetMember(pb.GetMemberRequest(member_id=member))
    said = [
        await refused(call)
        for call in (
            suite.identity.ResolveAccount(resolve(values[0], domain="nowhere")),
            suite.identity.ResolveAccount(resolve(values[0], create=True, attributes={"Not-a-name": values[2]})),
            suite.identity.LinkAccount(link(member, f"{values[1]}-other")),
            suite.identity.AddIdentifier(adding(member, address, "phone")),
            suite.identity.FindMember(identifier_pb2.FindMemberRequest(type="email", value=f"x{address}")),
        )
    ]
    erasing = privacy_pb2.EraseMemberRequest(request_id=f"erase-{number}", member_id=member)
    await suite.identity.EraseMember(erasing)
    return [*values, address], "\n".join(said)


@pytest.mark.parametrize("members", [50, pytest.param(1_000, marks=pytest.mark.reliability)])
async def test_no_value_of_erased_members_is_found_anywhere(members: int) -> None:
    async with start_suite() as suite:
        with overhearing(suite) as heard:
            await heard.attach(suite)
            await publish_domains(suite)
            await publish_types(suite)
            lives: list[tuple[list[str], str]] = []
            for first in range(0, members, AT_ONCE):
                numbers = range(first, min(first + AT_ONCE, members))
                lives += await asyncio.gather(*(live_and_be_erased(suite, number) for number in numbers))
            await suite.drain()
            rows = "\n".join([await dump(suite.dsns[service]) for service in SERVICES])
            told = b"".join([await told_by(suite, service) for service in SERVICES])
    assert "grocery" in rows
    assert b"grocery" in told
    assert all(f'"service.name": "{service}"' in heard.traces for service in SERVICES)
    assert "identity.v1.IdentityService/EraseMember" in heard.logs
    said = "\n".join(refusals for _, refusals in lives)
    assert said.count("INVALID_ARGUMENT") >= members
    texts = [text for values, _ in lives for text in values]
    assert [text for text in texts if text.encode() in told] == []
    assert [trace for text in texts for trace in traces_of(text) if trace in rows] == []
    for place in (heard.logs, heard.traces, said):
        assert [text for text in texts if text in place] == []
